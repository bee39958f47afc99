//! Limits: what a user may ask for, and what is answered to more.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use bulk_leads::limits::LimitOverrides;
use serde_json::{Value, json};

use support::steps::{KeyOf, NO_PAUSE, Steps, ids};
use support::tables::{count, history};

const AT_ONCE: &str = "/api/crm/leads/bulk-status";

fn limited(message: &str, retry_after: Value) -> (u16, Value) {
    let body = json!({
        "success": false,
        "error": "rate_limit_exceeded",
        "message": message,
        "retry_after": retry_after,
    });
    (429, body)
}

#[tokio::test]
async fn each_limit_is_answered_with_429_and_says_when_to_come_back() {
    let steps = Steps::with_leads(10).await;
    let caller = steps.caller_with(7, KeyOf::default()).await.client;
    let send = async |leads: usize| {
        let answer = caller.change(&ids(1, leads), "won").await.unwrap();
        let seconds = answer.body["retry_after"].as_u64().map(|seconds| seconds.to_string());
        assert_eq!(answer.retry_after, seconds, "the header and the body say the same");
        (answer.status, answer.body)
    };

    let too_many = "at most 10000 leads a job: this one has 10001, split it";
    assert_eq!(send(10_001).await, limited(too_many, json!(null)));

    assert_eq!(send(1).await.0, 202);
    assert_eq!(send(1).await, limited("at least 30 seconds between jobs", json!(30)));
    steps.clock.advance(Duration::from_millis(29_001));
    assert_eq!(send(1).await, limited("at least 30 seconds between jobs", json!(1)));

    for _ in 1..10 {
        steps.clock.advance(Duration::from_secs(30));
        assert_eq!(send(1).await.0, 202);
    }
    steps.clock.advance(Duration::from_secs(30));
    let pending = "at most 10 pending jobs: wait until one has ended";
    assert_eq!(send(1).await, limited(pending, json!(10)));
    steps.work_off().await;

    for _ in 0..4 {
        assert_eq!(send(10_000).await.0, 202);
        steps.clock.advance(Duration::from_secs(30));
    }
    let today = "at most 50000 leads a day: 40010 were sent today, this job has 9991";
    let (status, body) = send(9_991).await;
    // It is 12:07:29.001 now.
    assert_eq!((status, body), limited(today, json!(12 * 3_600 - 449)));
    assert_eq!(send(9_990).await.0, 202, "exactly as many as there may be");
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 15);
}

#[tokio::test]
async fn a_hundred_jobs_a_day_are_enough_until_midnight() {
    let steps = Steps::with_leads(10).await;
    let many_pending = LimitOverrides { max_pending_jobs: Some(1_000), ..NO_PAUSE };
    let of = KeyOf { limits: many_pending, ..KeyOf::default() };
    let caller = steps.caller_with(7, of.clone()).await.client;
    // Limits are counted by user, whatever the key.
    let same_user = steps.caller_with(7, of).await.client;

    for _ in 0..50 {
        assert_eq!(caller.change(&[1], "won").await.unwrap().status, 202);
        assert_eq!(same_user.change(&[1], "won").await.unwrap().status, 202);
    }
    let refused = caller.change(&[1], "won").await.unwrap();
    assert_eq!(
        (refused.status, refused.body),
        limited("at most 100 jobs a day", json!(12 * 3_600))
    );
    let other = steps.caller(8).await.client;
    assert_eq!(other.change(&[1], "won").await.unwrap().status, 202, "another user");

    steps.clock.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(caller.change(&[1], "won").await.unwrap().status, 202, "the next day");
}

#[tokio::test]
async fn a_key_can_have_other_limits() {
    let steps = Steps::with_leads(10).await;
    let limits = LimitOverrides {
        max_pending_jobs: Some(1),
        max_leads_per_job: Some(3),
        max_leads_per_day: Some(5),
        ..NO_PAUSE
    };
    let caller = steps.caller_with(7, KeyOf { limits, ..KeyOf::default() }).await;
    let send = async |leads: usize| {
        let answer = caller.client.change(&ids(1, leads), "won").await.unwrap();
        (answer.status, answer.body)
    };

    let message = "at most 3 leads a job: this one has 4, split it";
    assert_eq!(send(4).await, limited(message, json!(null)));
    assert_eq!(send(3).await.0, 202);
    let message = "at most 1 pending jobs: wait until one has ended";
    assert_eq!(send(2).await, limited(message, json!(10)));
    steps.work_off().await;
    let message = "at most 5 leads a day: 3 were sent today, this job has 3";
    assert_eq!(send(3).await, limited(message, json!(12 * 3_600)));

    // At once, by who runs the system.
    steps.store().limit_key(&caller.key_id, LimitOverrides::default()).await.unwrap();
    steps.clock.advance(Duration::from_secs(30));
    assert_eq!(send(4).await.0, 202);
    let stats = caller.client.get("/api/crm/stats").await.unwrap().body;
    assert_eq!(stats["limits"]["max_leads_per_job"], 10_000);
}

