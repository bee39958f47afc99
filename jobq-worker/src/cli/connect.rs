//! Where the jobs are.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use jobq_core::{
    Backend, DeadRetention, Error, ErrorKind, GroupName, Inspect, JobId, JobRef, MemoryBackend,
    QueueName, Schedules,
};
use jobq_redis::{RedisBackend, RedisConfig};
use jobq_scheduler::{Scheduler, Timetable};

use super::config::{Config, Set};
use super::exit::Failure;
use super::named::Named;

/// Above the options that every command has.
pub(super) const OF_ALL: &str = "Options of every command";

/// Where the jobs are, as every command takes it.
#[derive(Args, Clone)]
pub(super) struct Address {
    /// redis://[user:password@]host[:port][/database], rediss://… for TLS, or unix:///path;
    /// redis+cluster://host,host or redis+sentinel://host,host/name.
    /// `memory:` is an empty store of this process, for tests.
    /// By default what `backend` in jobq.toml says, or redis://127.0.0.1:6379.
    #[arg(long, global = true, value_name = "URL", env = "REDIS_URL", hide_env_values = true, help_heading = OF_ALL)]
    backend: Option<String>,
    /// What the keys in Redis begin with; by default what `prefix` in jobq.toml says, or `jobq`.
    #[arg(long, global = true, value_name = "TEXT", env = "JOBQ_PREFIX", help_heading = OF_ALL)]
    prefix: Option<String>,
    /// Who has said so, for what is told of it.
    #[arg(skip)]
    from: Sources,
}

/// What has given an address: `--backend`, `REDIS_URL`, `jobq.toml, line 3, column 11`. `None` where nobody says anything.
#[derive(Clone, Debug, Default)]
struct Sources {
    backend: Option<String>,
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

    /// Where a job is: in the queue that it is named with, or in this one, or in whichever knows it. Two different ones
    /// are refused.
    pub(super) async fn find(
        &self,
        job: &Named<JobId>,
        only: Option<&QueueName>,
    ) -> Result<Option<JobRef>, Failure> {
        let queue = match job.within(only)? {
            Some(queue) => Some(queue.clone()),
            None => self.inspect.locate(job.id).await?,
        };
        Ok(queue.map(|queue| JobRef::new(queue, job.id)))
    }

    /// Where each of these jobs is, as `find` says it, with its id; those that are named without a queue are looked for
    /// together.
    pub(super) async fn find_each(
        &self,
        jobs: &[&Named<JobId>],
        only: Option<&QueueName>,
    ) -> Result<Vec<(JobId, Option<JobRef>)>, Failure> {
        let queues = jobs.iter().map(|job| Ok((job.id, job.within(only)?)));
        let queues = queues.collect::<Result<Vec<_>, Failure>>()?;
        let lost = queues.iter().filter(|(_, queue)| queue.is_none());
        let lost: Vec<_> = lost.map(|(id, _)| *id).collect();
        let located = match lost.as_slice() {
            [] => Vec::new(),
            lost => self.inspect.locate_all(lost).await?,
        };
        let mut located = located.into_iter();
        let place = |(id, queue): (JobId, Option<&QueueName>)| {
            let queue = queue.cloned().or_else(|| located.next().flatten());
            (id, queue.map(|queue| JobRef::new(queue, id)))
        };
        Ok(queues.into_iter().map(place).collect())
    }
}

/// Where the jobs are if nobody says.
const NEARBY: &str = "redis://127.0.0.1:6379";

impl Address {
    /// Notes what is by a flag and what by the environment.
    pub(super) fn given_by(&mut self, matches: &ArgMatches) {
        let source = |id, flag: &str, variable: &str| match matches.value_source(id) {
            Some(ValueSource::CommandLine) => Some(flag.to_owned()),
            Some(ValueSource::EnvVariable) => Some(variable.to_owned()),
            _ => None,
        };
        self.from = Sources {
            backend: source("backend", "--backend", "REDIS_URL"),
            prefix: source("prefix", "--prefix", "JOBQ_PREFIX"),
        };
    }

