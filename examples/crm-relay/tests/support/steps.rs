//! Messages worked on when a test says so, by a clock that moves when a test says so.

use std::sync::Arc;
use std::time::Duration;

use crm_relay::db::{Enqueued, Received, Store};
use crm_relay::message::{InboxMessage, NewInbox, NewOutbox, OutboxMessage};
use crm_relay::stub::{Chances, Server, StubReceiver};
use crm_relay::{App, Once, OpenQueue, Pass, Policy, Tally, once};
use fixtures::{Place, anywhere};
use jobq_core::{
    Backoff, Cancellation, Job, JobContext, LeaseRequest, ManualClock, MemoryBackend, Queue,
    QueueName, Timestamp, WorkerId,
};
use serde_json::{Value, json};

use super::SECRET;

/// 2026-11-22 12:00 UTC
pub(crate) const NOON: Timestamp = Timestamp::from_millis(1_795_305_600_000 + 12 * 3_600_000);

pub(crate) const SHOP: &str = "shop";

/// Waits that a test can tell, and no long ones in real time.
pub(crate) fn policy() -> Policy {
    let backoff = Backoff::exponential(Duration::from_secs(10), Duration::from_secs(600));
    Policy {
        timeout: Duration::from_secs(5),
        backoff: backoff.without_jitter(),
        longest_retry_after: Duration::from_secs(3_600),
        max_attempts: 8,
    }
}

pub(crate) struct Steps {
    pub(crate) app: App,
    pub(crate) queue: OpenQueue,
    pub(crate) clock: ManualClock,
    pub(crate) receiver: StubReceiver,
    pub(crate) server: Server,
    pub(crate) url: String,
    _place: Place,
}

impl Steps {
    /// On SQLite.
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let url = place.sqlite();
        Self::over(place, url).await
    }

    pub(crate) async fn over(place: Place, url: String) -> Self {
        Self::with(place, url, policy()).await
    }

    pub(crate) async fn with(place: Place, url: String, policy: Policy) -> Self {
        let clock = ManualClock::starting_at(NOON);
        let store = Store::open(&url).await.unwrap().with_clock(clock.clone());
        let receiver = StubReceiver::with_clock([SECRET], Chances::default(), clock.clone());
        let server = Server::start(receiver.clone(), anywhere()).await.unwrap();
        store.add_integration(SHOP, &server.url(SHOP), SECRET).await.unwrap();
        let queue = OpenQueue::memory(MemoryBackend::with_clock(clock.clone()));
        let app = App::new(store, policy, Tally::new(None)).unwrap();
        Self { app, queue, clock, receiver, server, url, _place: place }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.app.store
    }

    /// The process ends and another one begins: what was in the queue is lost.
    pub(crate) fn lose_the_queue(&mut self) {
        self.queue = OpenQueue::memory(MemoryBackend::with_clock(self.clock.clone()));
    }

    /// Enqueues a message, and gives its number.
    pub(crate) async fn send(&self, destination: &str) -> i64 {
        let new = NewOutbox::new(destination, "contact.updated", &contact("c-1"), None).unwrap();
        match self.store().enqueue(new).await.unwrap() {
            Enqueued::New { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// Takes a message in, and gives its number.
    pub(crate) async fn receive(&self, message_id: &str, event: &str, data: &Value) -> i64 {
        let new = NewInbox::new(SHOP, message_id, event, data).unwrap();
        match self.store().receive(new).await.unwrap() {
            Received::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn pass(&self) -> Pass {
        self.pass_of(None).await
    }

    pub(crate) async fn pass_of(&self, limit: Option<u64>) -> Pass {
        let how = Once { limit, ..Once::default() };
        once(&self.app, &self.queue, how, std::future::pending()).await.unwrap()
    }

    pub(crate) async fn outbox(&self, id: i64) -> OutboxMessage {
        self.store().outbox_message(id).await.unwrap().unwrap()
    }

    pub(crate) async fn inbox(&self, id: i64) -> InboxMessage {
        self.store().inbox_message(id).await.unwrap().unwrap()
    }
}

pub(crate) fn contact(id: &str) -> Value {
    json!({"external_id": id, "name": "Ada", "email": "ada@example.org"})
}

/// Two attempts of a job: the lease of the first has expired, and the second has begun.
pub(crate) async fn two_leases<J: Job + Clone>(steps: &Steps, job: J) -> [JobContext; 2] {
    let queue = QueueName::new(J::QUEUE).unwrap();
    let backend = &steps.queue.backend;
    backend.enqueue(job).await.unwrap();
    let lease = async |worker| {
        let request = LeaseRequest::new(WorkerId::from_u64(worker), 1, Duration::from_secs(10));
        let lease = backend.exchange(&queue, &[], Some(request)).await.unwrap().leases.pop();
        JobContext::new(lease.unwrap(), None, Cancellation::new(), Arc::clone(backend))
    };
    let first = lease(1).await;
    steps.clock.advance(Duration::from_secs(11));
    backend.maintain(&queue, 10).await.unwrap();
    [first, lease(2).await]
}
