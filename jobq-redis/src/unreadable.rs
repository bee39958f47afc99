//! Jobs that cannot be read, because a newer program wrote them or something has overwritten what is stored of them: the
//! queue goes on without them, and people can see and delete them. `lua/lib/record.lua` is the side of the scripts.

use jobq_core::inspect::JobView;
use jobq_core::{
    Error, Failure, FailureKind, JobId, JobRecord, JobState, Kind, LeaseRef, Payload, QueueName,
    Result,
};

use crate::backend::Store;
use crate::past::Facts;
use crate::reply;
use crate::scripts::SETTLE;

/// What stands where the kind of such a job would be shown.
const KIND: &str = "unreadable";

/// How many are put aside by one script: it may have to look through all unique keys for what such jobs hold.
const AT_ONCE: usize = 50;

/// A lease of a job that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) lease: LeaseRef,
    /// What is stored of its failures.
    pub(crate) facts: Vec<u8>,
    pub(crate) error: Error,
}

impl Store {
    /// Puts jobs that were just leased and cannot be read aside among the dead. If that fails, they come again when
    /// their leases have expired.
    pub(crate) async fn put_aside(&self, queue: &QueueName, jobs: &[Unreadable]) {
        for some in jobs.chunks(AT_ONCE) {
            self.put_some_aside(queue, some).await;
        }
    }

    async fn put_some_aside(&self, queue: &QueueName, jobs: &[Unreadable]) {
        let mut call = self.call(&SETTLE, queue);
        call.arg(self.now());
        for job in jobs {
            tracing::error!(
                target: "jobq",
                job = %job.lease.id,
                %queue,
                error = %job.error,
                "job cannot be read: put aside among the dead"
            );
            call.arg(reply::member(job.lease).as_slice())
                .arg("dead")
                .arg(0)
                .arg(self.facts_after(job));
        }
        if let Err(error) = self.link.run(&SETTLE, &call).await {
            tracing::warn!(target: "jobq", %queue, %error, "jobs that cannot be read not put aside: tried again");
        }
    }

    fn facts_after(&self, job: &Unreadable) -> Vec<u8> {
        let Ok(mut facts) = Facts::decode(&job.facts) else {
            // Who wrote them can read them.
            return job.facts.clone();
        };
        facts.failed_attempts = facts.failed_attempts.saturating_add(1);
        facts.history.push(Failure::new(
            FailureKind::Undecodable,
            facts.failed_attempts,
            self.clock().now(),
            job.lease.worker,
            job.error.to_string(),
        ));
        facts.encode()
    }
}

/// What can be shown of a job whose record cannot be read.
pub(crate) fn view_of(
    queue: &QueueName,
    id: JobId,
    state: JobState,
    error: &Error,
) -> Result<JobView> {
    let record = JobRecord::new(id, queue.clone(), Kind::new(KIND)?, Payload::encode(&())?);
    let mut view = JobView::new(record, state);
    view.unreadable = Some(error.to_string());
    Ok(view)
}
