//! A server whose clock is stepped by an hour.
//!
//! The clock of a real server cannot be stepped from here; all that decides by time takes it from a file instead, in
//! all processes, as it would be given to the scripts by `TIME`.

use std::time::Duration;

use jobq_core::{Clock, JobState, Queue, SystemClock};

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
    // Handlers write notes meanwhile: the first one is before the step, and the second one after it.
    let to_ms = SystemClock::default().now().as_millis().saturating_add_signed(offset_ms);
    stage.ledger.note(&Note::ClockForward { to_ms });
    stage.clock().set(offset_ms);
    stage.ledger.note(&Note::ClockForward { to_ms });
}

#[tokio::test]
async fn an_hour_forward_costs_the_leases_and_nothing_else() {
    let stage = Stage::set_with_clock().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    let later = stage.backend.enqueue(Small { ms: 0 }).after(Duration::from_secs(3_000));
    let later = later.await.unwrap().id();
    mix.owe(later);
    mix.strike(&stage);

    forward(&stage, HOUR_MS);

    stage.until_done(later).await;
    let second = stage.until_started(long, 2).await;
    let runs = stage.runs(long);
    assert!(second.token > runs[0].0.token);
    assert_eq!((runs[1].1.attempt, runs[1].1.crashes), (1, 1));
    // A tick a second was owed for an hour, and the schedule makes up for the newest twenty.
    until("the ticks that are made up for", async || stage.ticks().len() >= 20).await;
    let expected = Expected { gaps: true, ..Expected::default() };
    stage.finish(mix, workers, expected).await;
}

#[tokio::test]
async fn an_hour_back_puts_off_what_waits_for_its_time_and_nothing_else() {
    let stage = Stage::set_with_clock().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    // Looking after the hour for ticks takes a scheduler up to 15 seconds: too long for a test.
    until("ticks", async || stage.ticks().len() > 1).await;
    let enqueue = async |takes: Duration| {
        let job = Small { ms: takes.as_millis() as u64 };
        let id = stage.backend.enqueue(job).priority(15).await.unwrap().id();
        mix.owe(id);
        id
    };
    let victim = stage.worker("victim").start();
    let orphan = loop {
        let job = enqueue(LEASE / 2).await;
        if stage.until_started(job, 1).await.worker == "victim" {
            break job;
        }
    };
    // One of those that live on.
    let long = loop {
        let job = enqueue(LEASE + Duration::from_millis(500)).await;
        if stage.until_started(job, 1).await.worker != "victim" {
            break job;
        }
    };
    mix.strike(&stage);
    victim.kill();
    let soon =
        stage.backend.enqueue(Small { ms: 0 }).after(Duration::from_secs(2)).await.unwrap().id();
    mix.owe(soon);

    stage.clock().set(-HOUR_MS);

    // What runs keeps its lease, and what is ready runs.
    stage.until_done(long).await;
    stage.until_more(20).await;
    let ticks = stage.ticks();
    stage.until_more(20).await;
    assert_eq!(stage.job(soon).await.unwrap().state, JobState::Scheduled);
    assert_eq!(stage.ticks(), ticks, "a tick came a second time, or early");
    // The lease of one that died just before ends when the clock comes to it.
    assert_eq!(stage.job(orphan).await.unwrap().state, JobState::Leased);
    // The hour is over.
    forward(&stage, 0);
    stage.until_done(soon).await;
    stage.until_done(orphan).await;
    stage.finish(mix, workers, Expected::default()).await;
}
