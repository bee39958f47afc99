//! What a program gives its command line.

use std::process::ExitCode;

use jobq_scheduler::Schedule;

use crate::registry::Registry;

/// The command line of a program with handlers and schedules of its own.
///
/// ```no_run
/// use std::process::ExitCode;
/// use jobq_scheduler::Schedule;
/// use jobq_worker::{Registry, cli::CommandLine};
/// # use jobq_core::Job;
/// # #[derive(serde::Serialize, serde::Deserialize, Job)]
/// # struct PruneFailed { hours: u32 }
/// # async fn prune_failed(_: PruneFailed) {}
///
/// fn main() -> ExitCode {
///     CommandLine::new(Registry::new().handle(prune_failed))
///         .schedule("prune", Schedule::daily_at("02:00").job(PruneFailed { hours: 168 }))
///         .main()
/// }
/// ```
///
/// `jobq scheduler` and `jobq work --scheduler` run these schedules together with those of `jobq.toml`.
#[derive(Debug)]
#[must_use = "a command line does nothing until `main` is called"]
pub struct CommandLine {
    pub(super) registry: Registry,
    pub(super) schedules: Schedules,
}

/// The schedules that code declares.
#[derive(Debug, Default)]
pub(super) struct Schedules {
    pub(super) group: Option<String>,
    pub(super) named: Vec<(String, Schedule)>,
}

impl CommandLine {
    /// With these handlers for `work`, and their job types for `enqueue` and schedules.
    pub fn new(registry: Registry) -> Self {
        Self { registry, schedules: Schedules::default() }
    }

    /// The group of its schedules, unless `--group`, `JOBQ_GROUP` or `jobq.toml` says another one:
    /// `default` if nobody says.
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.schedules.group = Some(name.into());
        self
    }

    /// A schedule under a name that is its own in the group. Mistakes in it are told when it is to run.
    pub fn schedule(mut self, name: impl Into<String>, schedule: Schedule) -> Self {
        self.schedules.named.push((name.into(), schedule));
        self
    }

    /// Schedules, each under its name.
    pub fn schedules<N: Into<String>>(
        mut self,
        schedules: impl IntoIterator<Item = (N, Schedule)>,
    ) -> Self {
        let named = schedules.into_iter().map(|(name, schedule)| (name.into(), schedule));
        self.schedules.named.extend(named);
        self
    }

    /// Runs the command line of this process, as [`cli::main`](super::main) does.
    #[must_use = "it is the exit code of the process"]
    pub fn main(self) -> ExitCode {
        super::run_process(self)
    }
}
