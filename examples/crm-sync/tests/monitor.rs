//! The numbers for those who watch, and the clean-up, at times of the test's own.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_sync::clean_up::clean_up;
use crm_sync::entity::{Direction, Entity};
use crm_sync::job::SyncRecord;
use crm_sync::monitor::{Status, status};
use crm_sync::stub::{Chances, Fault, Plan};
use fixtures::{MariaDb, Place, eventually};
use jobq_core::{Clock, Failure, FailureKind, Inspect, Next, Outcome, WorkerId};

use support::key;
use support::steps::{Steps, queue_name};

const HOUR: Duration = Duration::from_secs(60 * 60);
const TO_CRM: Direction = Direction::ToCrm;

async fn numbers(steps: &Steps) -> Status {
    status(&steps.app.store, Some(&*steps.queue), steps.clock.now()).await.unwrap()
}

/// Syncs a sale that is not there, and puts its job aside.
async fn fail(steps: &Steps, record: u64) {
    let lease = steps.lease(SyncRecord::new(key(1, Entity::Sale, record), TO_CRM)).await;
    let Outcome::Dead(why) = steps.under(&lease).await else {
        panic!("sale {record} is there");
    };
    let at = steps.clock.now();
    let failure = Failure::new(FailureKind::Error, 1, at, WorkerId::from_u64(1), why);
    steps.settle(&lease, Next::Dead { failure }).await;
}

async fn the_numbers_tell_what_was_done_and_when(url: &str) {
    let chances = Chances { slow_for: Duration::from_millis(200), ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_secs(5)).await;
    let empty = numbers(&steps).await;
    assert_eq!((empty.pending, empty.log.processed_today), (Some(0), 0));
    assert_eq!((empty.log.success_rate_24h, empty.log.mean_processing_ms), (None, None));

    // At noon: one fails. At eleven in the evening: one takes 600 ms, two none.
    fail(&steps, 77).await;
    steps.clock.advance(11 * HOUR);
    steps.crm.plan(Plan::next(Fault::Slow, 1));
    tokio::join!(steps.sync(key(1, Entity::Sale, 1), TO_CRM), async {
        eventually("the request", async || (steps.requests() == 1).then_some(())).await;
        steps.clock.advance(Duration::from_millis(600));
    });
    steps.sync(key(1, Entity::Sale, 2), TO_CRM).await;
    steps.sync(key(2, Entity::Customer, 2), TO_CRM).await;
    let evening = numbers(&steps).await;
    steps.clock.advance(2 * HOUR);
    let night = numbers(&steps).await;
    steps.clock.advance(12 * HOUR);
    let afternoon = numbers(&steps).await;

    assert_eq!((evening.dead, evening.running, evening.pending), (Some(1), Some(0), Some(0)));
    assert_eq!((evening.log.processed_today, evening.log.errors_24h), (4, 1));
    assert_eq!(evening.log.mean_processing_ms, Some(200));
    assert_eq!(evening.log.success_rate_24h, Some(0.75));
    assert_eq!((night.log.processed_today, night.log.errors_24h), (0, 1), "a new day");
    assert_eq!(afternoon.log.errors_24h, 0, "the failure is older than a day");
    assert_eq!(afternoon.log.success_rate_24h, Some(1.0));
    let of = |entity, direction| {
        let counts = &afternoon.log.counts;
        let found = counts.iter().find(|c| c.entity == entity && c.direction == direction);
        let found = found.unwrap();
        (found.synced, found.failed, found.errors)
    };
    assert_eq!(of(Entity::Sale, TO_CRM), (2, 1, 1));
    assert_eq!(of(Entity::Customer, TO_CRM), (1, 0, 0));
    assert_eq!(of(Entity::Customer, Direction::FromCrm), (0, 0, 0));
    assert_eq!(afternoon.log.counts.len(), 8);
}

async fn what_ended_a_week_ago_is_taken_away(url: &str) {
    let steps = Steps::over(url).await;
    fail(&steps, 77).await;
    steps.sync(key(1, Entity::Sale, 1), TO_CRM).await;
    steps.clock.advance(4 * 24 * HOUR);
    fail(&steps, 78).await;
    let clean = async |days| {
        let now = steps.clock.now();
        clean_up(&steps.app.store, Some(&*steps.queue), days, now).await.unwrap()
    };

    let early = clean(7).await;
    assert_eq!((early.log_rows, early.dead_jobs), (0, Some(0)));
    steps.clock.advance(4 * 24 * HOUR);
    let due = clean(7).await;
    assert_eq!((due.log_rows, due.dead_jobs), (2, Some(1)));
    let again = clean(7).await;
    assert_eq!((again.log_rows, again.dead_jobs), (0, Some(0)));

    assert_eq!(steps.ends(key(1, Entity::Sale, 78)).await, ["failed"]);
    assert_eq!(steps.queue.queue(&queue_name()).await.unwrap().dead, 1);
}

#[tokio::test]
async fn the_numbers_on_sqlite() {
    the_numbers_tell_what_was_done_and_when(&Place::new().sqlite()).await;
}

#[tokio::test]
async fn the_clean_up_on_sqlite() {
    what_ended_a_week_ago_is_taken_away(&Place::new().sqlite()).await;
}

#[tokio::test]
async fn both_on_mariadb() {
    let server = MariaDb::start().await;
    the_numbers_tell_what_was_done_and_when(&server.url()).await;
    what_ended_a_week_ago_is_taken_away(&server.another("other").await).await;
}
