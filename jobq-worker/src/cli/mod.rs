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
//! # `jobq.toml`
//!
//! Read from the file that `--config` or `JOBQ_CONFIG` names, or from `jobq.toml` where the command is run, if
//! it is there. What flags say wins over the environment (`REDIS_URL`, `JOBQ_…`), that over the file, and that
//! over the defaults; a variable that is empty is as good as none. A mistake in the file is told with its
//! line and column whatever the command, but for those that need neither it nor a server, such as `man`.
//!
//! Before all tables stands where the jobs are, and where `work` and `scheduler` serve
//! [health](crate::health):
//!
//! ```toml
//! backend = "redis://10.0.0.1:6379"
//! prefix = "shop"             # what the keys in Redis begin with
//! listen = "127.0.0.1:9090"
//! ```
//!
//! What is set for workers, each as the flag of `jobq work` of its name:
//!
//! ```toml
//! [work]
//! queue = ["integrations", "import", "default"]   # or with weights: ["import=3", "default"]
//! concurrency = 20
//! name = "blue"
//! tries = 3                   # for jobs that say nothing of their own
//! timeout = "60s"             # the same
//! grace = "25s"
//! lease = "10s"
//! allow_command = ["/usr/local/bin/report"]       # beside what flags allow
//! allow_url = ["https://api.example.com/hooks/"]  # the same
//! ```
//!
//! `tries` and `timeout` are for jobs that leave it open: those without a timeout, and those with the 5
//! attempts that `Job` has by default. What a job says itself, by its type or as it was enqueued, wins.
//!
//! The limits that hold whenever a worker starts:
//!
//! ```toml
//! [queues.crm]
//! concurrency = 50
//!
//! [queues.crm.lanes]          # each lane of the queue
//! rate = "100/min"
//! concurrency = 5
//!
//! [queues.crm.lane."7"]       # one of them
//! rate = "200/min"
//!
//! [limits.crm-api]            # for all queues that say `shared = "crm-api"`
//! rate = "1000/h sliding"
//! ```
//!
//! Schedules, too, which run wherever `jobq scheduler` or `jobq work --scheduler` does:
//!
//! ```toml
//! [scheduler]
//! group = "shop"              # the service that they belong to; `default` if nobody says
//!
//! [schedules.prune]
//! cron = "0 2 * * *"          # or every = "30m", or daily_at = "02:00"
//! timezone = "Europe/Warsaw"  # UTC by default
//! kind = "prune_failed"
//! payload = { hours = 168 }   # as `jobq enqueue KIND --json` takes it
//! queue = "default"           # what is not said is as the job's type says
//! overlap = "skip"            # allow (default), skip, queue, cancel
//! catch_up = "all 24 within 2d" # skip, last (default), last within 2h, all 24
//! jitter = "30s"
//! starts_at = 2026-12-01T06:00:00+01:00
//! ends_at = 2027-12-01T06:00:00+01:00
//! ```
//!
//! Beside `queue` a job may have `priority`, `max_attempts`, `timeout`, `retention`, `lane`, `cost`, `unique`, `unique_mode`
//! and `unique_everywhere`, as in `jobq enqueue`. A schedule that leaves the file leaves the store. A program
//! declares schedules of its own by [`CommandLine::schedule`].
//!
//! A queue that the file names has just the limits that the file says, but for those that an operator has
//! set by `jobq limits set`, which win.
//!
//! Durations, here and in every command, are as in [`jobq_core::duration`]: `500ms`, `30s`, `1h30m`, `7d`.
//!
//! # Output
//!
//! Every command has `--json`, one value on one line; where `--json` is what goes in, of `enqueue` and
//! `schedule add` and `change`, it is `--json-output`. In all of it one name has one meaning and one type, and outcomes
//! are words in snake_case. Results go to standard output, complaints and the log to standard error, and so do hints,
//! such as how a list goes on, unless standard output is a terminal. A command does all of its work before it prints
//! what became of it: a reader that goes away changes neither that nor the exit code. Colour and progress bars are for
//! terminals; `NO_COLOR` and `TERM=dumb` turn off the one, `--quiet` the other.
//!
//! # Exit codes
//!
//! 0 when all went well, 1 when something failed, 2 when the command itself was wrong, or named a queue that never had
//! a job, or a schedule that is not there. `work` ends with 0 whatever became of its jobs: its summary tells what failed; but
//! with 1 if it was to end when all is empty, and the server refuses to serve one of its queues. `pause`, `limits set` and `work` warn of a
//! queue without jobs and go on, so that it can be set up before; `monitor` alerts, with 1.

