//! Bulk jobs by hand: the API without workers, and jobs run one by one when a test says so, by a clock
//! that moves when a test says so.

use std::sync::Arc;
use std::time::Duration;

use bulk_leads::api_key::ApiKey;
use bulk_leads::client::{Answer, Client};
use bulk_leads::db::{BulkJob, NewKey, Store};
use bulk_leads::jobs::{BULK_QUEUE, WEBHOOK_QUEUE};
use bulk_leads::limits::LimitOverrides;
use bulk_leads::{App, OpenQueue, Rounds, Rules, Service, Setup, lead_worker, webhook_worker};
use fixtures::{Place, anywhere};
use jobq_core::inspect::JobView;
use jobq_core::{
    Backend, Cancellation, Inspect, Job, JobContext, JobRecord, JobState, Lease, ManualClock,
    MemoryBackend, QueueName, Timestamp, Token, WorkerId,
};
use jobq_worker::Worker;

/// 2026-11-22 12:00 UTC
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_305_600_000 + 12 * 3_600_000);

/// Chunks are small, so that few leads make many.
pub(crate) const CHUNK: u64 = 10;

/// Never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(3_600);

pub(crate) struct Steps {
    pub(crate) app: App,
    pub(crate) queue: MemoryBackend,
    pub(crate) clock: ManualClock,
    pub(crate) service: Service,
    /// Holds the database.
    _place: Place,
    pub(crate) url: String,
}

/// A caller, and the id of the key.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) key_id: String,
    pub(crate) key: String,
}

/// What a key of a test has.
#[derive(Clone, Default)]
pub(crate) struct KeyOf<'a> {
    pub(crate) is_premium: bool,
    pub(crate) limits: LimitOverrides,
    pub(crate) webhook: Option<(&'a str, &'a str)>,
}

/// Without a pause between jobs.
pub(crate) const NO_PAUSE: LimitOverrides = LimitOverrides {
    min_seconds_between_jobs: Some(0),
    max_pending_jobs: None,
    max_jobs_per_day: None,
    max_leads_per_job: None,
    max_leads_per_day: None,
};

impl Steps {
    /// The leads 1 to `leads`, all new, in SQLite.
    pub(crate) async fn with_leads(leads: u64) -> Self {
        let place = Place::new();
        let url = place.sqlite();
        Self::over(place, url, leads).await
    }

    pub(crate) async fn over(place: Place, url: String, leads: u64) -> Self {
        let clock = ManualClock::starting_at(NOON);
        let store = Store::open(&url).await.unwrap().with_clock(clock.clone());
        store.seed(leads, &[]).await.unwrap();
        let queue = MemoryBackend::with_clock(clock.clone());
        let service = serve(&store, &queue).await;
        Self { app: App::new(store).unwrap(), queue, clock, service, _place: place, url }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.app.store
    }

    /// The process ends and another one begins: what was in the queue is lost.
    pub(crate) async fn lose_the_queue(&mut self) {
        self.queue = MemoryBackend::with_clock(self.clock.clone());
        self.restart().await;
    }

    /// The process ends and another one begins.
    pub(crate) async fn restart(&mut self) {
        let service = serve(self.store(), &self.queue).await;
        let before = std::mem::replace(&mut self.service, service);
        before.stop().await.unwrap();
    }

    pub(crate) async fn caller(&self, user_id: i64) -> Caller {
        self.caller_with(user_id, KeyOf { limits: NO_PAUSE, ..KeyOf::default() }).await
    }

    pub(crate) async fn caller_with(&self, user_id: i64, of: KeyOf<'_>) -> Caller {
        let key = ApiKey::generate().unwrap();
        let KeyOf { is_premium, limits, webhook } = of;
        let name = "test";
        let new = NewKey { key: &key, user_id, name, is_premium, limits, webhook };
        self.store().add_key(&new).await.unwrap();
        let client = Client::new(self.service.url(), key.reveal()).unwrap();
        Caller { client, key_id: key.id().to_owned(), key: key.reveal() }
    }

    /// Runs up to so many jobs that are ready and change leads, one after the other, and says how many
    /// have run.
    pub(crate) async fn work(&self, jobs: u64) -> u64 {
        one_by_one(lead_worker(Arc::new(self.queue.clone()), self.app.clone()), jobs).await
    }

    /// Runs all jobs that are ready, messages among them, and those that they make ready.
    pub(crate) async fn work_off(&self) {
        loop {
            let webhooks = webhook_worker(Arc::new(self.queue.clone()), self.app.clone());
            if self.work(1_000).await + one_by_one(webhooks, 1_000).await == 0 {
                return;
            }
        }
    }

    /// Leases everything that is ready, in order, and gives none of it back.
    pub(crate) async fn lease_all(&self) -> Vec<Arc<Lease>> {
        let queue = QueueName::new(BULK_QUEUE).unwrap();
        let mut leases = Vec::new();
        loop {
            let request =
                jobq_core::LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(60));
            let leased = self.queue.exchange(&queue, &[], Some(request)).await.unwrap().leases;
            if leased.is_empty() {
                return leases;
            }
            leases.extend(leased);
        }
    }

    /// Gives leases back, as a worker does that is stopped.
    pub(crate) async fn release(&self, leases: &[Arc<Lease>]) {
        let queue = QueueName::new(BULK_QUEUE).unwrap();
        self.queue.forfeit(&queue, WorkerId::from_u64(1), &[]).await.unwrap();
        let stats = self.queue.queue(&queue).await.unwrap();
        assert!(stats.ready as usize >= leases.len());
    }

    /// The context of an attempt of a job that may long be gone, as of a worker that was overtaken.
    pub(crate) fn context<J: Job>(&self, job: &J, failed: u32) -> JobContext {
        let record = JobRecord::of(jobq_core::JobId::from_key("stale"), job).unwrap();
        let expires_at = self.queue.clock().now() + Duration::from_secs(60);
        let mut lease = Lease::new(record, Token::from_u64(1), WorkerId::from_u64(1), expires_at);
        lease.failed_attempts = failed;
        let backend: Arc<dyn Backend> = Arc::new(self.queue.clone());
        JobContext::new(Arc::new(lease), None, Cancellation::new(), backend)
    }

    pub(crate) async fn job(&self, answer: &Answer) -> BulkJob {
        self.store().job(answer.text("job_id")).await.unwrap().unwrap()
    }

    pub(crate) async fn webhook_jobs(&self, state: JobState) -> Vec<JobView> {
        let queue = QueueName::new(WEBHOOK_QUEUE).unwrap();
        self.queue.jobs(&queue, state, 0, 100).await.unwrap()
    }
}

async fn one_by_one(worker: Worker, jobs: u64) -> u64 {
    let worker = worker.concurrency(1).max_jobs(jobs).stop_when_empty();
    worker.run_until(std::future::pending()).await.unwrap().processed
}

async fn serve(store: &Store, queue: &MemoryBackend) -> Service {
    Service::start(Setup {
        store: store.clone(),
        queue: OpenQueue::of(queue.clone()),
        listen: anywhere(),
        concurrency: 0,
        rules: Rules { chunk_leads: CHUNK, ..Rules::default() },
        // It goes round once, at its start.
        rounds: Rounds { every: NEVER, ..Rounds::default() },
    })
    .await
    .unwrap()
}

/// The numbers from `first` on.
pub(crate) fn ids(first: i64, count: usize) -> Vec<i64> {
    (first..).take(count).collect()
}
