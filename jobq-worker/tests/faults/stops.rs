//! Workers that are asked to stop.

use std::time::{Duration, Instant};

use jobq_core::{JobId, JobState, Queue};

use crate::audit::Expected;
use crate::jobs::Small;
use crate::mix::Mix;
use crate::process::{Process, until};
use crate::program;
use crate::stage::{LEASE, Stage};

#[tokio::test]
async fn sigterm_drains_and_nothing_runs_again() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let (stopped, stays) = (stage.worker("stopped").start(), stage.worker("stays").start());
    stage.until_more(30).await;

    mix.strike(&stage);
    stopped.finish();

    stage.until_more(30).await;
    let expected = Expected { each_once: true, ..Expected::default() };
    stage.finish(mix, vec![stays], expected).await;
}

#[tokio::test]
async fn workers_that_relieve_each_other_run_nothing_again() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let mut worker = stage.worker("first").start();
    stage.until_more(15).await;
    mix.strike(&stage);

    // A deployment: the next one comes, and the one before is asked to end in the middle of its work.
    for name in ["second", "third", "fourth"] {
        let next = stage.worker(name).start();
        worker.finish();
        worker = next;
        stage.until_more(15).await;
    }

    let expected = Expected { each_once: true, ..Expected::default() };
    stage.finish(mix, vec![worker], expected).await;
}

/// Asks it twice, and waits for its end.
fn interrupt_twice(mut worker: Process) -> String {
    worker.signal("-INT");
    // Signals of one sort that come together are one: go on until it has seen a second.
    while worker.is_alive() {
        worker.signal("-INT");
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = worker.ended();
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    worker.log()
}

#[tokio::test]
async fn sigint_twice_gives_everything_back_at_once() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let stays = stage.worker("stays").start();
    stage.until_more(30).await;
    let long = stage.backend.enqueue(Small { ms: 5_000 }).priority(15).await.unwrap().id();
    mix.owe(long);
    mix.strike(&stage);
    stays.stop();
    let stopped = stage.worker("stopped").set(program::GRACE_MS, 60_000).start();
    let crashes = until_runs_at(&stage, long, "stopped").await;
    let began = Instant::now();
    let log = interrupt_twice(stopped);
    assert!(began.elapsed() < LEASE, "it took {:?}", began.elapsed());

    assert!(log.contains("ended: forced"), "{log}");
    let view = stage.job(long).await.unwrap();
    assert_eq!((view.state, view.crashes, view.failed_attempts), (JobState::Ready, crashes, 0));
    stays.go_on();
    stage.finish(mix, vec![stays], Expected::default()).await;
}

/// Waits until a worker runs the job, and gives the crashes before that.
async fn until_runs_at(stage: &Stage, job: JobId, worker: &str) -> u32 {
    let find = || stage.runs(job).into_iter().find(|(run, _)| run.worker == worker);
    until("the run", async || find().is_some()).await;
    find().unwrap().1.crashes
}
