//! The scheduler: put together, run, and stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use jobq_core::{
    Backend, Error, ErrorKind, GroupName, Inspect, Result, ScheduleName, Schedules, Vitals,
};

use crate::definition::Plan;
use crate::firing::ScheduleStore;
use crate::runner::{Manner, Runner};
use crate::schedule::Schedule;
use crate::sync::Declared;

/// Enqueues the jobs of a group's schedules when they are due.
///
/// ```
/// use jobq_core::{Job, MemoryBackend};
/// use jobq_scheduler::{Schedule, Scheduler, TimeUnits};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct PruneFailed { hours: u32 }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let stop = tokio::time::sleep(1.seconds()); // or a signal
/// Scheduler::new(MemoryBackend::new())
///     .group("billing")
///     .schedule("prune", Schedule::daily_at("02:00").job(PruneFailed { hours: 168 }))
///     .run_until(stop)
///     .await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
///
/// Any number of processes may run the schedules of one group: each tick is enqueued once.
/// `docs/scheduling.md` in the repository says exactly what that means. Besides the schedules given here, those run that
/// were added to the group at run time.
#[must_use = "a scheduler does nothing until it is run"]
pub struct Scheduler {
    store: Arc<dyn ScheduleStore>,
    group: String,
    stamp: Option<u64>,
    schedules: Vec<(String, Schedule)>,
    vitals: Vitals,
}

impl Scheduler {
    /// A scheduler of the group `default`, as yet without schedules.
    pub fn new(backend: impl Backend + Inspect + Schedules) -> Self {
        Self::on(Arc::new(backend))
    }

    pub(crate) fn on(store: Arc<dyn ScheduleStore>) -> Self {
        Self {
            store,
            group: "default".to_owned(),
            stamp: None,
            schedules: Vec::new(),
            vitals: Vitals::new("scheduler"),
        }
    }

    /// The group: the name of this service. Services with groups of their own may share a store without
    /// seeing each other's schedules.
    pub fn group(mut self, name: impl Into<String>) -> Self {
        self.group = name.into();
        self
    }

    /// A schedule under a name that is its own in the group.
    ///
    /// The name is what it is known by: a schedule under another name is another one, and one that is no
    /// longer given here is removed from the group when no scheduler that lives has it.
    pub fn schedule(mut self, name: impl Into<String>, schedule: Schedule) -> Self {
        self.schedules.push((name.into(), schedule));
        self
    }

    /// Schedules, each under its name.
    pub fn schedules<N: Into<String>>(
        mut self,
        schedules: impl IntoIterator<Item = (N, Schedule)>,
    ) -> Self {
        let named = schedules.into_iter().map(|(name, schedule)| (name.into(), schedule));
        self.schedules.extend(named);
        self
    }

    /// A number that grows with each deployment. While two versions run side by side, the schedules of
    /// the greater one count. By default the time at which the program's file was written.
    pub const fn deploy_stamp(mut self, stamp: u64) -> Self {
        self.stamp = Some(stamp);
        self
    }

