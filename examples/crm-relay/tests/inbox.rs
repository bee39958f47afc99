//! Messages that come in, step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use crm_relay::Pass;
use crm_relay::db::Received;
use crm_relay::jobs::ProcessMessage;
use crm_relay::message::{InboxStatus, NewInbox};
use crm_relay::process::process_message;
use jobq_worker::State;
use serde_json::json;

use support::steps::{NOON, SHOP, Steps, contact, two_leases};

#[tokio::test]
async fn a_message_is_processed_once() {
    let mut steps = Steps::new().await;
    let id = steps.receive("m-1", "contact.updated", &contact("c-1")).await;
    let before = steps.inbox(id).await;
    assert_eq!((before.status, before.processed_at), (InboxStatus::Pending, None));

    let pass = steps.pass().await;

    assert_eq!(pass.to_string(), "processed 1, sent 0, failed 0");
    let row = steps.inbox(id).await;
    assert_eq!((row.status, row.processed_at), (InboxStatus::Processed, Some(NOON)));
    let told = steps.store().contact(SHOP, "c-1").await.unwrap();
    assert_eq!(told, Some((1, "Ada".to_owned())));
    // Neither the next pass nor another process does it again.
    steps.lose_the_queue();
    assert_eq!(steps.pass().await, Pass::default());
    assert_eq!(steps.store().contact(SHOP, "c-1").await.unwrap(), Some((1, "Ada".to_owned())));
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_the_same_one() {
    let steps = Steps::new().await;
    let id = steps.receive("m-1", "contact.updated", &contact("c-1")).await;
    let new = |source, data: &serde_json::Value| {
        NewInbox::new(source, "m-1", "contact.updated", data).unwrap()
    };

    let again = steps.store().receive(new(SHOP, &contact("c-1"))).await.unwrap();
    steps.pass().await;
    let later = steps.store().receive(new(SHOP, &contact("c-1"))).await.unwrap();
    let other = steps.store().receive(new(SHOP, &contact("c-2"))).await.unwrap();
    let elsewhere = steps.store().receive(new("another", &contact("c-1"))).await.unwrap();

    assert_eq!(again, Received::Repeated(id, InboxStatus::Pending));
    assert_eq!(later, Received::Repeated(id, InboxStatus::Processed));
    assert_eq!(other, Received::Different);
    assert!(matches!(elsewhere, Received::New(_)));
    assert_eq!(steps.store().contact(SHOP, "c-1").await.unwrap().unwrap().0, 1);
}

#[tokio::test]
async fn what_cannot_be_processed_has_failed_and_says_why() {
    let steps = Steps::new().await;
    let unknown = steps.receive("m-1", "moon.rose", &contact("c-1")).await;
    let nameless = steps.receive("m-2", "contact.updated", &json!({"external_id": "c-1"})).await;

    let pass = steps.pass().await;

    assert_eq!(pass.to_string(), "processed 0, sent 0, failed 2");
    for (id, why) in [
        (unknown, "unknown_event: nothing is known of \"moon.rose\""),
        (nameless, "invalid_data: \"name\" is missing"),
    ] {
        let row = steps.inbox(id).await;
        assert_eq!((row.status, row.last_error.as_deref()), (InboxStatus::Failed, Some(why)));
    }
    assert_eq!(steps.store().contact(SHOP, "c-1").await.unwrap(), None);
    assert_eq!(steps.pass().await, Pass::default());
}

#[tokio::test]
async fn the_newest_message_of_a_contact_counts() {
    let steps = Steps::new().await;
    for n in 1..=9 {
        let data = json!({"external_id": "c-1", "name": format!("Ada {n}")});
        steps.receive(&format!("m-{n}"), "contact.updated", &data).await;
    }

    // At once, so in any order.
    assert_eq!(steps.pass().await.processed, 9);

    let told = steps.store().contact(SHOP, "c-1").await.unwrap();
    assert_eq!(told, Some((9, "Ada 9".to_owned())));
}

/// An attempt that has lost its lease and does not know it, and the one after it.
#[tokio::test]
async fn two_attempts_at_once_have_one_effect() {
    let steps = Steps::new().await;
    let id = steps.receive("m-1", "contact.updated", &contact("c-1")).await;
    let [first, second] = two_leases(&steps, ProcessMessage { message: id }).await;
    let run = |cx| process_message(ProcessMessage { message: id }, State(steps.app.clone()), cx);

    let (first, second) = tokio::join!(run(first), run(second));

    assert!(first.is_ok() || second.is_ok());
    let row = steps.inbox(id).await;
    assert_eq!((row.status, row.last_error), (InboxStatus::Processed, None));
    assert_eq!(steps.store().contact(SHOP, "c-1").await.unwrap(), Some((1, "Ada".to_owned())));
    assert_eq!(steps.app.tally.total().processed, 1);
    assert_eq!(steps.pass().await, Pass::default());
}
