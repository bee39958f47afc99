//! Jobs, and a worker that runs them when a test says so.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::sql::outbox;
use jobq_core::{
    Backend, Cancellation, Inspect, Job, JobContext, JobRef, Lease, LeaseRequest, MemoryBackend,
    Next, QueueName, Settlement, WorkerId,
};
use serde::{Deserialize, Serialize};
use sqlx::Connection;

use super::databases::{Place, TestDb};

pub(crate) const LEASE: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(kind = "ship", queue = "shipping", max_attempts = 9)]
pub(crate) struct Ship {
    pub(crate) order: i64,
}

pub(crate) fn name(queue: &str) -> QueueName {
    QueueName::new(queue).unwrap()
}

impl<DB: TestDb> Place<DB> {
    /// Enqueues a job for each order in a transaction of its own.
    pub(crate) async fn enqueue(&self, orders: std::ops::Range<i64>) -> Vec<JobRef> {
        let mut connection = self.connection().await;
        let mut jobs = Vec::new();
        let mut tx = Connection::begin(&mut *connection).await.unwrap();
        for order in orders {
            jobs.push(outbox::enqueue(&mut *tx, Ship { order }).await.unwrap());
        }
        tx.commit().await.unwrap();
        jobs
    }

    pub(crate) fn relay(&self, backend: &MemoryBackend) -> outbox::Relay<DB> {
        outbox::Relay::new(self.pool.clone(), backend.clone())
    }

    /// The time passes after which the queues of a killed relay are anybody's. On databases with locks
    /// there is nothing to wait for but the end of its connection.
    pub(crate) async fn forget_claims(&self) {
        let mut connection = self.connection().await;
        let sql = "UPDATE jobq_outbox_queues SET claimed_until_ms = 0";
        let _ = DB::run(&mut connection, sql.to_owned()).await;
    }
}

/// Leases up to so many jobs of a queue.
pub(crate) async fn lease(backend: &MemoryBackend, queue: &str, limit: usize) -> Vec<Arc<Lease>> {
    let request = LeaseRequest::new(WorkerId::from_u64(1), limit, LEASE);
    backend.exchange(&name(queue), &[], Some(request)).await.unwrap().leases
}

pub(crate) async fn settle(backend: &MemoryBackend, lease: &Arc<Lease>, next: Next) {
    let settlement = Settlement::new(Arc::clone(lease), next);
    backend.exchange(&lease.job.queue, &[settlement], None).await.unwrap();
}

pub(crate) async fn complete(backend: &MemoryBackend, lease: &Arc<Lease>) {
    settle(backend, lease, Next::Complete { result: None }).await;
}

/// The orders of all jobs that are ready, in the order in which they would run.
pub(crate) async fn take_all(backend: &MemoryBackend, queue: &str) -> Vec<i64> {
    let mut orders = Vec::new();
    loop {
        let leases = lease(backend, queue, 100).await;
        if leases.is_empty() {
            return orders;
        }
        for lease in leases {
            orders.push(lease.job.payload.decode::<Ship>().unwrap().order);
            complete(backend, &lease).await;
        }
    }
}

pub(crate) async fn ready(backend: &MemoryBackend, queue: &str) -> u64 {
    backend.queue(&name(queue)).await.unwrap().ready
}

/// The context of an attempt.
pub(crate) fn context(backend: &MemoryBackend, lease: &Arc<Lease>) -> JobContext {
    JobContext::new(Arc::clone(lease), None, Cancellation::new(), Arc::new(backend.clone()))
}
