//! Records synced one by one, with all that can go wrong, on both databases.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_sync::db::Account;
use crm_sync::entity::{Direction, Entity};
use crm_sync::fields::Fields;
use crm_sync::ids::RecordKey;
use crm_sync::job::SyncRecord;
use crm_sync::limits;
use crm_sync::stub::{Brand, Chances, Fault, Plan};
use fixtures::{MariaDb, Place, eventually};
use jobq_core::{Inspect, LaneKey, Outcome};
use serde_json::json;

use support::steps::{NOON, Steps, other, queue_name};
use support::{key, store};

const DONE: Outcome = Outcome::Done { result: None };
const TO_CRM: Direction = Direction::ToCrm;
const FROM_CRM: Direction = Direction::FromCrm;

/// A customer of store 1, which is at Tide, and of store 2, at Harbor.
fn customer(number: u32) -> RecordKey {
    key(number, Entity::Customer, 7)
}

fn assert_dead(outcome: &Outcome, why: &str) {
    match outcome {
        Outcome::Dead(message) => assert!(message.contains(why), "{message}"),
        other => panic!("{other:?} in place of dead: {why}"),
    }
}

fn assert_retry(outcome: &Outcome, why: &str) {
    match outcome {
        Outcome::Retry { after: None, message } => assert!(message.contains(why), "{message}"),
        other => panic!("{other:?} in place of a retry: {why}"),
    }
}

async fn a_record_is_created_once_and_then_updated(url: &str) {
    let steps = Steps::over(url).await;

    for (number, brand) in [(1, Brand::Tide), (2, Brand::Harbor)] {
        for entity in Entity::ALL {
            let record = key(number, entity, 3);
            assert_eq!(steps.sync(record, TO_CRM).await, DONE);
            let id = steps.external_id(record).await.unwrap();
            steps.change(record, &other(entity, 3)).await;
            assert_eq!(steps.sync(record, TO_CRM).await, DONE);

            let remote = steps.crm.records(brand, number, &format!("{entity}/3"));
            assert_eq!(remote.len(), 1);
            assert_eq!(remote[0].0, id);
            let ours = crm_sync::crm::provider(&brand.to_string()).unwrap();
            assert_eq!(ours.to_local(entity, &remote[0].1.body), Ok(other(entity, 3)));
            assert_eq!(steps.ends(record).await, ["synced", "synced"]);
        }
    }
    assert_eq!(steps.requests(), 2 * 4 * 2, "one request for each job");
}

async fn what_was_changed_in_the_crm_comes_to_us(url: &str) {
    let steps = Steps::over(url).await;
    steps.sync(customer(1), TO_CRM).await;
    let id = steps.external_id(customer(1)).await.unwrap();
    assert!(steps.crm.edit(Brand::Tide, 1, &id, |body| body["email"] = json!("new@example.com")));

    assert_eq!(steps.sync(customer(1), FROM_CRM).await, DONE);
    assert_eq!(steps.sync(customer(1), FROM_CRM).await, DONE);

    match steps.fields(customer(1)).await {
        Fields::Customer(customer) => assert_eq!(customer.email, "new@example.com"),
        fields => panic!("{fields:?}"),
    }
    let log = steps.log(customer(1)).await;
    let messages: Vec<_> = log.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(messages, [&format!("created as {id}"), "updated from the CRM", "no change"]);
}

async fn what_is_missing_fails_without_a_retry_and_without_a_request(url: &str) {
    let steps = Steps::over(url).await;
    let unknown = key(1, Entity::Sale, 4_711);

    assert_dead(&steps.sync(unknown, TO_CRM).await, "there is no sale 4711 of store 1");
    assert_dead(&steps.sync(unknown, FROM_CRM).await, "there is no sale 4711 of store 1");
    assert_dead(&steps.sync(customer(1), FROM_CRM).await, "never sent to the CRM");
    assert_dead(&steps.sync(key(9, Entity::Sale, 1), TO_CRM).await, "there is no store 9");

    assert_eq!(steps.ends(unknown).await, ["failed", "failed"]);
    assert_eq!(steps.requests(), 0);
}

