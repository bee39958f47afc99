//! The stock command line: no handlers of its own but the one that runs programs.

use std::process::ExitCode;

use jobq_worker::{Registry, cli};

fn main() -> ExitCode {
    cli::main(Registry::new())
}
