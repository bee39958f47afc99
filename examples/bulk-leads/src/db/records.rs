//! What goes into the tables and comes out of them.

use jobq_core::Timestamp;
use serde::Serialize;

use super::driver::Record;
use crate::status::LeadStatus;

/// How far a bulk job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the values of a column")]
pub enum BulkState {
    /// Accepted; nothing was done for it yet.
    Pending,
    /// Its chunks are being done.
    Processing,
    /// All its leads were seen to; some of them may have failed.
    Completed,
    /// It was given up because of an error that is not the leads'.
    Failed,
    /// Its owner did not want it any more.
    Cancelled,
    /// It took longer than it may.
    TimedOut,
}

impl BulkState {
    /// The word for it, in the table and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether nothing more is done for it.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Processing)
    }

    pub(super) fn read(word: Option<&str>) -> Self {
        match word {
            Some("processing") => Self::Processing,
            Some("completed") => Self::Completed,
            Some("failed") => Self::Failed,
            Some("cancelled") => Self::Cancelled,
            Some("timed_out") => Self::TimedOut,
            _ => Self::Pending,
        }
    }
}

/// What became of the message at a job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the values of a column")]
pub enum WebhookState {
    /// Nobody wants one.
    None,
    /// It is still to be delivered.
    Pending,
    /// Its receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

impl WebhookState {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    fn read(word: Option<&str>) -> Self {
        match word {
            Some("pending") => Self::Pending,
            Some("delivered") => Self::Delivered,
            Some("failed") => Self::Failed,
            _ => Self::None,
        }
    }
}

/// A row of `crm_bulk_jobs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkJob {
    /// Names it.
    pub id: String,
    /// Whose it is.
    pub user_id: i64,
    /// The key it was sent with, whose webhook is told of its end.
    pub key_id: String,
    /// Whether it goes before those of ordinary callers.
    pub is_premium: bool,
    /// The status that its leads are to have.
    pub target: LeadStatus,
    /// How far it has come.
    pub state: BulkState,
    /// Why it was given up, if it was.
    pub error: Option<String>,
    /// How many leads it has.
    pub total_leads: u64,
    /// How many leads make a chunk of it.
    pub chunk_leads: u64,
    /// Leads that have the status they are to have.
    pub successes: u64,
    /// Leads that were left as they are.
    pub failures: u64,
    /// The job whose failed leads these are.
    pub retry_of: Option<String>,
    /// The job that takes the failed leads of this one.
    pub retried_by: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was first worked on.
    pub started_at: Option<Timestamp>,
    /// When something was last done for it.
    pub moved_at: Timestamp,
    /// When it will be given up: so long after its acceptance, and then so long after its start.
    pub deadline_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What became of the message at its end.
    pub webhook: WebhookState,
    /// How often it was tried to deliver it.
    pub webhook_attempts: u64,
    /// What went wrong last.
    pub webhook_error: Option<String>,
}

/// The columns of [`BulkJob::read`], in its order.
macro_rules! job_columns {
    () => {
        "id, user_id, key_id, is_premium, target, state, error, total_leads, chunk_leads, successes,
         failures, retry_of, created_at, started_at, moved_at, deadline_at, ended_at, webhook_state,
         webhook_attempts, webhook_error, retried_by"
    };
}
pub(super) use job_columns;

impl BulkJob {
    /// Leads that were seen to.
    #[must_use]
    pub const fn processed_leads(&self) -> u64 {
        self.successes + self.failures
    }

    /// Of a hundred parts, to a tenth. A hundred only when nothing is left.
    #[must_use]
    pub fn progress_percent(&self) -> f64 {
        let tenths = (self.processed_leads() * 1_000).checked_div(self.total_leads);
        tenths.map_or(100.0, |tenths| tenths as f64 / 10.0)
    }

    pub(super) fn read(row: &Record) -> Self {
        let time = |column| row.uint(column).map(Timestamp::from_millis);
        Self {
            id: row.string(0),
            user_id: row.int(1).unwrap_or_default(),
            key_id: row.string(2),
            is_premium: row.is_true(3),
            // Written by us alone; `new` is the status that no lead can be given.
            target: row.text(4).and_then(|word| word.parse().ok()).unwrap_or(LeadStatus::New),
            state: BulkState::read(row.text(5)),
            error: row.text(6).map(str::to_owned),
            total_leads: row.count(7),
            chunk_leads: row.count(8),
            successes: row.count(9),
            failures: row.count(10),
            retry_of: row.text(11).map(str::to_owned),
            created_at: time(12).unwrap_or(Timestamp::EPOCH),
            started_at: time(13),
            moved_at: time(14).unwrap_or(Timestamp::EPOCH),
            deadline_at: time(15),
            ended_at: time(16),
            webhook: WebhookState::read(row.text(17)),
            webhook_attempts: row.count(18),
            webhook_error: row.text(19).map(str::to_owned),
            retried_by: row.text(20).map(str::to_owned),
        }
    }
}
