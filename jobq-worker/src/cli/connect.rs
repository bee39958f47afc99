//! Where the jobs are.

use std::sync::Arc;

use clap::Args;
use jobq_core::{Backend, GroupName, Inspect, JobId, JobRef, MemoryBackend, QueueName, Schedules};
use jobq_redis::{RedisBackend, RedisConfig};
use jobq_scheduler::{Scheduler, Timetable};

use super::exit::Failure;
use super::units::Named;

/// Where the jobs are, as every command takes it.
#[derive(Args, Clone)]
pub(super) struct Address {
    /// redis://[user:password@]host[:port][/database], rediss://… for TLS, or unix:///path.
    /// `memory:` is an empty store of this process, for tests.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1:6379"
    )]
    backend: String,
    /// What the keys in Redis begin with.
    #[arg(long, global = true, value_name = "TEXT", env = "JOBQ_PREFIX")]
    prefix: Option<String>,
}

// A URL may hold a password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A store, for jobs, for people and for schedules.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) inspect: Arc<dyn Inspect>,
    pub(super) schedules: Arc<dyn Scheduling>,
}

/// A store as schedules need it.
pub(super) trait Scheduling: Schedules {
    /// A scheduler, as yet without schedules.
    fn scheduler(&self) -> Scheduler;

    /// The schedules of a group.
    fn timetable(&self, group: &GroupName) -> jobq_core::Result<Timetable>;
}

impl<B: Backend + Inspect + Schedules + Clone> Scheduling for B {
    fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.clone())
    }

    fn timetable(&self, group: &GroupName) -> jobq_core::Result<Timetable> {
        Timetable::new(self.clone(), group)
    }
}

impl Store {
    pub(super) fn of<B: Backend + Inspect + Schedules + Clone>(store: B) -> Self {
        Self {
            backend: Arc::new(store.clone()),
            inspect: Arc::new(store.clone()),
            schedules: Arc::new(store),
        }
    }

    /// Where a job is: in the queue that it is named with, or in this one, or in whichever knows it.
    pub(super) async fn find(
        &self,
        job: &Named<JobId>,
        only: Option<&QueueName>,
    ) -> Result<Option<JobRef>, Failure> {
        let queue = match job.queue.as_ref().or(only) {
            Some(queue) => Some(queue.clone()),
            None => self.inspect.locate(job.id).await?,
        };
        Ok(queue.map(|queue| JobRef::new(queue, job.id)))
    }
}

impl Address {
    pub(super) async fn connect(&self) -> Result<Store, Failure> {
        if self.backend == "memory:" {
            return Ok(Store::of(MemoryBackend::new()));
        }
        let mut config = RedisConfig::new(&self.backend)?;
        if let Some(prefix) = &self.prefix {
            config = config.prefix(prefix)?;
        }
        Ok(Store::of(RedisBackend::connect_with(config).await?))
    }
}