async fn what_the_crm_refuses_or_does_not_know_fails_without_a_retry(url: &str) {
    let steps = Steps::over(url).await;
    let account = |provider: &str, api_key: &str| Account {
        store: store(1),
        name: "Store 1".to_owned(),
        provider: provider.to_owned(),
        base_url: format!("{}/tide/1", steps.server.url()),
        api_key: api_key.to_owned(),
    };
    steps.sync(customer(1), TO_CRM).await;

    steps.app.store.put_store(&account("tide", "wrong")).await.unwrap();
    assert_dead(&steps.sync(customer(1), TO_CRM).await, "HTTP 401");
    steps.app.store.put_store(&account("ocean", "key-1")).await.unwrap();
    assert_dead(&steps.sync(customer(1), TO_CRM).await, "provider \"ocean\"");
    let lost = Account {
        base_url: format!("{}/tide/2", steps.server.url()),
        api_key: "key-2".to_owned(),
        ..account("tide", "")
    };
    steps.app.store.put_store(&lost).await.unwrap();
    assert_dead(&steps.sync(customer(1), TO_CRM).await, "the CRM does not know it");
    assert_dead(&steps.sync(customer(1), FROM_CRM).await, "the CRM does not know it");
}

async fn what_the_crm_has_and_we_cannot_read_fails_without_a_retry(url: &str) {
    let steps = Steps::over(url).await;
    let product = key(2, Entity::Product, 1);
    steps.sync(product, TO_CRM).await;
    let (id, before) = (steps.external_id(product).await.unwrap(), steps.fields(product).await);
    assert!(steps.crm.edit(Brand::Harbor, 2, &id, |body| {
        body["data"]["attributes"]["unit_price_cents"] = json!("dear");
    }));

    let outcome = steps.sync(product, FROM_CRM).await;

    assert_dead(&outcome, "data/attributes/unit_price_cents is no whole number");
    assert_eq!(steps.fields(product).await, before);
}

/// The connection is cut after the CRM has created the record: nobody here knows.
async fn a_creation_whose_answer_got_lost_is_repeated_and_creates_nothing(url: &str) {
    let steps = Steps::over(url).await;
    for (number, brand) in [(1, Brand::Tide), (2, Brand::Harbor)] {
        steps.crm.plan(Plan::next(Fault::Cut, 1));
        let first = steps.lease(SyncRecord::new(customer(number), TO_CRM)).await;
        assert_retry(&steps.under(&first).await, "cannot be reached");
        assert_eq!(steps.external_id(customer(number)).await, None);

        let second = steps.again(&first).await;
        assert_eq!(steps.under(&second).await, DONE);

        let remote = steps.crm.records(brand, number, "customer/7");
        assert_eq!(remote.len(), 1);
        assert_eq!(steps.external_id(customer(number)).await.as_ref(), Some(&remote[0].0));
        assert_eq!(steps.ends(customer(number)).await, ["retrying", "synced"]);
        steps.settle(&second, jobq_core::Next::Complete { result: None }).await;
    }
    let summary = steps.crm.summary();
    assert_eq!((summary.duplicates, summary.repeated_creations), (0, 2));
}

/// Shows that the count of duplicates can count.
async fn a_crm_without_keys_would_have_created_it_twice(url: &str) {
    let steps = Steps::over(url).await;
    steps.crm.plan(Plan::next(Fault::Cut, 1));
    let first = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;
    steps.under(&first).await;
    steps.crm.forget_keys();

    let second = steps.again(&first).await;
    steps.under(&second).await;

    assert_eq!(steps.crm.summary().duplicates, 1);
}

async fn a_failing_crm_is_tried_three_times(url: &str) {
    let steps = Steps::over(url).await;
    steps.crm.plan(Plan::next(Fault::Fail, 3));
    let lease = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;
    assert_eq!(lease.job.max_attempts, 3);

    assert_retry(&steps.under(&lease).await, "HTTP 500");
    let lease = steps.again(&lease).await;
    assert_retry(&steps.after_failures(1, &lease).await, "HTTP 500");
    let lease = steps.again(&lease).await;
    // The worker makes it dead, for it was the last attempt.
    assert_retry(&steps.after_failures(2, &lease).await, "HTTP 500");

    assert_eq!(steps.ends(customer(1)).await, ["retrying", "retrying", "failed"]);
    assert_eq!(steps.log(customer(1)).await[2].attempt, 3);
}

