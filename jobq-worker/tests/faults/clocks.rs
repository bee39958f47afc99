//! A server whose clock is stepped by an hour.
//!
//! The clock of a real server cannot be stepped from here; all that decides by time takes it from a file instead, in
//! all processes, as it would be given to the scripts by `TIME`.

use jobq_core::{JobState, Queue};

use crate::audit::Expected;
use crate::jobs::Small;
use crate::ledger::Note;
use crate::mix::Mix;
use crate::network::long_job;
use crate::process::until;
use crate::stage::{LEASE, Stage};

const HOUR_MS: i64 = 3_600_000;

/// Steps the clock forward: all leases may run out at once.
fn forward(stage: &Stage, offset_ms: i64) {
    let lost = Note::LeasesLost { worker: None };
    stage.ledger.note(&lost);
    stage.clock().set(offset_ms);
    stage.ledger.note(&lost);
}

#[tokio::test]
async fn an_hour_forward_costs_the_leases_and_nothing_else() {
    let stage = Stage::set_with_clock().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    let later = stage.backend.enqueue(Small { ms: 0 }).after(std::time::Duration::from_secs(3_000));
    let later = later.await.unwrap().id();
    mix.owe(later);
    mix.strike(&stage);

    forward(&stage, HOUR_MS);

    stage.until_done(later).await;
    let second = stage.until_started(long, 2).await;
    let runs = stage.runs(long);
    assert!(second.token > runs[0].0.token);
    assert_eq!((runs[1].1.attempt, runs[1].1.crashes), (1, 1));
    stage.until_more(20).await;
    let expected = Expected { gaps: true, ..Expected::default() };
    stage.finish(mix, workers, expected).await;
}

#[tokio::test]
async fn an_hour_back_puts_off_what_waits_for_its_time_and_nothing_else() {
    let stage = Stage::set_with_clock().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let job = Small { ms: LEASE.as_millis() as u64 + 500 };
    let long = stage.backend.enqueue(job).priority(15).await.unwrap().id();
    mix.owe(long);
    stage.until_started(long, 1).await;
    let soon = stage.backend.enqueue(Small { ms: 0 }).after(LEASE).await.unwrap().id();
    mix.owe(soon);
    // Looking after the hour for ticks takes a scheduler up to 15 seconds: too long for a test.
    until("ticks", async || stage.ticks().len() > 1).await;
    mix.strike(&stage);

    stage.clock().set(-HOUR_MS);

    // What runs keeps its lease, and what is ready runs.
    stage.until_done(long).await;
    assert_eq!(stage.runs(long).len(), 1);
    stage.until_more(20).await;
    let ticks = stage.ticks();
    stage.until_more(20).await;
    assert_eq!(stage.job(soon).await.unwrap().state, JobState::Scheduled);
    assert_eq!(stage.ticks(), ticks, "a tick came a second time, or early");
    // The hour is over.
    forward(&stage, 0);
    stage.until_done(soon).await;
    stage.finish(mix, workers, Expected::default()).await;
}
