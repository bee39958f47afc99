//! What holds for jobs that say nothing of their own.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{DEFAULT_MAX_ATTEMPTS, Lease};

/// What a worker takes for what a job leaves open. What a job says, by its type or as it was enqueued, wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<Duration>,
}

impl Defaults {
    pub(crate) fn check(self, faults: &mut Vec<String>) {
        if self.max_attempts == Some(0) {
            faults.push("default_max_attempts is 0: a job is tried at least once".to_owned());
        }
        if self.timeout == Some(Duration::ZERO) {
            faults.push("default_timeout is 0: no job could end in time".to_owned());
        }
    }

    /// The lease with what its job leaves open. The store keeps the job as it is: another worker, with
    /// other defaults, goes by those.
    pub(crate) fn fill(self, mut lease: Arc<Lease>) -> Arc<Lease> {
        if let Some(attempts) = self.max_attempts
            && lease.job.max_attempts == DEFAULT_MAX_ATTEMPTS
        {
            Arc::make_mut(&mut lease).job.max_attempts = attempts;
        }
        if self.timeout.is_some() && lease.job.timeout.is_none() {
            Arc::make_mut(&mut lease).job.timeout = self.timeout;
        }
        lease
    }
}

#[cfg(test)]
mod tests {
    use jobq_core::{JobId, JobRecord, Kind, Payload, QueueName, Timestamp, Token, WorkerId};

    use super::*;

    fn lease(of: impl FnOnce(&mut JobRecord)) -> Arc<Lease> {
        let (queue, kind) = (QueueName::new("mail").unwrap(), Kind::new("hello").unwrap());
        let payload = Payload::from_json("null").unwrap();
        let mut record = JobRecord::new(JobId::from_key("x"), queue, kind, payload);
        of(&mut record);
        let worker = WorkerId::generate();
        Arc::new(Lease::new(record, Token::from_u64(1), worker, Timestamp::EPOCH))
    }

    #[test]
    fn what_a_job_says_wins() {
        let minute = Duration::from_secs(60);
        let defaults = Defaults { max_attempts: Some(3), timeout: Some(minute) };
        let filled = |of: fn(&mut JobRecord)| {
            let job = defaults.fill(lease(of)).job.clone();
            (job.max_attempts, job.timeout)
        };

        assert_eq!(filled(|_| {}), (3, Some(minute)));
        let second = Duration::from_secs(1);
        assert_eq!(filled(|job| job.max_attempts = 9), (9, Some(minute)));
        assert_eq!(filled(|job| job.timeout = Some(Duration::from_secs(1))), (3, Some(second)));
    }

    #[test]
    fn without_defaults_a_lease_is_as_it_was() {
        let before = lease(|_| {});
        let after = Defaults::default().fill(Arc::clone(&before));
        assert!(Arc::ptr_eq(&before, &after));
        assert_eq!(
            before.job.max_attempts, DEFAULT_MAX_ATTEMPTS,
            "what a record says that says nothing"
        );
    }
}
