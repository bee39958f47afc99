//! Handlers that do what no handler should.

use std::os::unix::process::ExitStatusExt;

use jobq_core::inspect::JobView;
use jobq_core::{FailureKind, JobId, Queue};

use crate::audit::Expected;
use crate::jobs::{Blocks, Deadly, Panics};
use crate::mix::Mix;
use crate::process::Process;
use crate::stage::{LEASE, Stage};

#[tokio::test]
async fn a_blocked_runtime_keeps_its_leases() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let blocked = stage.worker("blocked").start();
    stage.until_more(20).await;
    // Twice as long as a lease.
    let job = Blocks { ms: 2 * LEASE.as_millis() as u64 };
    let blocks = stage.backend.enqueue(job).priority(15).await.unwrap().id();
    mix.owe(blocks);
    stage.until_started(blocks, 1).await;
    mix.strike(&stage);
    let begun = stage.running();
    assert!(begun.contains(&blocks));

    let other = stage.worker("other").start();
    stage.until_done(blocks).await;

    // What the blocked worker had begun stays with it. What was on its way to it does not: nobody has read the answer
    // that grants those leases, so nobody extends them.
    for job in begun {
        assert_eq!(stage.runs(job).len(), 1, "{job} ran again elsewhere");
    }
    assert_eq!(stage.runs(blocks).len(), 1, "it ran again elsewhere");
    stage.finish(mix, vec![blocked, other], Expected::default()).await;
}

#[tokio::test]
async fn a_panic_uses_an_attempt_and_nothing_else() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    mix.strike(&stage);

    let passing = stage.backend.enqueue(Panics { times: 2 }).await.unwrap().id();
    let lasting = stage.backend.enqueue(Panics { times: 9 }).await.unwrap().id();
    mix.owe(passing);

    let view = stage.until_dead(lasting).await;
    assert_eq!((view.failed_attempts, view.crashes), (3, 0));
    let failures = view.history.failures();
    assert!(failures.iter().all(|failure| failure.kind == FailureKind::Panic), "{failures:?}");
    assert!(failures[0].message.contains("a defect of the handler"), "{failures:?}");
    stage.until_done(passing).await;
    assert_eq!(stage.runs(passing).len(), 3);
    stage.finish(mix, workers, Expected::dead(lasting)).await;
}

/// Starts workers one after the other, as a supervisor does, until the job is dead.
async fn supervise(stage: &Stage, job: JobId, memory_kib: Option<u64>) -> (JobView, Process) {
    for number in 1..=3 {
        let mut worker = start(stage, number, memory_kib);
        stage.until_started(job, number).await;
        let status = worker.ended();
        assert_eq!(status.signal(), Some(6), "{}", worker.log());
    }
    let last = start(stage, 4, memory_kib);
    (stage.until_dead(job).await, last)
}

fn start(stage: &Stage, number: usize, memory_kib: Option<u64>) -> Process {
    let worker = stage.worker(&format!("worker{number}"));
    match memory_kib {
        Some(kib) => worker.memory(kib).start(),
        None => worker.start(),
    }
}

async fn a_poison_pill(job: Deadly, memory_kib: Option<u64>) -> Stage {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let healthy = stage.worker("healthy").start();
    stage.until_more(20).await;
    healthy.finish();
    mix.strike(&stage);

    let pill = stage.backend.enqueue(job).priority(15).await.unwrap().id();
    let (view, worker) = supervise(&stage, pill, memory_kib).await;

    assert_eq!((view.crashes, view.failed_attempts), (3, 0));
    let failures = view.history.failures();
    assert!(failures.iter().all(|failure| failure.kind == FailureKind::Crash), "{failures:?}");
    assert_eq!(stage.runs(pill).len(), 3, "it ran again after its third crash");
    stage.finish(mix, vec![worker], Expected::dead(pill)).await;
    stage
}

#[tokio::test]
async fn an_abort_is_a_crash_and_the_third_one_is_the_last() {
    a_poison_pill(Deadly::Aborts, None).await;
}

#[tokio::test]
async fn a_handler_that_needs_more_memory_than_there_is_is_a_poison_pill() {
    let stage = a_poison_pill(Deadly::NeedsMemory, Some(2 << 20)).await;
    let log = stage.worker("worker1").log;
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("memory allocation of 67108864 bytes failed"), "{log}");
}
