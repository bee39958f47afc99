//! `/readyz`: whether every part takes on work.

use std::time::Duration;

use jobq_core::{MemoryBackend, Queue};
use jobq_scheduler::{Schedule, Scheduler};
use jobq_worker::health::Listener;
use tokio::sync::oneshot;

use crate::http::{Answer, get};
use crate::{Work, served, worker};

/// Asks until the answer is as expected, and fails after a while.
async fn until_ready_is(listener: &Listener, status: u16) -> Answer {
    let address = listener.address();
    for _ in 0..1_000 {
        let answer = tokio::task::spawn_blocking(move || get(address, "/readyz")).await.unwrap();
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("/readyz never answers {status}")
}

fn stop() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, async { drop(stopped.await) })
}

#[test]
fn a_process_in_which_nothing_runs_is_not_ready() {
    let (_health, listener) = served(&MemoryBackend::new());

    let answer = get(listener.address(), "/readyz");

    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, "not ready\nnothing has begun to run\nstore: up\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_ready_when_it_leases_and_not_when_it_has_stopped() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let (stop, stopped) = stop();
    let worker = worker(&store).health(&health);
    let before = until_ready_is(&listener, 503).await;
    assert_eq!(before.body, "not ready\nworker: starting\nstore: up\n");
    let running = tokio::spawn(worker.run_until(stopped));

    let ready = until_ready_is(&listener, 200).await;
    assert_eq!(ready.body, "ready\nworker: ready\nstore: up\n");

    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let after = until_ready_is(&listener, 503).await;
    assert_eq!(after.body, "not ready\nworker: stopped\nstore: up\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_begins_anew_takes_the_place_of_the_one_that_has_stopped() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    for _ in 0..2 {
        store.enqueue(Work { fails: false }).await.unwrap();
        worker(&store).health(&health).stop_when_empty().run().await.unwrap();
    }
    let after = until_ready_is(&listener, 503).await;
    assert_eq!(after.body, "not ready\nworker: stopped\nstore: up\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_and_a_scheduler_of_one_process_have_one_listener() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let every = Schedule::every(Duration::from_secs(3_600)).job(Work { fails: false });
    let scheduler = Scheduler::new(store.clone()).schedule("work", every);
    health.watch(&scheduler.vitals());
    let (stop_worker, worker_stopped) = stop();
    let worker = tokio::spawn(worker(&store).health(&health).run_until(worker_stopped));
    let alone = until_ready_is(&listener, 503).await;
    assert!(alone.body.contains("scheduler: starting\n"), "{alone:?}");
    let (stop_scheduler, scheduler_stopped) = stop();
    let scheduler = tokio::spawn(scheduler.run_until(scheduler_stopped));

    let ready = until_ready_is(&listener, 200).await;
    assert_eq!(ready.body, "ready\nscheduler: ready\nworker: ready\nstore: up\n");

    stop_scheduler.send(()).unwrap();
    scheduler.await.unwrap().unwrap();
    let half = until_ready_is(&listener, 503).await;
    assert_eq!(half.body, "not ready\nscheduler: stopped\nworker: ready\nstore: up\n");
    stop_worker.send(()).unwrap();
    worker.await.unwrap().unwrap();
}
