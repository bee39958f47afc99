//! The one job of this system: condense the newest text of a customer.

use jobq_core::{Job, JobId, QueueName, Result};
use serde::{Deserialize, Serialize};

use crate::customer::{CustomerId, TextId};

/// Condenses a customer's newest text.
///
/// Each text has a job. Of two of one customer the later takes the earlier one's place while that waits, and
/// waits until it has ended while that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "context.condense",
    queue = "company-context",
    max_attempts = 3,
    timeout = "60s",
    backoff = "exponential(1s..1m)",
    unique(customer),
    unique_mode = "latest_wins"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct CondenseContext {
    /// Whose text it is.
    pub customer: CustomerId,
    /// The text it was enqueued for. By the time it runs there may be a newer one.
    pub revision: i64,
}

impl CondenseContext {
    /// The job of a text.
    #[must_use]
    pub const fn of(text: TextId) -> Self {
        Self { customer: text.customer, revision: text.revision }
    }

    /// The job's id follows from what it is about, so that whoever is not sure whether it was enqueued
    /// can enqueue it again.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from_key(&format!("context.condense/{}/{}", self.customer, self.revision))
    }
}

/// The queue of this system.
///
/// # Errors
///
/// None; the name is a good one.
pub fn queue_name() -> Result<QueueName> {
    QueueName::new(CondenseContext::QUEUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_of_the_customer_and_the_id_of_the_revision_too() {
        let job = |customer, revision| CondenseContext {
            customer: CustomerId::new(customer).unwrap(),
            revision,
        };
        let key = |job: CondenseContext| job.unique_key().unwrap().unwrap();

        assert_eq!(key(job(1, 1)), key(job(1, 2)));
        assert_ne!(key(job(1, 1)), key(job(2, 1)));
        assert_eq!(job(1, 1).id(), job(1, 1).id());
        assert_ne!(job(1, 1).id(), job(1, 2).id());
        assert_ne!(job(1, 11).id(), job(11, 1).id());
    }
}