mod allowed;
mod allowed_urls;
mod batch;
mod batches;
mod called;
mod cancel;
mod clear;
mod command;
mod command_line;
mod config;
mod connect;
mod consent;
mod count;
mod dead;
mod doctor;
#[cfg(test)]
mod documented;
mod each;
mod enqueue;
mod exit;
mod explain;
mod failed;
mod flush;
mod forget;
mod health;
mod http;
mod job;
mod jobs;
mod known;
mod lanes;
mod limits;
mod log;
mod manual;
mod mismatch;
mod monitor;
mod named;
mod nearest;
mod numbers;
mod output;
#[cfg(test)]
mod parity;
mod pause;
mod progress;
mod queues;
mod restart;
mod retry;
mod schedule;
mod scheduler;
mod stats;
mod sweep;
mod tree;
mod unique;
mod units;
mod work;
mod wrong;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub use self::command::Command;
pub use self::command_line::CommandLine;
use self::config::ConfigFile;
use self::connect::Address;
use self::exit::Failure;
pub use self::http::Http;
use crate::registry::Registry;

/// Background jobs: enqueue them, run them, see what became of them.
#[derive(Debug, Parser)]
#[command(name = "jobq", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    config: ConfigFile,
    /// Print results and errors only: no hints, no progress, and of `work` no log but warnings.
    #[arg(long, global = true, help_heading = connect::OF_ALL)]
    quiet: bool,
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
    /// Show jobs, workers and the server in a few lines.
    Stats(stats::Args),
    /// Check that the server is fit for jobs, and say what to do if not.
    Doctor(doctor::Args),
    /// End with code 1 if a queue is too long, or waits too long: for alerts.
    Monitor(monitor::Args),
    /// Show dead jobs and what went wrong with them.
    Failed(failed::Args),
    /// Put dead jobs back into their queues.
    Retry(retry::Args),
    /// Show, cancel and delete jobs of any state.
    Jobs(jobs::Args),
    /// Delete dead jobs by their ids.
    Forget(jobs::DeleteArgs),
    /// Delete all dead jobs.
    Flush(flush::Args),
    /// Delete dead jobs that died long ago.
    Prune(flush::PruneArgs),
    /// Delete what waits in a queue.
    Clear(clear::Args),
    /// Ask all workers to finish what they run and end, after a deploy.
    Restart(restart::Args),
    /// Say why a job is not running and when it may, or how it ended.
    Explain(explain::Args),
    /// Lease no more jobs of a queue, or of one of its lanes. What runs goes on.
    Pause(pause::Args),
    /// Lease jobs of a paused queue or lane again.
    Resume(pause::Args),
    /// Cancel jobs, whether they wait or run.
    Cancel(cancel::Args),
    /// Show the lanes of a queue, and what holds them up.
    Lanes(lanes::Args),
    /// Show, set and clear what limits queues and lanes.
    Limits(limits::Args),
    /// Show who holds a unique key.
    Unique(unique::Args),
    /// Show schedules, and change them: when jobs are enqueued, again and again.
    Schedule(schedule::Args),
    /// Run the schedules of code and of `jobq.toml`, and enqueue what is due, until SIGTERM or Ctrl+C.
    Scheduler(scheduler::Args),
    /// Show the batches that are at home in a queue.
    Batches(batches::Args),
    /// Show a batch, call it off, retry what failed of it, or close it.
    Batch(batch::Args),
    /// Print a script by which a shell completes what is typed.
    Completions(manual::CompletionsArgs),
    /// Print the manual page, or write those of all commands.
    Man(manual::ManArgs),
}

/// Runs the command line of this process, with the handlers of `registry` for `work` and its job types
/// for `enqueue`. It makes a tokio runtime of its own.
///
/// The program's own `tracing` subscriber is used if it has set one.
#[must_use = "it is the exit code of the process"]
pub fn main(registry: Registry) -> ExitCode {
    CommandLine::new(registry).main()
}