async fn a_crm_that_asks_for_a_rest_gets_it_from_the_whole_store(url: &str) {
    let chances = Chances { retry_after: 7, ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_secs(5)).await;
    steps.crm.plan(Plan::next(Fault::Throttle, 1));
    let lease = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;

    let outcome = steps.under(&lease).await;

    assert_eq!(outcome, Outcome::Snooze(Duration::from_secs(7)));
    assert_eq!(steps.ends(customer(1)).await, ["throttled"]);
    let lane = |number| LaneKey::new(store(number)).unwrap();
    let until = async |number| steps.queue.lane(&queue_name(), &lane(number)).await.unwrap().until;
    assert_eq!(until(1).await, Some(NOON + Duration::from_secs(7)));
    assert_eq!(until(2).await, None, "another store's CRM has not asked");
}

async fn a_crm_that_is_slow_or_gone_is_tried_again(url: &str) {
    let chances = Chances { slow_for: Duration::from_secs(60), ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_millis(200)).await;
    steps.crm.plan(Plan::next(Fault::Slow, 1));
    assert_retry(&steps.sync(customer(1), TO_CRM).await, "does not answer in time");

    let Steps { app, queue, clock, crm, server } = steps;
    drop(server);
    let server = support::stub(Chances::default()).1;
    let steps = Steps { app, queue, clock, crm, server };
    assert_retry(&steps.sync(customer(1), TO_CRM).await, "customer 7 of store 1");
    assert_retry(&steps.sync(customer(1), TO_CRM).await, "cannot be reached");
}

async fn what_changes_while_it_is_sent_is_sent_again(url: &str) {
    let chances = Chances { slow_for: Duration::from_millis(300), ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_secs(5)).await;
    steps.crm.plan(Plan::next(Fault::Slow, 1));
    let lease = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;

    let (outcome, ()) = tokio::join!(steps.under(&lease), async {
        eventually("the request", async || (steps.requests() == 1).then_some(())).await;
        steps.change(customer(1), &other(Entity::Customer, 7)).await;
    });

    assert_eq!(outcome, DONE);
    let next = steps.take(10).await;
    assert_eq!(next.len(), 1, "nobody called a hook, and yet it is sent again");
    assert_eq!(next[0].job.payload.decode::<SyncRecord>().unwrap().key(), customer(1));
    assert_eq!(next[0].job.priority.level(), 5);
}

async fn what_changes_while_it_is_fetched_is_not_overwritten(url: &str) {
    let chances = Chances { slow_for: Duration::from_millis(300), ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_secs(5)).await;
    steps.sync(customer(1), TO_CRM).await;
    let id = steps.external_id(customer(1)).await.unwrap();
    assert!(steps.crm.edit(Brand::Tide, 1, &id, |body| body["email"] = json!("x@example.com")));
    steps.crm.plan(Plan::next(Fault::Slow, 1));
    let lease = steps.lease(SyncRecord::new(customer(1), FROM_CRM)).await;

    let (outcome, ()) = tokio::join!(steps.under(&lease), async {
        eventually("the request", async || (steps.requests() == 2).then_some(())).await;
        steps.change(customer(1), &other(Entity::Customer, 7)).await;
    });

    assert_retry(&outcome, "was changed while it was fetched");
    assert_eq!(steps.fields(customer(1)).await, other(Entity::Customer, 7));
    assert_eq!(steps.ends(customer(1)).await, ["synced", "retrying"]);
}

/// A worker that has lost its lease hears from the CRM at last, and changes nothing.
async fn an_attempt_that_was_overtaken_changes_nothing(url: &str) {
    let chances = Chances { slow_for: Duration::from_millis(500), ..Chances::default() };
    let steps = Steps::with(url, chances, Duration::from_secs(5)).await;
    steps.sync(customer(1), TO_CRM).await;
    let id = steps.external_id(customer(1)).await.unwrap();
    let edit = |email| {
        let edited = steps.crm.edit(Brand::Tide, 1, &id, |body| body["email"] = json!(email));
        assert!(edited);
    };
    edit("old@example.com");
    steps.crm.plan(Plan::next(Fault::Slow, 1));
    let first = steps.lease(SyncRecord::new(customer(1), FROM_CRM)).await;

    let (zombie, ()) = tokio::join!(steps.under(&first), async {
        eventually("the request", async || (steps.requests() == 2).then_some(())).await;
        edit("new@example.com");
        let second = steps.again(&first).await;
        assert_eq!(steps.under(&second).await, DONE);
    });

    assert!(matches!(zombie, Outcome::Discard(_) | Outcome::Retry { .. }), "{zombie:?}");
    match steps.fields(customer(1)).await {
        Fields::Customer(customer) => assert_eq!(customer.email, "new@example.com"),
        fields => panic!("{fields:?}"),
    }
    assert_eq!(steps.ends(customer(1)).await, ["synced", "synced"]);
}

