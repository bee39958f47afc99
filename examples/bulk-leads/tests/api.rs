//! The API: what it answers, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};

use support::steps::{Steps, ids};
use support::tables::{count, execute, history, leads};

const ASYNC: &str = "/api/crm/leads/bulk-status-async";
const AT_ONCE: &str = "/api/crm/leads/bulk-status";

#[tokio::test]
async fn a_job_is_accepted_done_and_told_about() {
    let steps = Steps::with_leads(25).await;
    let caller = steps.caller(7).await;
    execute(&steps.url, "UPDATE crm_leads SET deleted_at = 1 WHERE id = 3").await;
    execute(&steps.url, "UPDATE crm_leads SET status = 'won' WHERE id = 20").await;

    let accepted = caller.client.change(&[ids(1, 25), vec![999]].concat(), "contacted").await;
    let accepted = accepted.unwrap();
    let job_id = accepted.text("job_id").to_owned();
    let path = format!("/api/crm/jobs/{job_id}");
    assert_eq!(accepted.status, 202);
    assert_eq!(
        accepted.body,
        json!({
            "success": true,
            "job_id": job_id,
            "status": "pending",
            "total_leads": 26,
            "duplicates_merged": 0,
            "check_status_url": path,
            "events_url": format!("{path}/events"),
        })
    );

    let pending = caller.client.get(&path).await.unwrap().body;
    assert_eq!(pending["status"], "pending");
    assert_eq!(pending["progress_percent"], 0.0);
    // The job that splits it, and the first chunk.
    assert_eq!(steps.work(2).await, 2);
    steps.clock.advance(Duration::from_millis(1_500));
    let running = caller.client.get(&path).await.unwrap().body;
    assert_eq!(running["status"], "processing");
    assert_eq!(running["progress_percent"], 38.4);
    assert_eq!((&running["successes"], &running["failures"]), (&json!(9), &json!(1)));
    steps.work_off().await;

    let done = caller.client.get(&path).await.unwrap();
    assert_eq!(done.status, 200);
    let reason =
        |id: i64, code: &str, reason: &str| json!({"lead_id": id, "code": code, "reason": reason});
    assert_eq!(
        done.body,
        json!({
            "success": true,
            "job_id": job_id,
            "target_status": "contacted",
            "status": "completed",
            "progress_percent": 100.0,
            "processed_leads": 26,
            "total_leads": 26,
            "successes": 23,
            "failures": 3,
            "failed_leads": [
                reason(3, "deleted", "lead 3 was deleted"),
                reason(20, "transition_not_allowed", "a lead that is won cannot become contacted"),
                reason(999, "not_found", "there is no lead 999"),
            ],
            "error": null,
            "retry_of": null,
            "retried_by": null,
            "created_at": "2026-11-22T12:00:00.000Z",
            "started_at": "2026-11-22T12:00:00.000Z",
            "ended_at": "2026-11-22T12:00:01.500Z",
            "duration_ms": 1500,
            "webhook": {"status": "none", "attempts": 0, "last_error": null},
        })
    );
    assert_eq!(history(&steps.url).await.len(), 23);
    let contacted = leads(&steps.url).await.into_iter().filter(|lead| lead[1] == "contacted");
    assert_eq!(contacted.count(), 23);
}

#[tokio::test]
async fn up_to_a_hundred_leads_are_changed_while_the_caller_waits() {
    let steps = Steps::with_leads(200).await;
    let client = steps.caller(7).await.client;
    execute(&steps.url, "UPDATE crm_leads SET status = 'qualified' WHERE id = 5").await;

    let change = async |lead_ids: &[i64], status: &str| {
        let body = json!({"lead_ids": lead_ids, "status": status});
        client.post(AT_ONCE, &body).await.unwrap()
    };
    let answer = change(&[1, 2, 5, 777, 2], "qualified").await;
    let hundred = change(&ids(1, 100), "won").await;
    let more = change(&ids(1, 101), "lost").await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "success": true,
            "total_leads": 4,
            "duplicates_merged": 1,
            "successes": 3,
            "failures": 1,
            "failed_leads": [{"lead_id": 777, "code": "not_found", "reason": "there is no lead 777"}],
        })
    );
    assert_eq!((hundred.status, &hundred.body["successes"]), (200, &json!(100)));
    assert_eq!((more.status, more.text("error")), (422, "list_too_long"));
    // Two by the first request, for one was qualified before; a hundred by the second.
    assert_eq!(history(&steps.url).await.len(), 102);
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 0);
}