    /// Fills in what the file says, where neither a flag nor the environment does.
    pub(super) fn or(&self, config: &Config) -> Self {
        let (backend, of_backend) = either(&self.backend, &self.from.backend, &config.backend);
        let (prefix, of_prefix) = either(&self.prefix, &self.from.prefix, &config.prefix);
        Self { backend, prefix, from: Sources { backend: of_backend, prefix: of_prefix } }
    }

    /// Makes all that is told of a server that cannot be reached name where its address is from.
    pub(super) fn remember(&self) {
        if let Some(source) = &self.from.backend {
            // One process is one command.
            let _ = SOURCE.set(source.clone());
        }
    }

    /// Where the jobs are, as a question says it: never with a password.
    pub(super) fn place(&self) -> Result<String, Failure> {
        let Some(config) = self.redis_config()? else {
            return Ok("the memory of this process".to_owned());
        };
        Ok(match &self.prefix {
            Some(prefix) => format!("{} (prefix {prefix})", config.address()),
            None => config.address(),
        })
    }

    pub(super) async fn connect(&self) -> Result<Store, Failure> {
        match self.redis_config()? {
            None => Ok(Store::of(MemoryBackend::new())),
            Some(config) => Ok(Store::of(reach(config).await?)),
        }
    }

    /// As `connect`, and with it the server, if the store is one.
    pub(super) async fn connect_to_both(&self) -> Result<(Store, Option<RedisBackend>), Failure> {
        let Some(config) = self.redis_config()? else { return Ok((self.connect().await?, None)) };
        let redis = reach(config).await?;
        Ok((Store::of(redis.clone()), Some(redis)))
    }

    /// As `connect`, for who does a worker's maintenance and does not know how long workers keep the dead.
    pub(super) async fn connect_keeping_the_dead(&self) -> Result<Store, Failure> {
        let Some(config) = self.redis_config()? else { return self.connect().await };
        let century = Duration::from_secs(100 * 365 * 24 * 3_600);
        let config = config.dead_retention(DeadRetention::new(century, 1 << 40));
        Ok(Store::of(reach(config).await?))
    }

    /// What the keys in Redis begin with.
    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("jobq")
    }

    /// The server; `None` for the store in memory.
    pub(super) fn redis_config(&self) -> Result<Option<RedisConfig>, Failure> {
        let url = self.backend.as_deref().unwrap_or(NEARBY);
        if url == "memory:" {
            return Ok(None);
        }
        let config = RedisConfig::new(url).map_err(|fault| refused(&fault, &self.from.backend))?;
        Ok(Some(match &self.prefix {
            Some(prefix) => {
                config.prefix(prefix).map_err(|fault| refused(&fault, &self.from.prefix))?
            }
            None => config,
        }))
    }
}

/// Where the address is from, if anybody has said one.
static SOURCE: OnceLock<String> = OnceLock::new();

/// The server, once it has let us in.
async fn reach(config: RedisConfig) -> Result<RedisBackend, Failure> {
    RedisBackend::connect_with(config).await.map_err(unreached)
}

/// Why a server cannot be reached, or lets nobody in: with where its address is from, in which the password and the
/// database are.
pub(super) fn unreached(error: Error) -> Failure {
    if error.kind() == ErrorKind::Unavailable {
        return error.into();
    }
    match Failure::from(error) {
        Failure::Usage(why) => Failure::Usage(format!("{why} ({})", whence())),
        Failure::Failed(why) => Failure::Failed(format!("{why} ({})", whence())),
        told @ Failure::Told => told,
    }
}

/// What ends the error of a server that cannot be reached.
pub(super) fn whence() -> String {
    match SOURCE.get() {
        Some(source) => format!("from {source}"),
        None => "say where the jobs are by --backend or REDIS_URL".to_owned(),
    }
}

fn either(
    given: &Option<String>,
    by: &Option<String>,
    file: &Option<Set<String>>,
) -> (Option<String>, Option<String>) {
    match (given, file) {
        (None, Some(set)) => (Some(set.value.clone()), Some(set.place.clone())),
        (given, _) => (given.clone(), by.clone()),
    }
}

fn refused(fault: &Error, from: &Option<String>) -> Failure {
    let from = from.as_ref().map(|from| format!(" (from {from})")).unwrap_or_default();
    Failure::Usage(format!("{fault}{from}"))
}
