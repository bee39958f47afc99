//! Payloads of other programs: newer, older, of unknown kinds, and broken ones.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{Backend, Queue};
use jobq_core::{
    FailureKind, Job, JobId, JobRecord, JobState, Kind, MemoryBackend, NewJob, OlderPayload,
    Payload, Result, When,
};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use support::{backend, drain, find, queue};
use tokio::sync::mpsc;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Greet {
    first: String,
    last: String,
}

impl Job for Greet {
    const KIND: &'static str = "greet";
    const VERSION: u32 = 2;

    fn upcast(older: OlderPayload) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version1 {
            name: String,
        }
        let old: Version1 = older.decode()?;
        Ok(Self { first: old.name, last: String::new() })
    }
}

async fn greet(job: Greet, State(greeted): State<mpsc::UnboundedSender<Greet>>) {
    greeted.send(job).unwrap();
}

async fn stored(store: &MemoryBackend, kind: &str, version: u32, json: &str) -> JobId {
    let id = JobId::generate(store.clock());
    let payload = Payload::from_json(json).unwrap();
    let mut record = JobRecord::new(id, queue("default"), Kind::new(kind).unwrap(), payload);
    record.version = version;
    store.enqueue_jobs(&[NewJob::new(record, When::Now)]).await.unwrap();
    id
}

/// Runs what is there, and gives what was greeted.
async fn run(store: &MemoryBackend) -> Vec<Greet> {
    let (sender, mut greeted) = mpsc::unbounded_channel();
    let worker = Worker::new(store.clone()).state(sender).handle(greet).renew_without_thread();
    drain(worker.unknown_delay(Duration::from_secs(7))).await;
    let mut all = Vec::new();
    while let Ok(job) = greeted.try_recv() {
        all.push(job);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn an_older_payload_is_upcast() {
    let store = backend();
    stored(&store, "greet", 1, r#"{"name":"Ada"}"#).await;
    store.enqueue(Greet { first: "Grace".into(), last: "Hopper".into() }).await.unwrap();

    let greeted = run(&store).await;

    assert_eq!(greeted[0], Greet { first: "Ada".into(), last: String::new() });
    assert_eq!(greeted[1].last, "Hopper");
}

#[tokio::test(start_paused = true)]
async fn a_newer_payload_is_left_to_a_newer_program() {
    let store = backend();
    let id = stored(&store, "greet", 3, r#"{"full_name":"Ada"}"#).await;

    assert_eq!(run(&store).await, []);

    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.failed_attempts), (JobState::Scheduled, 0));
    let delay = view.at.unwrap().since(store.clock().now());
    assert!(delay > Duration::from_secs(6) && delay <= Duration::from_secs(7), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_left_to_another_program() {
    let store = backend();
    let id = stored(&store, "of.somebody.else", 1, "{}").await;

    assert_eq!(run(&store).await, []);

    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.failed_attempts, view.crashes), (JobState::Scheduled, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_payload_is_dead_with_its_reason() {
    let store = backend();
    let id = stored(&store, "greet", 2, r#"{"first":"Ada"}"#).await;

    assert_eq!(run(&store).await, []);

    let view = find(&store, id).await.unwrap();
    let failure = view.history.last().unwrap();
    assert_eq!((view.state, failure.kind), (JobState::Dead, FailureKind::Undecodable));
    assert!(failure.message.contains("missing field `last`"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn an_older_payload_that_nobody_can_upcast_is_dead() {
    let store = backend();
    let id = stored(&store, "greet", 1, r#"{"nom":"Ada"}"#).await;

    assert_eq!(run(&store).await, []);

    assert_eq!(
        find(&store, id).await.unwrap().history.last().unwrap().kind,
        FailureKind::Undecodable
    );
}
