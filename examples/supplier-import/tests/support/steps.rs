//! An import run by hand: each job when, in what order and as often as a test likes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{
    Backend, Cancellation, IntoOutcome, Job, JobContext, JobRecord, Lease, LeaseRequest,
    MemoryBackend, Next, Outcome, Queue, QueueName, Settlement, Token, WorkerId,
};
use jobq_worker::State;
use supplier_import::App;
use supplier_import::db::{Store, Summary};
use supplier_import::import_chunk::import_chunk;
use supplier_import::import_file::import_file;
use supplier_import::jobs::{ImportChunk, ImportFile, WriteSummary};
use supplier_import::rows::Layout;
use supplier_import::write_summary::write_summary;

pub(crate) const CONTRACTOR: i64 = 7;

/// A queue and a database, with the jobs leased from it one by one.
pub(crate) struct Steps {
    pub(crate) app: App,
    pub(crate) queue: Arc<MemoryBackend>,
}

impl Steps {
    /// A fresh queue over the database at `url`, with `products` products in it.
    pub(crate) async fn over(url: &str, products: u64) -> Self {
        let store = Store::open(url).await.unwrap();
        store.seed(CONTRACTOR, products).await.unwrap();
        Self { app: App::new(store), queue: Arc::new(MemoryBackend::new()) }
    }

    /// Leases the parent and runs it.
    pub(crate) async fn parent(&self, job: &ImportFile) -> Outcome {
        let lease = self.lease_parent(job).await;
        let outcome = self.parent_under(&lease, job).await;
        self.settle(&lease, Next::Complete { result: None }).await;
        outcome
    }

    /// Leases the parent and runs it as if two attempts had failed.
    pub(crate) async fn third_attempt(&self, job: &ImportFile) -> Outcome {
        let mut lease = (*self.lease_parent(job).await).clone();
        lease.failed_attempts = 2;
        self.parent_under(&Arc::new(lease), job).await
    }

    /// Enqueues the parent unless it waits already, and leases it.
    pub(crate) async fn lease_parent(&self, job: &ImportFile) -> Arc<Lease> {
        self.queue.enqueue(job.clone()).id(job.id()).await.unwrap();
        let queue = QueueName::new(ImportFile::QUEUE).unwrap();
        let request = LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(60));
        let leased = self.queue.exchange(&queue, &[], Some(request)).await.unwrap().leases;
        Arc::clone(&leased[0])
    }

    pub(crate) async fn parent_under(&self, lease: &Arc<Lease>, job: &ImportFile) -> Outcome {
        let cx = self.context(Arc::clone(lease));
        import_file(job.clone(), State(self.app.clone()), cx).await.into_outcome()
    }

    pub(crate) async fn settle(&self, lease: &Arc<Lease>, next: Next) {
        let queue = lease.job.queue.clone();
        let settlement = Settlement::new(Arc::clone(lease), next);
        self.queue.exchange(&queue, &[settlement], None).await.unwrap();
    }

    pub(crate) async fn chunk(&self, job: &ImportChunk) -> Outcome {
        self.chunk_after(0, job).await
    }

    /// Runs a chunk as if so many attempts had failed.
    pub(crate) async fn chunk_after(&self, failed: u32, job: &ImportChunk) -> Outcome {
        let record = JobRecord::of(job.id(), job).unwrap();
        let expires_at = self.queue.clock().now() + Duration::from_secs(60);
        let mut lease = Lease::new(record, Token::from_u64(1), WorkerId::from_u64(1), expires_at);
        lease.failed_attempts = failed;
        let cx = self.context(Arc::new(lease));
        import_chunk(job.clone(), State(self.app.clone()), cx).await.into_outcome()
    }

    pub(crate) async fn summarise(&self, job: &WriteSummary) -> Outcome {
        write_summary(job.clone(), State(self.app.clone())).await.into_outcome()
    }

    /// All jobs that wait in the queue of a job type, taken out of it.
    pub(crate) async fn take<J: Job>(&self) -> Vec<J> {
        let queue = QueueName::new(J::QUEUE).unwrap();
        let request = LeaseRequest::new(WorkerId::from_u64(1), 10_000, Duration::from_secs(60));
        let leased = self.queue.exchange(&queue, &[], Some(request)).await.unwrap().leases;
        let done = |lease: &Arc<Lease>| {
            Settlement::new(Arc::clone(lease), Next::Complete { result: None })
        };
        let done: Vec<_> = leased.iter().map(done).collect();
        self.queue.exchange(&queue, &done, None).await.unwrap();
        leased.iter().map(|lease| lease.job.payload.decode().unwrap()).collect()
    }

    pub(crate) async fn summary(&self, job: &ImportFile) -> Option<Summary> {
        self.app.store.summary(&job.import_id).await.unwrap()
    }

    fn context(&self, lease: Arc<Lease>) -> JobContext {
        let backend: Arc<dyn Backend> = Arc::clone(&self.queue) as _;
        JobContext::new(lease, None, Cancellation::new(), backend)
    }
}

/// The parent of an import of a local file, in chunks of ten.
pub(crate) fn import_of(import_id: &str, file: &Path) -> ImportFile {
    ImportFile {
        import_id: import_id.to_owned(),
        contractor_id: CONTRACTOR,
        source: file.to_str().unwrap().parse().unwrap(),
        layout: Layout::default(),
        chunk_rows: 10,
        max_bytes: 1 << 30,
        http_timeout_s: 5,
    }
}