fn run_process(code: CommandLine) -> ExitCode {
    let cli = match tree::read() {
        Ok(cli) => cli,
        Err(usage) => return wrong::report(&usage),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::failed(format!("no threads: {error}")).report(),
    };
    let ended = runtime.block_on(run(cli, code));
    // A blocking handler that is stuck must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(200));
    ended.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

async fn run(cli: Cli, code: CommandLine) -> Result<(), Failure> {
    if cli.quiet {
        output::be_quiet();
    }
    // What needs neither a server nor the file must work however wrong that is.
    let verb = match cli.verb {
        Verb::Completions(args) => return manual::completions(&args),
        Verb::Man(args) => return manual::man(&args),
        verb => verb,
    };
    // Whatever the command: a mistake in it is best told at once.
    let config = cli.config.read(&code.registry)?;
    let address = &cli.address.or(&config);
    address.remember();
    match verb {
        Verb::Work(args) => work::run(address, &config, args, code).await,
        Verb::Enqueue(args) => enqueue::run(address, args, &code.registry).await,
        Verb::Queues(args) => queues::run(address, &args).await,
        Verb::Stats(args) => stats::run(address, &args).await,
        Verb::Doctor(args) => doctor::run(address, &args).await,
        Verb::Monitor(args) => monitor::run(address, &args).await,
        Verb::Failed(args) => failed::run(address, &args).await,
        Verb::Retry(args) => retry::run(address, &args).await,
        Verb::Jobs(args) => jobs::run(address, &args).await,
        Verb::Forget(args) => forget::run(address, &args).await,
        Verb::Flush(args) => flush::flush(address, &args).await,
        Verb::Prune(args) => flush::prune(address, &args).await,
        Verb::Clear(args) => clear::run(address, &args).await,
        Verb::Restart(args) => restart::run(address, &args).await,
        Verb::Pause(args) => pause::pause(address, &args).await,
        Verb::Resume(args) => pause::resume(address, &args).await,
        Verb::Cancel(args) => cancel::run(address, &args).await,
        Verb::Explain(args) => explain::run(address, &args).await,
        Verb::Lanes(args) => lanes::run(address, &args).await,
        Verb::Limits(args) => limits::run(address, &config, &args).await,
        Verb::Unique(args) => unique::run(address, &args, &code.registry).await,
        Verb::Schedule(args) => schedule::run(address, &config, &args, &code).await,
        Verb::Scheduler(args) => scheduler::run(address, &config, &args, code.schedules).await,
        Verb::Batches(args) => batches::run(address, &args).await,
        Verb::Batch(args) => batch::run(address, &args).await,
        Verb::Completions(_) | Verb::Man(_) => Ok(()),
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
            "jobq work --listen 9090 --once",
            "jobq work --allow-url https://api.example.com/hooks --allow-url http://127.0.0.1:8080",
            "jobq work --listen 0.0.0.0:9090",
            "jobq work --name w1 --grace 5s --lease 30s --log-format json --allow-command /bin/true",
            "jobq --backend redis://10.0.0.1 queues --json",
            "jobq stats --json",
            "jobq doctor --json",
            "jobq monitor mail,crm --max 100 --max-age 5m --json",
            "jobq failed --queue mail --limit 5 --offset 10",
            "jobq retry all --queue mail",
            "jobq retry 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq --quiet jobs list mail --state ready,dead --limit 5 --offset 10 --json",
            "jobq jobs show crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --json",
            "jobq jobs cancel 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq jobs delete 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --yes",
            "jobq forget 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --dry-run",
            "jobq flush --queue mail --yes --json",
            "jobq prune --hours 168 --queue mail --dry-run",
            "jobq clear mail --state ready,completed --yes --quiet",
            "jobq enqueue command --json {} --queue a",
            "jobq restart --prefix shop --json",
            "jobq enqueue sync --after 90s --cost 5 --lane 7 --retention 1h",
            "jobq enqueue sync --after 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e,90s --on-parent-failure skip",
            "jobq enqueue sync --unique [7] --unique-mode debounce(30s..5m) --unique-everywhere",
            "jobq enqueue sync --batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq explain 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --json",
            "jobq explain crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq cancel crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq retry crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq batch crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq enqueue sync --after crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
            "jobq lanes crm --limit 5 --after 10",
            "jobq pause crm --lane 7",
            "jobq resume crm --lane 7",
            "jobq limits",
            "jobq limits crm --lane 7 --json",
            "jobq limits set crm --rate 100/min --concurrency 50 --max-size 1000 --shared crm-api",
            "jobq limits set crm --each-lane --rate 100/min --breaker 5/30s --weight 2",
            "jobq limits set crm --lane 7 --concurrency 5",
            "jobq limits set --shared-limit crm-api --concurrency 9",
            "jobq limits clear crm --lane 7 --rate",
            "jobq limits clear --shared-limit crm-api --code",
            "jobq limits apply --config etc/jobq.toml --dry-run",
            "jobq limits clear crm --dry-run",
            "jobq schedule remove prune --yes --json",
            "jobq restart --dry-run --json",
            "jobq unique 0192f3c17b1e7c3a9d2e5b6f7a8c9d0e",
            "jobq unique --kind crm.sync --fields [7,12] --queue crm",
            "jobq unique --kind crm.sync --job {} --json",
            "jobq batches import --limit 5",
            "jobq batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --queue import",
            "jobq batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e retry",
            "jobq batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e call-off",
            "jobq completions zsh",
            "jobq man --out target/man",
            "jobq pause mail",
            "jobq resume mail",
            "jobq schedule list --group shop --limit 5 --after prune --json",
            "jobq schedule next prune -n 3",
            "jobq schedule run prune --json",
            "jobq schedule pause prune",
            "jobq schedule resume prune --group shop",
            "jobq schedule remove prune",
            "jobq schedule add prune --every 30m prune_failed --queue default --priority 5",
            "jobq schedule add prune --cron @daily --timezone Europe/Warsaw prune_failed --json {}",
            "jobq schedule change prune --daily-at 02:00 --jitter 5m --overlap skip --catch-up skip sync",
            "jobq schedule add x --every 1h --start 2026-12-01T06:00:00Z --ends-at 2027-12-01T06:00:00Z x",
            "jobq scheduler --group shop --once --json",
            "jobq scheduler --deploy-stamp 7 --log-format json",
            "jobq work --scheduler --group shop --stop-when-empty",
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
            ("jobq monitor mail", "required"),
            ("jobq monitor a,{b} --max 5", "must start with a letter"),
            ("jobq monitor mail --max -5", "unexpected argument"),
            ("jobq monitor mail --max-age soon", "\"soon\" is not a duration"),
            ("jobq jobs list", "required"),
            ("jobq jobs list mail --state done", "\"done\" is not a state"),
            ("jobq jobs list mail --limit 1001", "\"1001\" is not a number from 1 to 1000"),
            ("jobq jobs show 4711", "is not a UUID"),
            ("jobq forget", "required"),
            ("jobq flush --yes --dry-run", "cannot be used with"),
            ("jobq prune --hours -1", "unexpected argument"),
            ("jobq prune --hours long", "\"long\" is not a number from 0"),
            ("jobq clear mail --state leased", "leased jobs run: see `jobq cancel`"),
            ("jobq retry", "required"),
            ("jobq pause", "required"),
            ("jobq pause mail --lane é", "may hold only printable ASCII"),
            ("jobq explain 4711", "is not a UUID"),
            (
                "jobq explain a:b/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
                "queue name \"a:b\" may hold only",
            ),
            ("jobq limits set", "required"),
            ("jobq limits set crm --rate often", "is not a rate, such as"),
            ("jobq limits set crm --rate 0/min", "1 to 1000000000"),
            ("jobq limits set crm --breaker 5", "is not a breaker, such as"),
            ("jobq limits set crm --lane 7 --each-lane", "cannot be used with"),
            ("jobq limits set crm --shared-limit api", "cannot be used with"),
            ("jobq limits --lane 7", "required"),
            ("jobq unique", "required"),
            ("jobq unique 4711", "not a unique key of 32 hexadecimal digits"),
            ("jobq unique --fields 7", "required"),
            ("jobq batch 4711", "is not a UUID"),
            (
                "jobq batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e stop",
                "[possible values: call-off, retry, close]",
            ),
            ("jobq completions cmd", "[possible values: bash, elvish, fish, powershell, zsh]"),
            ("jobq enqueue sync --after soon", "neither a duration"),
            ("jobq enqueue sync --unique-mode forever", "is not a unique mode"),
            (
                "jobq enqueue sync --after 1s --on-parent-failure stop",
                "is no policy: there are fail, skip, continue",
            ),
            ("jobq schedule", "Usage"),
            ("jobq schedule next", "required"),
            ("jobq schedule next prune -n 0", "\"0\" is not a number from 1 to 10000"),
            ("jobq enqueue sync --cost 0", "\"0\" is not a number from 1 to 65535"),
            ("jobq schedule run a/b", "may hold only ASCII letters"),
            ("jobq schedule add prune prune_failed", "required"),
            ("jobq schedule add prune --every 1h --cron @daily x", "cannot be used with"),
            ("jobq schedule add prune --every soon x", "\"soon\" is not a duration"),
            ("jobq schedule add prune --every 1h --overlap skp x", "did you mean \"skip\"?"),
            ("jobq schedule add prune --every 1h --catch-up all x", "`all 24`"),
            ("jobq schedule add prune --every 1h --starts-at soon x", "is not an instant"),
            ("jobq schedule add prune --every 1h --priority 16 x", "16"),
            ("jobq schedule list --group é", "must start with a letter or a digit"),
            ("jobq enqueue sync --lane é", "may hold only printable ASCII"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
