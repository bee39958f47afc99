//! The right to run a job for a bounded time, and how an attempt ends.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::history::{Failure, History};
use crate::id::{JobId, Token, WorkerId};
use crate::record::JobRecord;

/// What proves the right to a job: every write on a leased job carries it, and one that is out of date
/// changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct LeaseRef {
    /// The job.
    pub id: JobId,
    /// The fencing token of this lease.
    pub token: Token,
    /// Who holds it.
    pub worker: WorkerId,
}

impl LeaseRef {
    /// The proof that `worker` holds `id` under `token`.
    #[must_use]
    pub const fn new(id: JobId, token: Token, worker: WorkerId) -> Self {
        Self { id, token, worker }
    }
}

/// One worker's right to run a job until the lease expires.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The job.
    pub job: JobRecord,
    /// The fencing token.
    pub token: Token,
    /// Who holds it.
    pub worker: WorkerId,
    /// Attempts that have failed so far.
    pub failed_attempts: u32,
    /// Leases that have expired so far.
    pub crashes: u32,
    /// What went wrong so far.
    pub history: History,
    /// The cursor that an earlier attempt has [saved](crate::Backend::checkpoint), encoded.
    pub checkpoint: Option<Vec<u8>>,
    /// When the lease expires unless it is extended, by the backend's clock.
    pub expires_at: Timestamp,
}

impl Lease {
    /// The lease of a job that nothing has gone wrong with yet.
    #[must_use]
    pub const fn new(
        job: JobRecord,
        token: Token,
        worker: WorkerId,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            job,
            token,
            worker,
            failed_attempts: 0,
            crashes: 0,
            history: History::new(),
            checkpoint: None,
            expires_at,
        }
    }

    /// The number of this attempt, from 1. Crashes and snoozes do not add to it.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.failed_attempts.saturating_add(1)
    }

    /// Whether no attempt is left after this one.
    #[must_use]
    pub const fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.job.max_attempts
    }

    /// What proves the right to it.
    #[must_use]
    pub const fn proof(&self) -> LeaseRef {
        LeaseRef::new(self.job.id, self.token, self.worker)
    }
}

/// How many jobs to lease, by whom and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// Who leases.
    pub worker: WorkerId,
    /// The most jobs to lease.
    pub limit: usize,
    /// How long the leases last.
    pub duration: Duration,
}

impl LeaseRequest {
    /// Up to `limit` jobs for `worker`, for `duration` each.
    #[must_use]
    pub const fn new(worker: WorkerId, limit: usize, duration: Duration) -> Self {
        Self { worker, limit, duration }
    }
}

/// What becomes of a job when its lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Done. The result is kept if the job has a retention, and dropped if it has none.
    Complete {
        /// What the handler returned, encoded.
        result: Option<Vec<u8>>,
    },
    /// The attempt failed; another one follows after the delay.
    Retry {
        /// Counted from the settlement, by the backend's clock.
        after: Duration,
        /// What went wrong.
        failure: Failure,
    },
    /// Not now: the job comes back after the delay, and no attempt is used.
    Snooze {
        /// Counted from the settlement, by the backend's clock.
        after: Duration,
    },
    /// Given back unrun: the job goes to the front of its priority, and no attempt is used.
    Release,
    /// The attempt failed for good: the job is put aside for people.
    Dead {
        /// What went wrong.
        failure: Failure,
    },
    /// Cancelled.
    Cancel,
}

/// The end of a lease.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settlement {
    /// The lease that ends.
    pub lease: Arc<Lease>,
    /// What becomes of its job.
    pub next: Next,
}

impl Settlement {
    /// Ends `lease` with `next`.
    #[must_use]
    pub const fn new(lease: Arc<Lease>, next: Next) -> Self {
        Self { lease, next }
    }
}

/// Whether a write on a leased job had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "callers must be able to rely on there being two cases"
)]
pub enum Held {
    /// The lease was held, and the write had its effect.
    Yes,
    /// The lease had been lost, and nothing was changed.
    Lost,
}

/// What became of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a worker must decide about each of them")]
pub enum Extended {
    /// The lease now lasts the full duration again.
    Yes,
    /// The lease lasts the full duration again, and somebody has asked for the job to be cancelled.
    CancelRequested,
    /// The lease had been lost, and nothing was changed.
    Lost,
}

/// What one exchange brought.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Exchanged {
    /// One for each settlement, in their order.
    pub held: Vec<Held>,
    /// The jobs leased.
    pub leases: Vec<Arc<Lease>>,
    /// How long until a scheduled job is due, a lease expires or a limited lane has room in this queue,
    /// zero if that is so already; `None` if there is nothing such. Known only if a lease was asked for
    /// and fewer jobs came than were asked for.
    pub next_in: Option<Duration>,
}

impl Exchanged {
    /// What an exchange brought.
    #[must_use]
    pub const fn new(held: Vec<Held>, leases: Vec<Arc<Lease>>, next_in: Option<Duration>) -> Self {
        Self { held, leases, next_in }
    }
}
