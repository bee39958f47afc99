//! The four jobs of a bulk job, the one that forgets them, and the ids that make each of their enqueues repeatable.
//!
//! The queue is shared fairly between users: each has a lane. Premium callers go first. The chunks of a
//! bulk job are a batch, which enqueues the follow-up when all of them have ended.
//!
//! Those that change leads are tried for some minutes, so that a database that is restarted fails nothing.
//! Whatever dies all the same is had run once more, by `run_dead`, by the one who goes round.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{
    Backend, BatchId, BatchRef, ErrorKind, Inspect, Job, JobId, Queue, QueueName, Result,
};
use serde::{Deserialize, Serialize};

use crate::db::BulkJob;
use crate::status::LeadStatus;

/// The queue of everything that changes leads.
pub const BULK_QUEUE: &str = "bulk-leads";
/// The queue of what a schedule enqueues.
pub const UPKEEP_QUEUE: &str = "bulk-upkeep";
/// The queue of the messages to callers: a receiver that is slow holds up no leads.
pub const WEBHOOK_QUEUE: &str = "webhooks";

const DAY: Duration = Duration::from_secs(24 * 3_600);

const NORMAL: u8 = 5;
const PREMIUM: u8 = 10;

/// How long the batch of a bulk job is known after its end: the tables know the rest.
const BATCH_RETENTION: Duration = Duration::from_secs(3_600);

/// Splits a bulk job into chunks. Also what puts a job right that has lost some of its queue jobs: it
/// enqueues whatever is missing.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.bulk_split",
    queue = "bulk-leads",
    max_attempts = 20,
    max_crashes = 50,
    timeout = "60s",
    backoff = "exponential(200ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct SplitJob {
    /// The bulk job.
    pub job_id: String,
}

/// Some leads of a bulk job, changed in one transaction.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.bulk_chunk",
    queue = "bulk-leads",
    max_attempts = 20,
    max_crashes = 50,
    timeout = "60s",
    backoff = "exponential(200ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ChangeChunk {
    /// The bulk job.
    pub job_id: String,
    /// Whose it is.
    pub user_id: i64,
    /// Its number in the job, from 0.
    pub chunk_no: u64,
    /// The status that the leads are to have.
    pub target: LeadStatus,
    /// The leads, ascending.
    pub lead_ids: Vec<i64>,
}

/// The follow-up: ends the bulk job once its chunks have ended, and sees to it that its owner is told.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.bulk_finish",
    queue = "bulk-leads",
    // Before all chunks: it is short, and somebody waits for it.
    priority = 15,
    max_attempts = 20,
    max_crashes = 50,
    timeout = "60s",
    backoff = "exponential(200ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct FinishJob {
    /// The bulk job.
    pub job_id: String,
}

/// Tells a caller that a bulk job has ended.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.bulk_webhook",
    queue = "webhooks",
    max_attempts = 8,
    timeout = "30s",
    // Over a night: whoever looks after the receiver should have a chance.
    backoff = "list(10s, 1m, 5m, 30m, 2h, 4h, 8h)",
    jitter = "none"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct SendWebhook {
    /// The bulk job.
    pub job_id: String,
}

/// Forgets bulk jobs that ended long ago: for a schedule, every hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.bulk_forget",
    queue = "bulk-upkeep",
    max_attempts = 5,
    timeout = "30m",
    backoff = "exponential(5s..5m)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ForgetEnded {
    /// For how many days jobs are kept that were completed or cancelled.
    pub completed_days: u32,
    /// For how many days jobs are kept that failed or timed out.
    pub failed_days: u32,
}

impl Default for ForgetEnded {
    fn default() -> Self {
        Self { completed_days: 7, failed_days: 30 }
    }
}

impl ForgetEnded {
    pub(crate) fn completed(self) -> Duration {
        DAY * self.completed_days
    }

    pub(crate) fn failed(self) -> Duration {
        DAY * self.failed_days
    }
}

