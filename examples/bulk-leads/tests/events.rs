//! Progress as it happens, over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use bulk_leads::api_key::ApiKey;
use bulk_leads::client::Client;
use bulk_leads::db::{NewKey, Store};
use bulk_leads::{OpenQueue, Rounds, Rules, Service, Setup};
use fixtures::{Place, anywhere};
use serde_json::{Value, json};

use support::steps::{NO_PAUSE, Steps, ids};

/// Every event is at least as far as the one before, the counts add up, and the last one is the end.
fn assert_tells_a_job(events: &[Value], leads: u64) {
    let number = |event: &Value, name: &str| event[name].as_u64().unwrap();
    let mut before = 0;
    for event in events {
        let processed = number(event, "processed_leads");
        assert!(processed >= before, "{events:?}");
        assert_eq!(processed, number(event, "successes") + number(event, "failures"));
        assert_eq!(number(event, "total_leads"), leads);
        let percent = event["progress_percent"].as_f64().unwrap();
        assert!((percent - processed as f64 * 100.0 / leads as f64).abs() <= 0.1, "{event}");
        before = processed;
    }
    let (last, others) = events.split_last().unwrap();
    assert_eq!((&last["status"], number(last, "processed_leads")), (&json!("completed"), leads));
    assert!(others.iter().all(|event| event["status"] != "completed"));
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_while_workers_do_it() {
    let place = Place::new();
    let store = Store::open(&place.sqlite()).await.unwrap();
    store.seed(4_000, &[]).await.unwrap();
    let service = Service::start(Setup {
        store: store.clone(),
        queue: OpenQueue::open("memory:").await.unwrap(),
        listen: anywhere(),
        concurrency: 2,
        rules: Rules { chunk_leads: 10, ..Rules::default() },
        rounds: Rounds::default(),
    })
    .await
    .unwrap();
    let key = ApiKey::generate().unwrap();
    let new = NewKey {
        key: &key,
        user_id: 1,
        name: "",
        is_premium: false,
        limits: NO_PAUSE,
        webhook: None,
    };
    store.add_key(&new).await.unwrap();
    let client = Client::new(service.url(), key.reveal()).unwrap();

    let accepted = client.change(&ids(1, 4_000), "won").await.unwrap();
    let mut events = Vec::new();
    client.follow(accepted.text("job_id"), |event| events.push(event.clone())).await.unwrap();

    assert_tells_a_job(&events, 4_000);
    assert!(events.len() > 2, "it was told on the way: {events:?}");
    // Who comes later is told the end at once.
    let mut late = Vec::new();
    client.follow(accepted.text("job_id"), |event| late.push(event.clone())).await.unwrap();
    assert_eq!(late, [events.last().unwrap().clone()]);
    service.stop().await.unwrap();
}

/// The API hears nothing of what another process does: it looks.
#[tokio::test]
async fn a_job_is_followed_that_is_done_in_another_process() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 30), "won").await.unwrap();
    let job_id = accepted.text("job_id").to_owned();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        client.follow(&job_id, |event| sender.send(event.clone()).unwrap()).await
    });
    let mut seen = vec![events.recv().await.unwrap()];
    assert_eq!(seen[0]["status"], "pending");

    for jobs in [1, 1, 1, 100] {
        steps.work(jobs).await;
        seen.push(events.recv().await.unwrap());
    }

    let end = following.await.unwrap().unwrap();
    assert_eq!(seen.last(), Some(&end));
    assert_tells_a_job(&seen, 30);
    let processed: Vec<_> = seen.iter().map(|event| &event["processed_leads"]).collect();
    assert_eq!(processed, [0, 0, 10, 20, 30]);
}

#[tokio::test]
async fn events_end_when_the_server_stops() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 30), "won").await.unwrap();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let following = tokio::spawn(async move {
        let tell = |event: &Value| sender.send(event.clone()).unwrap();
        client.follow(accepted.text("job_id"), tell).await
    });
    events.recv().await.unwrap();

    let stopped = tokio::time::timeout(Duration::from_secs(60), steps.service.stop()).await;

    stopped.expect("the server waits for no reader").unwrap();
    let error = following.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("ended before the job did"), "{error}");
}
