//! Jobs leased and run by hand, one by one, at a time of the test's own.

use std::sync::Arc;
use std::time::Duration;

use crm_sync::App;
use crm_sync::crm::Http;
use crm_sync::db::{LogEntry, Store};
use crm_sync::entity::{Direction, Entity};
use crm_sync::fields::Fields;
use crm_sync::generate::{self, Amounts};
use crm_sync::ids::RecordKey;
use crm_sync::job::SyncRecord;
use crm_sync::stub::{Chances, Crm, Server};
use crm_sync::sync::sync_record;
use jobq_core::{
    Backend, Cancellation, IntoOutcome, Job, JobContext, Lease, LeaseRequest, ManualClock,
    MemoryBackend, Next, Outcome, Queue, QueueName, Settlement, Timestamp, WorkerId,
};
use jobq_worker::State;

use super::stub;

pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// 2026-11-22 at noon, the first millisecond of a minute.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

/// A queue, a database, and a CRM.
pub(crate) struct Steps {
    pub(crate) app: App,
    pub(crate) queue: Arc<MemoryBackend>,
    pub(crate) clock: ManualClock,
    pub(crate) crm: Crm,
    pub(crate) server: Server,
}

impl Steps {
    /// Two stores, 1 at Tide and 2 at Harbor, each with ten records of each entity.
    pub(crate) async fn over(url: &str) -> Self {
        Self::with(url, Chances::default(), Duration::from_secs(5)).await
    }

    pub(crate) async fn with(url: &str, chances: Chances, http_timeout: Duration) -> Self {
        let (crm, server) = stub(chances);
        let store = Store::open(url).await.unwrap();
        for number in 1..=2 {
            let account = generate::account(super::store(number), "Store", &server.url());
            store.put_store(&account).await.unwrap();
            let amounts = Amounts { customers: 10, products: 10, sales: 10, activities: 10 };
            generate::add_records(&store, account.store, amounts, NOON).await.unwrap();
        }
        let clock = ManualClock::starting_at(NOON);
        let queue = Arc::new(MemoryBackend::with_clock(clock.clone()));
        let app = App {
            store,
            http: Http::new(http_timeout).unwrap(),
            inspect: Arc::clone(&queue) as _,
            lease: LEASE,
            skew: Duration::ZERO,
        };
        Self { app, queue, clock, crm, server }
    }

    /// Enqueues a job and leases it.
    pub(crate) async fn lease(&self, job: SyncRecord) -> Arc<Lease> {
        self.queue.enqueue(job).await.unwrap();
        let leases = self.take(1).await;
        Arc::clone(leases.first().unwrap())
    }

    /// Leases what there is.
    pub(crate) async fn take(&self, limit: usize) -> Vec<Arc<Lease>> {
        let request = LeaseRequest::new(WorkerId::from_u64(1), limit, LEASE);
        self.queue.exchange(&queue_name(), &[], Some(request)).await.unwrap().leases
    }

    /// Runs a job under a lease.
    pub(crate) async fn under(&self, lease: &Arc<Lease>) -> Outcome {
        let job = lease.job.payload.decode().unwrap();
        let backend: Arc<dyn Backend> = Arc::clone(&self.queue) as _;
        let cx = JobContext::new(Arc::clone(lease), None, Cancellation::new(), backend);
        sync_record(job, State(self.app.clone()), cx).await.into_outcome()
    }

    /// Runs a job under a lease as if so many attempts had failed.
    pub(crate) async fn after_failures(&self, failed: u32, lease: &Arc<Lease>) -> Outcome {
        let mut lease = (**lease).clone();
        lease.failed_attempts = failed;
        self.under(&Arc::new(lease)).await
    }

    /// Enqueues a job, leases it, runs it and ends it.
    pub(crate) async fn sync(&self, key: RecordKey, direction: Direction) -> Outcome {
        let lease = self.lease(SyncRecord::new(key, direction)).await;
        let outcome = self.under(&lease).await;
        self.settle(&lease, Next::Complete { result: None }).await;
        outcome
    }

    pub(crate) async fn settle(&self, lease: &Arc<Lease>, next: Next) {
        let settlement = Settlement::new(Arc::clone(lease), next);
        self.queue.exchange(&queue_name(), &[settlement], None).await.unwrap();
    }

    /// Gives a job back and leases it again.
    pub(crate) async fn again(&self, lease: &Arc<Lease>) -> Arc<Lease> {
        self.settle(lease, Next::Release).await;
        let leases = self.take(1).await;
        let again = leases.first().unwrap();
        assert_eq!(again.job.id, lease.job.id);
        Arc::clone(again)
    }

    pub(crate) async fn external_id(&self, key: RecordKey) -> Option<String> {
        self.app.store.record(key).await.unwrap().unwrap().external_id
    }

    pub(crate) async fn fields(&self, key: RecordKey) -> Fields {
        self.app.store.record(key).await.unwrap().unwrap().fields
    }

    pub(crate) async fn change(&self, key: RecordKey, fields: &Fields) {
        assert!(self.app.store.change_record(key, fields, NOON).await.unwrap());
    }

    pub(crate) async fn log(&self, key: RecordKey) -> Vec<LogEntry> {
        self.app.store.log_of(key, 100).await.unwrap()
    }

    /// How the attempts to sync a record have ended.
    pub(crate) async fn ends(&self, key: RecordKey) -> Vec<String> {
        self.log(key).await.into_iter().map(|entry| entry.status).collect()
    }

    pub(crate) fn requests(&self) -> usize {
        self.crm.requests().len()
    }
}

pub(crate) fn queue_name() -> QueueName {
    QueueName::new(SyncRecord::QUEUE).unwrap()
}

/// What a record says after somebody has worked on it.
pub(crate) fn other(entity: Entity, number: u64) -> Fields {
    generate::fields(entity, 1_000 + number).unwrap()
}
