//! What is forgotten, and when.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_relay::stub::Answer;
use crm_relay::{OpenQueue, Service, Setup, WorkSetup};
use fixtures::{MariaDb, Place, eventually};
use jobq_core::MemoryBackend;
use jobq_scheduler::Timetable;
use sqlx::{Connection, SqliteConnection};

use support::steps::{NOON, SHOP, Steps, contact};

const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// More than one batch of both, one of each that failed, and one that waits.
async fn prunes(steps: &Steps) {
    steps.receiver.plan(SHOP, [Answer::Status(422)]);
    steps.receive("m-0", "moon.rose", &contact("c-0")).await;
    for n in 1..=700 {
        steps.receive(&format!("m-{n}"), "contact.updated", &contact("c-1")).await;
    }
    for _ in 0..=620 {
        steps.send(SHOP).await;
    }
    assert_eq!(steps.pass().await.to_string(), "processed 700, sent 620, failed 2");
    steps.clock.advance(MONTH);
    let waits = steps.send(SHOP).await;

    assert_eq!(steps.store().prune(MONTH).await.unwrap(), crm_relay::db::Pruned::default());
    steps.clock.advance(Duration::from_millis(1));
    let pruned = steps.store().prune(MONTH).await.unwrap();

    assert_eq!((pruned.inbox, pruned.outbox), (700, 620));
    let metrics = steps.store().metrics().await.unwrap();
    assert_eq!((metrics.inbox.by_status["processed"], metrics.inbox.by_status["failed"]), (0, 1));
    assert_eq!((metrics.outbox.by_status["sent"], metrics.outbox.by_status["failed"]), (0, 1));
    assert_eq!(metrics.outbox.by_status["pending"], 1);
    assert_eq!(steps.outbox(waits).await.attempts, 0);
}

#[tokio::test]
async fn what_ended_well_is_forgotten_after_thirty_days() {
    let steps = Steps::new().await;
    prunes(&steps).await;

    // jobq's notes of the jobs that have run: by the database's own clock, and for some days longer.
    let mut connection = SqliteConnection::connect(&steps.url).await.unwrap();
    let notes = "SELECT COUNT(*) FROM jobq_inbox";
    let kept: i64 = sqlx::query_scalar(notes).fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 700);
    let age = "UPDATE jobq_inbox SET written_at_ms = written_at_ms - 36 * 86400000";
    sqlx::raw_sql(age).execute(&mut connection).await.unwrap();
    assert_eq!(steps.store().prune(MONTH).await.unwrap().jobs, 700);
}

#[tokio::test]
async fn on_mariadb_too() {
    let server = MariaDb::start().await;
    prunes(&Steps::over(Place::new(), server.url()).await).await;
}

#[tokio::test]
async fn the_schedule_prunes_at_half_past_three() {
    let steps = Steps::new().await;
    steps.send(SHOP).await;
    assert_eq!(steps.pass().await.sent, 1);
    let fifteen_hours_and_a_half = Duration::from_secs(15 * 3_600 + 1_800);
    steps.clock.advance(31 * DAY + fifteen_hours_and_a_half - Duration::from_secs(1));
    let backend = MemoryBackend::with_clock(steps.clock.clone());
    let service = start(&steps, &backend).await;
    let timetable = Timetable::new(backend.clone(), "crm-relay").unwrap();
    let next = eventually("the schedule", async || {
        timetable.list().await.ok()?.first().map(|view| view.next_at)
    })
    .await;
    let half_past_three = NOON + 31 * DAY + fifteen_hours_and_a_half;
    assert_eq!(next, Some(half_past_three));
    assert_eq!(half_past_three.to_string(), "2026-12-24T03:30:00.000Z");
    let sent = async || steps.store().metrics().await.unwrap().outbox.by_status["sent"];
    assert_eq!(sent().await, 1);

    steps.clock.advance(Duration::from_secs(1));

    eventually("the message to be forgotten", async || (sent().await == 0).then_some(())).await;
    service.stop().await.unwrap();
}

async fn start(steps: &Steps, backend: &MemoryBackend) -> Service {
    Service::start(Setup {
        store: steps.store().clone(),
        queue: OpenQueue::memory(backend.clone()),
        api: None,
        work: Some(WorkSetup::default()),
    })
    .await
    .unwrap()
}
