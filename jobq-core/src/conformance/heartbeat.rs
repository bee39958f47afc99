//! Workers that live, and what they are told.

use super::Scene;
use super::scene::{MS, SECOND};
use crate::backend::{Signals, WorkerStatus};
use crate::id::WorkerId;

const TTL: std::time::Duration = std::time::Duration::from_secs(15);

/// A worker that has said so lives, and shows all that it said.
pub async fn a_worker_that_was_heard_of_lives(t: &Scene) {
    let mut status = WorkerStatus::new(t.worker(), "host-1/4711 (ü)", t.now());
    status.queues = vec!["mail".into(), "default".into()];
    status.kinds = vec!["crm.sync".into()];
    status.concurrency = 16;
    status.running = 3;
    status.draining = true;
    beat(t, &status).await;

    assert_eq!(living(t).await, [status]);
}

/// A worker that is not heard of for its time is forgotten.
pub async fn a_silent_worker_is_forgotten(t: &Scene) {
    beat(t, &worker(t, "silent")).await;
    t.advance(TTL - MS);
    assert_eq!(living(t).await.len(), 1);
    t.advance(MS);

    assert_eq!(living(t).await, []);
}

/// Each heartbeat counts from its own time.
pub async fn a_heartbeat_keeps_a_worker_alive(t: &Scene) {
    let status = worker(t, "steady");
    for _ in 0..5 {
        beat(t, &status).await;
        t.advance(TTL - MS);
    }

    assert_eq!(living(t).await, [status]);
}

/// What a worker said last is what is shown.
pub async fn the_newest_heartbeat_counts(t: &Scene) {
    let mut status = worker(t, "busy");
    beat(t, &status).await;
    status.running = 5;
    beat(t, &status).await;

    assert_eq!(living(t).await, [status]);
}

/// A worker that says farewell is gone at once.
pub async fn a_farewell_ends_a_workers_life(t: &Scene) {
    let (leaves, stays) = (worker(t, "leaves"), worker(t, "stays"));
    beat(t, &leaves).await;
    beat(t, &stays).await;
    t.store().farewell(leaves.id).await.unwrap();

    assert_eq!(living(t).await, [stays]);
}

/// A farewell may be repeated, also by a worker that nobody knew.
pub async fn a_farewell_may_be_repeated(t: &Scene) {
    let store = t.store();
    let id = WorkerId::generate();
    store.farewell(id).await.unwrap();
    store.farewell(id).await.unwrap();

    assert_eq!(living(t).await, []);
}

/// Workers are listed by their start.
pub async fn workers_are_listed_by_their_start(t: &Scene) {
    let mut workers = ["first", "second", "third"].map(|name| {
        t.advance(SECOND);
        worker(t, name)
    });
    workers.reverse();
    for status in &workers {
        beat(t, status).await;
    }
    workers.reverse();

    assert_eq!(living(t).await, workers);
}

/// A worker hears the same number until somebody asks for a restart.
pub async fn without_a_request_the_signals_stay(t: &Scene) {
    let status = worker(t, "patient");
    let first = beat(t, &status).await;
    t.advance(SECOND);

    assert_eq!(beat(t, &status).await, first);
}

/// A request to restart is heard by every worker, and keeps being the same one.
pub async fn a_restart_is_heard_by_every_worker(t: &Scene) {
    let (one, other) = (worker(t, "one"), worker(t, "other"));
    let before = beat(t, &one).await;
    t.store().restart_workers().await.unwrap();

    let after = beat(t, &one).await;
    assert_ne!(after.restart, before.restart);
    assert_eq!(beat(t, &other).await, after);
    assert_eq!(beat(t, &one).await, after);
}

/// Two requests are two, even at the same time.
pub async fn every_restart_is_a_new_one(t: &Scene) {
    let status = worker(t, "restarting");
    let mut heard = vec![beat(t, &status).await.restart];
    for _ in 0..3 {
        t.store().restart_workers().await.unwrap();
        heard.push(beat(t, &status).await.restart);
    }

    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 4);
}

/// The store can be asked how it is.
pub async fn a_working_store_answers_a_ping(t: &Scene) {
    t.store().ping().await.unwrap();
}

/// A handle that is detached is another handle to the same store, with the same clock.
pub async fn a_detached_handle_is_the_same_store(t: &Scene) {
    let detached = t.store().detached();
    t.enqueue().await;
    let lease = t.lease_one().await;

    detached.ping().await.unwrap();
    let extended = detached.extend(t.queue(), &[lease.proof()], TTL * 9).await;
    assert_eq!(extended.unwrap(), [crate::Extended::Yes]);
    assert_eq!(t.view(lease.job.id).await.at, Some(t.now() + TTL * 9));
    assert_eq!(detached.clock().now(), t.now());
}

/// A look that is detached is a look at the same store.
pub async fn a_detached_look_is_at_the_same_store(t: &Scene) {
    let detached = t.store().inspect_detached();
    t.enqueue().await;

    assert_eq!(detached.queue(t.queue()).await.unwrap(), t.stats().await);
    assert_eq!(t.stats().await.ready, 1);
}

fn worker(t: &Scene, name: &str) -> WorkerStatus {
    WorkerStatus::new(WorkerId::generate(), name, t.now())
}

async fn beat(t: &Scene, status: &WorkerStatus) -> Signals {
    t.store().heartbeat(status, TTL).await.unwrap()
}

async fn living(t: &Scene) -> Vec<WorkerStatus> {
    t.store().workers().await.unwrap()
}