impl SplitJob {
    /// The one job of this kind for a bulk job.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from_key(&format!("crm.bulk_split/{}", self.job_id))
    }

    /// Enqueues it, in the lane of its user.
    pub(crate) async fn enqueue(
        queue: &Arc<dyn Backend>,
        job_id: &str,
        user_id: i64,
        is_premium: bool,
    ) -> Result<JobId> {
        let split = Self { job_id: job_id.to_owned() };
        let id = split.id();
        queue.enqueue(split).id(id).lane(user_id).priority(priority(is_premium)).await?;
        Ok(id)
    }
}

impl ChangeChunk {
    /// The one job for this chunk of a bulk job.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from_key(&format!("crm.bulk_chunk/{}/{}", self.job_id, self.chunk_no))
    }

    /// Enqueues chunks of a bulk job as a batch, in the lane of its user. `false` if the batch has ended.
    ///
    /// May be repeated: the batch and the chunks have ids of their own.
    pub(crate) async fn enqueue_jobs(
        queue: &Arc<dyn Backend>,
        bulk: &BulkJob,
        chunks: Vec<Self>,
    ) -> Result<bool> {
        let reference = batch_of(&bulk.id)?;
        // By its full name: with `Backend` in scope there are two methods called so.
        let batch = Queue::batch(queue, format!("bulk job {}", bulk.id))
            .on(BULK_QUEUE)
            .id(reference.id)
            .on_complete(FinishJob { job_id: bulk.id.clone() })
            .retention(BATCH_RETENTION)
            .open()
            .await?;
        let enqueue = batch.enqueue_all(chunks).ids(Self::id);
        let enqueued = enqueue.lane(bulk.user_id).priority(priority(bulk.is_premium)).await;
        match enqueued {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(false),
            enqueued => enqueued?,
        };
        let view = match batch.close().await {
            // An earlier run has closed it.
            Err(error) if error.kind() == ErrorKind::Conflict => batch.view().await?,
            closed => closed?,
        };
        Ok(!view.state.has_ended())
    }
}

impl FinishJob {
    /// The one job of this kind for a bulk job.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from_key(&format!("crm.bulk_finish/{}", self.job_id))
    }

    /// Enqueues it without waiting for the batch: for a bulk job that has ended otherwise.
    pub(crate) async fn enqueue(queue: &Arc<dyn Backend>, job_id: &str) -> Result<()> {
        let finish = Self { job_id: job_id.to_owned() };
        let id = finish.id();
        queue.enqueue(finish).id(id).await?;
        Ok(())
    }
}

impl SendWebhook {
    /// The one job of this kind for a bulk job.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from_key(&format!("crm.bulk_webhook/{}", self.job_id))
    }

    /// Enqueues it, in the lane of its user.
    pub(crate) async fn enqueue(queue: &Arc<dyn Backend>, bulk: &BulkJob) -> Result<JobId> {
        let webhook = Self { job_id: bulk.id.clone() };
        let id = webhook.id();
        queue.enqueue(webhook).id(id).lane(bulk.user_id).await?;
        Ok(id)
    }
}

/// Has those of these jobs run once more that are dead. Where an id is dead, enqueueing it adds nothing.
pub(crate) async fn run_dead(
    inspect: &Arc<dyn Inspect>,
    queue: &'static str,
    ids: &[JobId],
) -> Result<()> {
    if !ids.is_empty() {
        // Those that live, or that nobody knows, are left as they are.
        inspect.requeue(&QueueName::new(queue)?, ids).await?;
    }
    Ok(())
}

/// The batch of a bulk job's chunks.
pub(crate) fn batch_of(job_id: &str) -> Result<BatchRef> {
    let id = BatchId::from_key(&format!("crm.bulk/{job_id}"));
    Ok(BatchRef::new(QueueName::new(BULK_QUEUE)?, id))
}

const fn priority(is_premium: bool) -> u8 {
    if is_premium { PREMIUM } else { NORMAL }
}
