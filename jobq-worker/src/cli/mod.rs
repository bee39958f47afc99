//! The command line: of the binary `jobq`, and of a user's own binary by one call.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use jobq_worker::{Registry, cli};
//! # use jobq_core::Job;
//! # #[derive(serde::Serialize, serde::Deserialize, Job)]
//! # struct SendWelcome;
//! # async fn send_welcome(_: SendWelcome) {}
//!
//! fn main() -> ExitCode {
//!     cli::main(Registry::new().handle(send_welcome))
//! }
//! ```
//!
//! Exit codes: 0 when all went well, 1 when something failed, 2 when the command itself was wrong.

mod allowed;
mod cancel;
mod command;
mod connect;
mod enqueue;
mod exit;
mod failed;
mod output;
mod pause;
mod queues;
mod restart;
mod retry;
mod units;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub use self::command::Command;
use self::connect::Address;
use self::exit::Failure;
use crate::registry::Registry;

/// Background jobs: enqueue them, run them, see what became of them.
#[derive(Debug, Parser)]
#[command(name = "jobq", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    address: Address,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run jobs until SIGTERM or Ctrl+C.
    Work(work::Args),
    /// Enqueue a job.
    Enqueue(enqueue::Args),
    /// Show all queues and their counts.
    Queues(queues::Args),
    /// Show dead jobs and what went wrong with them.
    Failed(failed::Args),
    /// Put dead jobs back into their queues.
    Retry(retry::Args),
    /// Ask all workers to finish what they run and end, after a deploy.
    Restart,
    /// Lease no more jobs of a queue. What runs goes on.
    Pause(pause::Args),
    /// Lease jobs of a paused queue again.
    Resume(pause::Args),
    /// Call jobs off, whether they wait or run.
    Cancel(cancel::Args),
}

/// Runs the command line of this process, with the handlers of `registry` for `work` and its job types
/// for `enqueue`. It makes a tokio runtime of its own.
///
/// The program's own `tracing` subscriber is used if it has set one.
#[must_use = "it is the exit code of the process"]
pub fn main(registry: Registry) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // A reader that has gone away does not want to hear of it.
            let _ = usage.print();
            return ExitCode::from(u8::from(usage.use_stderr()) * 2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("no threads: {error}")).report(),
    };
    let ended = runtime.block_on(run(cli, registry));
    // A blocking handler that is stuck must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

async fn run(cli: Cli, registry: Registry) -> Result<(), Failure> {
    let address = &cli.address;
    match cli.verb {
        Verb::Work(args) => work::run(address, args, registry).await,
        Verb::Enqueue(args) => enqueue::run(address, args, registry).await,
        Verb::Queues(args) => queues::run(address, &args).await,
        Verb::Failed(args) => failed::run(address, &args).await,
        Verb::Retry(args) => retry::run(address, &args).await,
        Verb::Restart => restart::run(address).await,
        Verb::Pause(args) => pause::pause(address, &args).await,
        Verb::Resume(args) => pause::resume(address, &args).await,
        Verb::Cancel(args) => cancel::run(address, &args).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_manual_is_read() {
        for line in [
            "jobq work --queue a,b,c --concurrency 8 --once",
            "jobq work --queue a=3,b --stop-when-empty --max-jobs 9 --max-time 2h --max-memory 512M",
            "jobq work --name w1 --grace 5s --lease 30s --log-format json --allow-command /bin/true",
            "jobq --backend redis://10.0.0.1 queues --json",
            "jobq failed --queue mail --limit 5",
            "jobq retry all --queue mail",
            "jobq retry 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq enqueue command --json {} --queue a",
            "jobq restart --prefix shop",
            "jobq pause mail",
            "jobq resume mail",
            "jobq cancel 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
        ] {
            if let Err(error) = parse(line) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn mistakes_are_refused_with_their_reason() {
        for (line, reason) in [
            ("jobq work --queue a,{b}", "must start with a letter"),
            ("jobq work --queue a=0", "weight of queue \"a\" must be 1 or more"),
            ("jobq work --max-memory 5X", "a size such as 512M or 2G"),
            ("jobq work --max-time soon", "soon"),
            ("jobq retry 4711", "is not a UUID"),
            ("jobq retry", "required"),
            ("jobq pause", "required"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