#[tokio::test]
async fn bad_input_is_refused_with_a_code_and_leaves_nothing_behind() {
    let steps = Steps::with_leads(10).await;
    let client = steps.caller(7).await.client;
    let many = |count: usize| json!({"lead_ids": vec![1; count], "status": "won"}).to_string();
    let before = leads(&steps.url).await;

    for path in [ASYNC, AT_ONCE] {
        for (body, status, code) in [
            ("", 400, "malformed_json"),
            ("{\"lead_ids\": [1, 2", 400, "malformed_json"),
            ("lead_ids=1", 400, "malformed_json"),
            ("[1, 2]", 422, "invalid_body"),
            (r#"[[1], "won"]"#, 422, "invalid_body"),
            ("null", 422, "invalid_body"),
            ("{}", 422, "invalid_body"),
            (r#"{"lead_ids": [1]}"#, 422, "invalid_body"),
            (r#"{"status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": 1, "status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": ["1"], "status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [1.5], "status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [null], "status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [99999999999999999999], "status": "won"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [1], "status": 3}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [1], "status": "won", "force": true}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [1], "status": "won", "status": "lost"}"#, 422, "invalid_body"),
            (r#"{"lead_ids": [1], "status": "Won"}"#, 422, "unknown_status"),
            (r#"{"lead_ids": [1], "status": ""}"#, 422, "unknown_status"),
            (r#"{"lead_ids": [1], "status": "won' OR 1=1"}"#, 422, "unknown_status"),
            (r#"{"lead_ids": [], "status": "won"}"#, 422, "empty_list"),
            (r#"{"lead_ids": [1, 0], "status": "won"}"#, 422, "invalid_lead_id"),
            (r#"{"lead_ids": [-5], "status": "won"}"#, 422, "invalid_lead_id"),
            (&many(100_001), 422, "list_too_long"),
            (&" ".repeat(1 << 21), 413, "body_too_large"),
        ] {
            let answer = client.post_text(path, body.to_owned()).await.unwrap();
            let shown: String = body.chars().take(80).collect();
            assert_eq!((answer.status, answer.text("error")), (status, code), "{path} {shown}");
            assert_eq!(answer.body["success"], false, "{path} {shown}");
            assert!(!answer.text("message").is_empty(), "{path} {shown}");
        }
    }

    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 0);
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_job_leads").await, 0);
    assert_eq!(leads(&steps.url).await, before);
    assert_eq!(steps.work(1).await, 0, "nothing was enqueued");
}

#[tokio::test]
async fn the_body_must_say_that_it_is_json() {
    let steps = Steps::with_leads(1).await;
    let caller = steps.caller(7).await;
    let http = reqwest::Client::new();
    let send = async |content_type: Option<&str>| {
        let mut request = http
            .post(format!("{}{ASYNC}", steps.service.url()))
            .header("X-API-Key", &caller.key)
            .body(r#"{"lead_ids": [1], "status": "won"}"#);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };

    for wrong in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let (status, body) = send(wrong).await;
        assert_eq!((status, &body["error"]), (415, &json!("unsupported_media_type")));
    }
    assert_eq!(send(Some("application/json; charset=utf-8")).await.0, 202);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let steps = Steps::with_leads(1).await;
    let client = steps.caller(7).await.client;

    let nowhere = client.get("/api/crm/leads").await.unwrap();
    let get = client.get(ASYNC).await.unwrap();

    assert_eq!((nowhere.status, nowhere.text("error")), (404, "not_found"));
    assert_eq!((get.status, get.text("error")), (405, "method_not_allowed"));
}

#[tokio::test]
async fn nothing_is_told_or_done_without_a_valid_key() {
    let steps = Steps::with_leads(1).await;
    let caller = steps.caller(7).await;
    let job = caller.client.change(&[1], "won").await.unwrap();
    let other = steps.caller(8).await;
    // The right id with the secret of another key.
    let (_, secret) = other.key.rsplit_once('_').unwrap();
    let mixed = format!("blk_{}_{secret}", caller.key_id);
    let revoked = steps.caller(7).await;
    steps.store().revoke_key(&revoked.key_id).await.unwrap();

    for key in ["", "secret", "blk_000000000000_", &mixed, &revoked.key] {
        let client = bulk_leads::client::Client::new(steps.service.url(), key).unwrap();
        let path = format!("/api/crm/jobs/{}", job.text("job_id"));
        let body = json!({"lead_ids": [1], "status": "won"});
        for answer in [
            client.get(&path).await,
            client.get(&format!("{path}/events")).await,
            client.post_text(&format!("{path}/cancel"), "").await,
            client.post_text(&format!("{path}/retry"), "").await,
            client.get("/api/crm/stats").await,
            client.post(ASYNC, &body).await,
            client.post(AT_ONCE, &body).await,
        ] {
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.text("error")), (401, "unauthorized"), "{key:?}");
        }
    }
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 1);
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_lead_history").await, 0);
    // The table alone is no key either.
    assert_eq!(
        count(
            &steps.url,
            &format!("SELECT COUNT(*) FROM crm_api_keys WHERE secret_hash LIKE '%{secret}%'")
        )
        .await,
        0
    );
}

#[tokio::test]
async fn the_jobs_of_others_are_not_there() {
    let steps = Steps::with_leads(30).await;
    let (mine, other) = (steps.caller(7).await.client, steps.caller(8).await.client);
    let job = other.change(&ids(1, 30), "won").await.unwrap();
    let before = steps.job(&job).await;

    let unknown = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e";
    for id in [job.text("job_id"), unknown, "7", "..", "%27", "%ff", &"x".repeat(500)] {
        let path = format!("/api/crm/jobs/{id}");
        for answer in [
            mine.get(&path).await,
            mine.get(&format!("{path}/events")).await,
            mine.post_text(&format!("{path}/cancel"), "").await,
            mine.post_text(&format!("{path}/retry"), "").await,
        ] {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 404, "{id}");
            assert!(["job_not_found", "not_found"].contains(&answer.text("error")), "{id}");
        }
    }

    assert_eq!(steps.job(&job).await, before);
    let stats = mine.get("/api/crm/stats").await.unwrap().body;
    assert_eq!((&stats["pending_jobs"], &stats["days"][0]["jobs"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn statistics_are_told_by_day() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    let two_days = Duration::from_secs(2 * 24 * 3_600);
    client.change(&ids(1, 10), "contacted").await.unwrap();
    steps.clock.advance(Duration::from_secs(2));
    steps.work_off().await;
    let cancelled = client.change(&ids(1, 5), "won").await.unwrap();
    let path = format!("/api/crm/jobs/{}/cancel", cancelled.text("job_id"));
    client.post_text(&path, "").await.unwrap();
    steps.clock.advance(two_days);
    client.change(&ids(11, 20), "won").await.unwrap();

    let stats = client.get("/api/crm/stats?days=3").await.unwrap().body;

    let day = |day: &str, jobs: u64, leads: u64, done: u64, cancelled: u64, mean: Value| {
        json!({"day": day, "jobs": jobs, "leads": leads, "completed": done, "failed": 0,
               "cancelled": cancelled, "timed_out": 0, "mean_duration_ms": mean})
    };
    let days = json!([
        day("2026-11-24", 1, 20, 0, 0, json!(null)),
        day("2026-11-23", 0, 0, 0, 0, json!(null)),
        day("2026-11-22", 2, 15, 1, 1, json!(1000)),
    ]);
    assert_eq!(stats["days"], days);
    assert_eq!((&stats["pending_jobs"], &stats["stuck_jobs"]), (&json!(1), &json!(0)));
    steps.clock.advance(Duration::from_secs(301));
    let stats = client.get("/api/crm/stats").await.unwrap().body;
    assert_eq!((&stats["stuck_jobs"], stats["days"].as_array().unwrap().len()), (&json!(1), 7));

    for wrong in ["0", "367", "-1", "x", "1e3", "99999999999999999999"] {
        let answer = client.get(&format!("/api/crm/stats?days={wrong}")).await.unwrap();
        assert_eq!((answer.status, answer.text("error")), (422, "invalid_query"), "{wrong}");
    }
}