#[tokio::test]
async fn requests_at_the_same_moment_cannot_exceed_a_limit_together() {
    let steps = Steps::with_leads(10).await;
    let limits = LimitOverrides { max_pending_jobs: Some(3), ..NO_PAUSE };
    let client = steps.caller_with(7, KeyOf { limits, ..KeyOf::default() }).await.client;

    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..24 {
        let client = client.clone();
        requests.spawn(async move { client.change(&[1], "won").await.unwrap().status });
    }
    let mut answers = requests.join_all().await;
    answers.sort_unstable();

    assert_eq!(answers, [vec![202; 3], vec![429; 21]].concat());
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 3);
}

/// Leads that are changed while the caller waits are leads like any others.
#[tokio::test]
async fn leads_that_are_changed_at_once_count_towards_the_day() {
    let steps = Steps::with_leads(200).await;
    let limits = LimitOverrides { max_leads_per_day: Some(150), ..NO_PAUSE };
    let client = steps.caller_with(7, KeyOf { limits, ..KeyOf::default() }).await.client;
    let at_once = async |first: i64, leads: usize| {
        let body = json!({"lead_ids": ids(first, leads), "status": "won"});
        let answer = client.post(AT_ONCE, &body).await.unwrap();
        (answer.status, answer.body)
    };
    let in_background = async |first: i64, leads: usize| {
        let answer = client.change(&ids(first, leads), "won").await.unwrap();
        (answer.status, answer.body)
    };
    let midnight = json!(12 * 3_600);

    assert_eq!(at_once(1, 90).await.0, 200);
    let message = "at most 150 leads a day: 90 were sent today, this request has 61";
    assert_eq!(at_once(91, 61).await, limited(message, midnight.clone()));
    let message = "at most 150 leads a day: 90 were sent today, this job has 61";
    assert_eq!(in_background(91, 61).await, limited(message, midnight.clone()));
    assert_eq!(in_background(91, 40).await.0, 202);
    steps.work_off().await;
    assert_eq!(at_once(131, 20).await.0, 200, "exactly as many as there may be");
    assert_eq!(at_once(151, 1).await.0, 429);

    assert_eq!(history(&steps.url).await.len(), 150, "what was refused was not changed");
    let today = client.get("/api/crm/stats?days=1").await.unwrap().body["days"][0].clone();
    assert_eq!((&today["jobs"], &today["leads"]), (&json!(1), &json!(150)));
    steps.clock.advance(Duration::from_secs(12 * 3_600));
    assert_eq!(at_once(151, 50).await.0, 200, "the next day");
}

#[tokio::test]
async fn changes_at_the_same_moment_cannot_exceed_a_day_together() {
    let steps = Steps::with_leads(100).await;
    let limits = LimitOverrides { max_leads_per_day: Some(300), ..NO_PAUSE };
    let client = steps.caller_with(7, KeyOf { limits, ..KeyOf::default() }).await.client;

    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let client = client.clone();
        requests.spawn(async move {
            let body = json!({"lead_ids": ids(1, 100), "status": "won"});
            client.post(AT_ONCE, &body).await.unwrap().status
        });
    }
    let mut answers = requests.join_all().await;
    answers.sort_unstable();

    assert_eq!(answers, [vec![200; 3], vec![429; 9]].concat());
}

/// Who runs the system may forget what he likes: that gives nobody a second day.
#[tokio::test]
async fn forgetting_jobs_gives_no_limit_back() {
    let steps = Steps::with_leads(10).await;
    let limits = LimitOverrides { max_jobs_per_day: Some(1), ..LimitOverrides::default() };
    let client = steps.caller_with(7, KeyOf { limits, ..KeyOf::default() }).await.client;
    let other = steps.caller_with(8, KeyOf::default()).await.client;
    for client in [&client, &other] {
        assert_eq!(client.change(&[1], "won").await.unwrap().status, 202);
    }
    steps.work_off().await;
    steps.clock.advance(Duration::from_secs(1));

    steps.store().prune(Duration::ZERO, Duration::ZERO).await.unwrap();

    let refused = client.change(&[1], "won").await.unwrap();
    let until_midnight = json!(12 * 3_600 - 1);
    assert_eq!((refused.status, refused.body), limited("at most 1 jobs a day", until_midnight));
    let refused = other.change(&[1], "won").await.unwrap();
    let pause = limited("at least 30 seconds between jobs", json!(29));
    assert_eq!((refused.status, refused.body), pause);
    steps.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(steps.store().prune(Duration::ZERO, Duration::ZERO).await.unwrap(), 2);
}