    /// How this scheduler is, for health checks: whether it can reach its store, whether its loop turns, and
    /// what it has claimed.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// Runs until `stop` completes. Needs a tokio runtime with time.
    ///
    /// It sleeps until a tick is due, and looks every 15 seconds whether the group has changed. When `stop`
    /// has completed, ticks that are being claimed are finished first, and no other is begun. Dropped before, it leaves nothing half done.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured), listing every mistake in schedules and names. A store
    /// that cannot be reached is not an error: the scheduler keeps trying, and makes up for what it missed
    /// as its schedules say.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Summary> {
        let vitals = self.vitals();
        let mut runner = self.start(Manner::Stays)?;
        // Beside the loop and in its task, so that the beats stop when the loop cannot go on.
        tokio::select! {
            biased;
            () = runner.run_until(stop) => {}
            never = vitals.beat_on() => match never {},
        }
        Ok(runner.summary)
    }

    /// Enqueues what is due now, and stops: for a line in a crontab, once a minute.
    ///
    /// It counts as living for three minutes after, so that passes of two versions in turn agree on what is run
    /// like schedulers that stay. So what left the code is run for three minutes more, then rests, and is
    /// removed another three minutes later. It takes at most 45 seconds.
    ///
    /// # Errors
    ///
    /// As [`run_until`](Self::run_until); [`Unavailable`](ErrorKind::Unavailable) when the store cannot be
    /// reached; and the error of the first job that could not be enqueued, when all others were.
    pub async fn run_once(self) -> Result<Summary> {
        let mut runner = self.start(Manner::Passes)?;
        runner.look().await?;
        runner.fire_due().await;
        runner.leave().await;
        match runner.fault.take() {
            None => Ok(runner.summary),
            Some(fault) => {
                let Summary { enqueued, left_out, failed } = runner.summary;
                let all = enqueued + left_out + failed;
                let message = format!("{failed} of {all} claims failed: {fault}");
                Err(Error::new(fault.kind(), message).because(fault))
            }
        }
    }

    /// Checks all that [`run_until`](Self::run_until) checks before it begins, and calls nobody.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured), listing every mistake in schedules and names.
    pub fn check(&self) -> Result<()> {
        self.declared().map(drop)
    }

    fn start(self, manner: Manner) -> Result<Runner> {
        let (group, plans) = self.declared()?;
        let stamp = self.stamp.unwrap_or_else(built_at);
        let declared = Declared { stamp, program: program(), plans };
        Ok(Runner::new(self.store, group, manner, declared, self.vitals))
    }

    fn declared(&self) -> Result<(GroupName, BTreeMap<ScheduleName, Plan>)> {
        let mut faults = Vec::new();
        let group = GroupName::new(&self.group).map_err(|fault| faults.push(fault.to_string()));
        let mut plans = BTreeMap::new();
        for (name, schedule) in &self.schedules {
            let name = match ScheduleName::new(name) {
                Ok(name) => name,
                Err(fault) => {
                    faults.push(fault.to_string());
                    continue;
                }
            };
            match schedule.plan() {
                Ok(plan) => {
                    if plans.insert(name.clone(), plan).is_some() {
                        faults.push(format!("there are two schedules of the name {name:?}"));
                    }
                }
                Err(fault) => faults.push(format!("schedule {name:?}: {fault}")),
            }
        }
        match group {
            Ok(group) if faults.is_empty() => Ok((group, plans)),
            _ => Err(Error::new(ErrorKind::Misconfigured, faults.join("; "))),
        }
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.schedules.iter().map(|(name, _)| name).collect();
        f.debug_struct("Scheduler")
            .field("group", &self.group)
            .field("schedules", &names)
            .finish_non_exhaustive()
    }
}

/// What a scheduler has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Ticks whose job it has enqueued, or found another job to stand for.
    pub enqueued: u64,
    /// Ticks that it has left out, because a job of the schedule was still live.
    pub left_out: u64,
    /// Claims that failed: because the store could not be reached, or refused the job. They were made again
    /// later, if the scheduler still ran then.
    pub failed: u64,
}

impl fmt::Display for Summary {
    /// `enqueued 12, left out 1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enqueued {}, left out {}", self.enqueued, self.left_out)?;
        match self.failed {
            0 => Ok(()),
            failed => write!(f, ", failed {failed}"),
        }
    }
}

/// The name of the program's file.
fn program() -> String {
    let file = std::env::current_exe().ok();
    let name = file.as_deref().and_then(std::path::Path::file_name);
    name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// When the program's file was written, in milliseconds since the epoch; 0 if that cannot be told.
fn built_at() -> u64 {
    let file = std::env::current_exe().and_then(std::fs::metadata);
    let written = file.and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH);
    let since = written.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(0)
}
