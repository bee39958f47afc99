//! The stock command line: no handlers of its own but those that run programs and make requests.

use std::process::ExitCode;

use jobq_worker::{Registry, cli};

fn main() -> ExitCode {
    cli::main(Registry::new())
}
