//! Jobs leased and run by hand, one by one.

use std::sync::Arc;
use std::time::Duration;

use company_context::customer::{Customer, CustomerId};
use company_context::db::{Edit, Edited, Store};
use company_context::job::{CondenseContext, queue_name};
use company_context::model::Model;
use company_context::stub::{Chances, Server, StubModel};
use company_context::{App, Opened, condense};
use jobq_core::{
    Backend, Cancellation, IntoOutcome, JobContext, JobError, Lease, LeaseRequest, ManualClock,
    MemoryBackend, Next, Outcome, Queue, Settlement, Timestamp, WorkerId,
};
use jobq_worker::State;

use super::stub;

/// 2026-11-22 at noon.
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);
const LEASE: Duration = Duration::from_secs(10);
/// How long an answer of the model is waited for.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// A queue, a database, and a model.
pub(crate) struct Steps {
    pub(crate) app: App,
    pub(crate) queue: Arc<MemoryBackend>,
    pub(crate) clock: ManualClock,
    pub(crate) model: StubModel,
    server: Server,
}

impl Steps {
    pub(crate) async fn over(url: &str) -> Self {
        let (model, server) = stub(Chances::default());
        let clock = ManualClock::starting_at(NOON);
        let app = App {
            store: Store::open(url).await.unwrap(),
            model: Model::new(&server.endpoint(), None, HTTP_TIMEOUT).unwrap(),
        };
        let queue = Arc::new(MemoryBackend::with_clock(clock.clone()));
        Self { app, queue, clock, model, server }
    }

    pub(crate) fn opened(&self) -> Opened {
        Opened::of((*self.queue).clone())
    }

    pub(crate) async fn create(&self, text: &str) -> Customer {
        self.app.store.create("Ada", text, NOON).await.unwrap()
    }

    pub(crate) async fn edit(&self, id: CustomerId, text: &str) -> Customer {
        let edit = Edit { text: Some(text.to_owned()), name: None };
        match self.app.store.edit(id, &edit, NOON).await.unwrap() {
            Edited::Done(customer) => *customer,
            Edited::Unknown => panic!("there is no customer {id}"),
        }
    }

    pub(crate) async fn customer(&self, id: CustomerId) -> Customer {
        self.app.store.customer(id).await.unwrap().unwrap()
    }

    /// Enqueues a job and leases it.
    pub(crate) async fn lease(&self, job: CondenseContext) -> Arc<Lease> {
        self.queue.enqueue(job).await.unwrap();
        self.take().await.unwrap()
    }

    /// Leases what comes next.
    pub(crate) async fn take(&self) -> Option<Arc<Lease>> {
        let request = LeaseRequest::new(WorkerId::from_u64(1), 1, LEASE);
        let queue = queue_name().unwrap();
        self.queue.exchange(&queue, &[], Some(request)).await.unwrap().leases.pop()
    }

    pub(crate) async fn settle(&self, lease: &Arc<Lease>, next: Next) {
        let settlement = Settlement::new(Arc::clone(lease), next);
        self.queue.exchange(&queue_name().unwrap(), &[settlement], None).await.unwrap();
    }

    /// An app that does not wait for long.
    pub(crate) fn impatient(&self) -> App {
        let timeout = Duration::from_millis(300);
        let model = Model::new(&self.server.endpoint(), None, timeout).unwrap();
        App { model, ..self.app.clone() }
    }

    /// Runs one attempt of a job, after so many that have failed.
    pub(crate) async fn attempt(&self, job: CondenseContext, failed: u32) -> Outcome {
        self.attempt_with(self.app.clone(), job, failed).await
    }

    pub(crate) async fn attempt_with(
        &self,
        app: App,
        job: CondenseContext,
        failed: u32,
    ) -> Outcome {
        let mut lease = (*self.lease(job).await).clone();
        lease.failed_attempts = failed;
        let lease = Arc::new(lease);
        let outcome = self.run(app, &lease).await;
        self.settle(&lease, Next::Complete { result: None }).await;
        outcome
    }

    /// Runs the attempt of a lease.
    pub(crate) async fn under(&self, lease: &Arc<Lease>) -> Outcome {
        self.run(self.app.clone(), lease).await
    }

    async fn run(&self, app: App, lease: &Arc<Lease>) -> Outcome {
        let job: CondenseContext = lease.job.payload.decode().unwrap();
        let backend: Arc<dyn Backend> = Arc::clone(&self.queue) as _;
        let cx = JobContext::new(Arc::clone(lease), None, Cancellation::new(), backend);
        let done: Result<(), JobError> = condense::condense_context(job, State(app), cx).await;
        done.into_outcome()
    }
}

pub(crate) fn job(customer: &Customer) -> CondenseContext {
    CondenseContext::of(customer.text())
}