/// Also one that had not even begun.
async fn an_attempt_that_begins_after_a_newer_one_does_nothing(url: &str) {
    let steps = Steps::over(url).await;
    let first = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;
    let second = steps.again(&first).await;
    steps.crm.plan(Plan::next(Fault::Fail, 1));
    assert_retry(&steps.under(&second).await, "HTTP 500");

    let late = steps.under(&first).await;

    assert!(matches!(late, Outcome::Discard(_)), "{late:?}");
    assert_eq!(steps.requests(), 1);
    assert_eq!(steps.ends(customer(1)).await, ["retrying"]);
}

/// The worker died after the save and before it could say so.
async fn what_is_saved_is_not_sent_again(url: &str) {
    let steps = Steps::over(url).await;
    let first = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;
    assert_eq!(steps.under(&first).await, DONE);

    let second = steps.again(&first).await;
    assert_eq!(steps.under(&second).await, DONE);

    assert_eq!(steps.requests(), 1);
    assert_eq!(steps.ends(customer(1)).await, ["synced"]);
}

async fn a_job_that_missed_its_window_is_put_off_and_not_sent(url: &str) {
    let steps = Steps::over(url).await;
    limits::install(&*steps.queue, "100/min".parse().unwrap(), 8).await.unwrap();
    let product = key(1, Entity::Product, 1);
    steps.clock.advance(Duration::from_millis(59_500));

    let close = steps.lease(SyncRecord::new(customer(1), TO_CRM)).await;
    let too_close = steps.under(&close).await;
    let late = steps.lease(SyncRecord::new(product, TO_CRM)).await;
    steps.clock.advance(Duration::from_millis(600));
    let missed = steps.under(&late).await;

    assert_eq!(too_close, Outcome::Snooze(Duration::from_millis(500)));
    assert_eq!(missed, Outcome::Snooze(Duration::from_millis(1)));
    assert_eq!(steps.requests(), 0);
    let late = steps.again(&late).await;
    assert_eq!(steps.under(&late).await, DONE, "under a lease of the window that runs");
    assert_eq!(steps.ends(product).await, ["postponed", "synced"]);
}

/// One test each on SQLite, and all of them one after the other on one MariaDB server.
macro_rules! on_both_databases {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let place = super::Place::new();
                super::$test(&place.sqlite()).await;
            })*
        }

        #[tokio::test]
        async fn all_of_it_on_mariadb() {
            let server = MariaDb::start().await;
            let mut number = 0;
            $(number += 1;
            println!("{}", stringify!($test));
            let url = server.another(&format!("number{number}")).await;
            $test(&url).await;)*
        }
    };
}

on_both_databases! {
    a_record_is_created_once_and_then_updated
    what_was_changed_in_the_crm_comes_to_us
    what_is_missing_fails_without_a_retry_and_without_a_request
    what_the_crm_refuses_or_does_not_know_fails_without_a_retry
    what_the_crm_has_and_we_cannot_read_fails_without_a_retry
    a_creation_whose_answer_got_lost_is_repeated_and_creates_nothing
    a_crm_without_keys_would_have_created_it_twice
    a_failing_crm_is_tried_three_times
    a_crm_that_asks_for_a_rest_gets_it_from_the_whole_store
    a_crm_that_is_slow_or_gone_is_tried_again
    what_changes_while_it_is_sent_is_sent_again
    what_changes_while_it_is_fetched_is_not_overwritten
    an_attempt_that_was_overtaken_changes_nothing
    an_attempt_that_begins_after_a_newer_one_does_nothing
    what_is_saved_is_not_sent_again
    a_job_that_missed_its_window_is_put_off_and_not_sent
}
