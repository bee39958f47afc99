//! What can be set on a worker, its defaults, and what is refused.

use std::time::Duration;

use jobq_core::{Error, ErrorKind, LimitScope, Limits, QueueName, Result, duration};

use crate::defaults::Defaults;
use crate::given_limits::{self, GivenLimits};
use crate::registry::{Handlers, Registry};
use crate::run_limits::RunLimits;

/// The shortest lease: below it a busy machine could not renew in time.
const MIN_LEASE: Duration = Duration::from_millis(100);

/// The longest lease: as long as it is, nobody notices that a worker has died.
pub(crate) const MAX_LEASE: Duration = Duration::from_secs(30 * DAY);

/// What "for ever" is taken for: no instant that far away is out of range.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * DAY);

const DAY: u64 = 24 * 60 * 60;

/// What was set, not yet checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Names and weights. Empty for the queues of the handlers' job types.
    pub(crate) queues: Vec<(String, u32)>,
    /// Whether a queue is served only when those before it have nothing.
    pub(crate) strict: bool,
    pub(crate) concurrency: usize,
    pub(crate) queue_concurrency: Vec<(String, usize)>,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    pub(crate) cancel_grace: Duration,
    pub(crate) stuck_after: Duration,
    pub(crate) unknown_delay: Duration,
    pub(crate) name: Option<String>,
    pub(crate) defaults: Defaults,
    pub(crate) run_limits: RunLimits,
    /// Limits of queues and lanes, for all workers.
    pub(crate) given_limits: Vec<GivenLimits>,
    pub(crate) renewal_thread: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queues: Vec::new(),
            strict: true,
            // What Sidekiq and Oban have: enough for jobs that wait for others, little for a database.
            concurrency: 10,
            queue_concurrency: Vec::new(),
            // A crash is noticed within it; renewals are at most half of it apart.
            lease: Duration::from_secs(10),
            // Kubernetes kills 30 s after SIGTERM: 5 s are left for cancelling and settling.
            grace: Duration::from_secs(25),
            cancel_grace: Duration::from_millis(100),
            stuck_after: Duration::from_secs(1),
            unknown_delay: Duration::from_secs(5),
            name: None,
            defaults: Defaults::default(),
            run_limits: RunLimits::default(),
            given_limits: Vec::new(),
            renewal_thread: true,
        }
    }
}

impl Settings {
    /// Checks everything, and reports all mistakes at once.
    pub(crate) fn check(mut self, registry: Registry) -> Result<(Config, Handlers)> {
        let mut faults = Vec::new();
        let queues = self.checked_queues(&registry, &mut faults);
        if self.concurrency == 0 {
            faults
                .push("concurrency is 0: a worker must run at least one job at a time".to_owned());
        }
        self.check_durations(&mut faults);
        self.defaults.check(&mut faults);
        self.run_limits.check(&mut faults);
        self.run_limits.max_time = self.run_limits.max_time.map(|time| time.min(LONGEST));
        let given_limits = given_limits::check(std::mem::take(&mut self.given_limits), &mut faults);
        let handlers = registry.finish(&mut faults);
        if !faults.is_empty() {
            let message = format!("the worker cannot start: {}", faults.join("; "));
            return Err(Error::new(ErrorKind::Misconfigured, message));
        }
        let config = Config {
            queues,
            strict: self.strict,
            concurrency: self.concurrency,
            lease: self.lease,
            grace: self.grace.min(LONGEST),
            cancel_grace: self.cancel_grace.min(LONGEST),
            stuck_after: self.stuck_after.min(LONGEST),
            unknown_delay: self.unknown_delay.min(LONGEST),
            name: self.name.unwrap_or_else(default_name),
            defaults: self.defaults,
            run_limits: self.run_limits,
            given_limits,
            renewal_thread: self.renewal_thread,
        };
        Ok((config, handlers))
    }

    fn check_durations(&self, faults: &mut Vec<String>) {
        let lease = self.lease;
        if lease < MIN_LEASE {
            faults.push(format!(
                "a lease of {} is too short: it must be at least {}",
                duration::text(lease),
                duration::text(MIN_LEASE)
            ));
        }
        if lease > MAX_LEASE {
            faults.push("a lease is too long: it must be at most 30 days".to_owned());
        }
        if self.unknown_delay.is_zero() {
            faults.push(
                "unknown_delay is 0: a job without a handler would be leased again at once"
                    .to_owned(),
            );
        }
    }

    fn checked_queues(&self, registry: &Registry, faults: &mut Vec<String>) -> Vec<QueueConfig> {
        let named = if self.queues.is_empty() {
            registry.queues().into_iter().map(|name| (name.to_owned(), 1)).collect()
        } else {
            self.queues.clone()
        };
        let mut queues: Vec<QueueConfig> = Vec::new();
        for (name, weight) in named {
            match QueueName::new(&name) {
                Err(fault) => faults.push(fault.to_string()),
                Ok(_) if weight == 0 => faults.push(format!("queue {name:?} has weight 0")),
                Ok(name) if queues.iter().any(|queue| queue.name == name) => {
                    faults.push(format!("queue {name:?} is listed twice"));
                }
                Ok(name) => queues.push(QueueConfig { name, weight, limit: None }),
            }
        }
        for (name, limit) in &self.queue_concurrency {
            let found = queues.iter_mut().find(|queue| queue.name.as_str() == name);
            match found {
                None => faults.push(format!(
                    "queue_concurrency names queue {name:?}, which this worker does not lease from"
                )),
                Some(_) if *limit == 0 => {
                    faults.push(format!("the concurrency of queue {name:?} is 0"))
                }
                Some(queue) => queue.limit = Some(*limit),
            }
        }
        queues
    }
}

/// What was set, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) queues: Vec<QueueConfig>,
    pub(crate) strict: bool,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) grace: Duration,
    pub(crate) cancel_grace: Duration,
    pub(crate) stuck_after: Duration,
    pub(crate) unknown_delay: Duration,
    pub(crate) name: String,
    pub(crate) defaults: Defaults,
    pub(crate) run_limits: RunLimits,
    pub(crate) given_limits: Vec<(LimitScope, Limits)>,
    pub(crate) renewal_thread: bool,
}

/// One queue of a worker.
#[derive(Debug)]
pub(crate) struct QueueConfig {
    pub(crate) name: QueueName,
    pub(crate) weight: u32,
    /// How many jobs of it may run at once; `None` for as many as the worker runs.
    pub(crate) limit: Option<usize>,
}

/// Host and process. For people only: two containers may have the same.
fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok());
    let host = host.as_deref().map_or("localhost", str::trim);
    format!("{host}:{}", std::process::id())
}
