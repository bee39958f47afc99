//! On real servers, MariaDB and Redis: with worker processes that are killed in the middle.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use bulk_leads::Rules;
use bulk_leads::api_key::ApiKey;
use bulk_leads::client::Client;
use bulk_leads::db::{AtOnce, BulkState, Chunk, LeadChange, NewKey, Store};
use bulk_leads::limits::{LimitOverrides, Limits};
use bulk_leads::status::LeadStatus;
use fixtures::{Background, MariaDb, Place, eventually};
use jobq_redis::TestServer;
use serde_json::json;

use support::PROGRAM;
use support::steps::{KeyOf, NO_PAUSE, Steps, ids};
use support::tables::{count, execute, history, leads};
use support::twice::everything_twice;

const LEADS: usize = 6_000;
/// Small chunks, so that there are many moments to be killed at.
const CHUNK: &str = "20";
const CHUNKS: i64 = 300;

#[tokio::test]
async fn the_store_keeps_its_promises_on_mariadb() {
    let server = MariaDb::start().await;

    let twice = Steps::over(Place::new(), server.url(), 44).await;
    everything_twice(&twice).await;
    a_limit_holds_for_requests_at_the_same_moment(&server).await;
    a_chunk_takes_five_statements(&server).await;
    chunks_that_share_leads_do_not_fail(&server).await;
    days_are_told_and_jobs_end_late_and_are_forgotten(&server).await;
}

async fn a_limit_holds_for_requests_at_the_same_moment(server: &MariaDb) {
    let url = server.another("moment").await;
    let steps = Steps::over(Place::new(), url.clone(), 10).await;
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
    assert_eq!(count(&url, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 3);
}

async fn a_chunk_takes_five_statements(server: &MariaDb) {
    let url = server.another("counted").await;
    let steps = Steps::over(Place::new(), url, 1_000).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&[ids(1, 998), vec![5_000]].concat(), "won").await.unwrap();
    let job = steps.store().start_job(accepted.text("job_id")).await.unwrap().unwrap();
    let lead_ids = [ids(1, 499), vec![5_000]].concat();
    let change =
        LeadChange { change_id: &job.id, user_id: 7, target: LeadStatus::Won, lead_ids: &lead_ids };
    // The statements are prepared by the first chunk.
    let first = Chunk { chunk_no: 0, change: LeadChange { lead_ids: &[999], ..change } };
    steps.store().apply_chunk(&first).await.unwrap();

    let before = server.statements().await;
    steps.store().apply_chunk(&Chunk { chunk_no: 1, change }).await.unwrap();
    let statements = server.statements().await - before;

    assert_eq!(statements, 5);
    let job = steps.store().job(&job.id).await.unwrap().unwrap();
    assert_eq!((job.successes, job.failures), (500, 1));
}

/// Two users want different things of the same leads, at the same time.
async fn chunks_that_share_leads_do_not_fail(server: &MariaDb) {
    let url = server.another("shared").await;
    let store = Store::open(&url).await.unwrap();
    store.seed(2_000, &[]).await.unwrap();
    let all = ids(1, 2_000);

    let mut changes = tokio::task::JoinSet::new();
    for n in 0..16_usize {
        let store = store.clone();
        // Overlapping stretches, in no particular order.
        let lead_ids = all[n * 7 % 16 * 100..][..500].to_vec();
        changes.spawn(async move {
            let change = LeadChange {
                change_id: &format!("00000000-0000-0000-0000-{n:012}"),
                user_id: n as i64,
                target: if n % 2 == 0 { LeadStatus::Contacted } else { LeadStatus::Lost },
                lead_ids: &lead_ids,
            };
            store.change_leads(&change, &Limits::default()).await
        });
    }

    for changed in changes.join_all().await {
        assert!(matches!(changed.unwrap(), AtOnce::Done(_)));
    }
    let torn = "SELECT COUNT(*) FROM crm_leads JOIN crm_lead_history ON lead_id = id
                GROUP BY id, crm_leads.status HAVING MAX(to_status = crm_leads.status) = 0";
    assert_eq!(support::tables::rows(&url, torn).await.len(), 0);
}

async fn days_are_told_and_jobs_end_late_and_are_forgotten(server: &MariaDb) {
    let url = server.another("days").await;
    let steps = Steps::over(Place::new(), url.clone(), 30).await;
    let client = steps.caller(7).await.client;
    let at_once = json!({"lead_ids": ids(1, 10), "status": "won"});
    let at_once = client.post("/api/crm/leads/bulk-status", &at_once).await.unwrap();
    let first = client.change(&[ids(11, 10), vec![999]].concat(), "won").await.unwrap();
    steps.work_off().await;
    let retry = format!("{}/retry", first.text("check_status_url"));
    let second = client.post_text(&retry, "").await.unwrap();
    let twice = client.post_text(&retry, "").await.unwrap();
    assert_eq!((at_once.status, second.status, twice.text("error")), (200, 202, "already_retried"));

    steps.clock.advance(Rules::default().job_timeout);
    for id in steps.store().overdue_jobs().await.unwrap() {
        assert!(steps.store().end_overdue_job(&id).await.unwrap());
    }
    let late = steps.job(&second).await;
    let why = Some("it was not started in time");
    assert_eq!((late.state, late.error.as_deref()), (BulkState::TimedOut, why));
    let days = async || client.get("/api/crm/stats?days=2").await.unwrap().body["days"].clone();
    let today = days().await[0].clone();
    assert_eq!((&today["jobs"], &today["leads"]), (&json!(2), &json!(22)));
    let prune = async || steps.store().prune(Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!(prune().await, 0);
    steps.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(prune().await, 2);
    assert_eq!(days().await[1], today);
}

/// An API, workers that come and go, and what they leave in the tables.
struct Stage {
    _mariadb: MariaDb,
    redis: TestServer,
    _api: Background,
    client: Client,
    db: String,
}

impl Stage {
    async fn set() -> Self {
        drop(Place::new());
        let (mariadb, redis) = (MariaDb::start().await, TestServer::start().unwrap());
        let db = mariadb.url();
        let store = Store::open(&db).await.unwrap();
        store.seed(LEADS as u64, &[]).await.unwrap();
        execute(&db, "UPDATE crm_leads SET deleted_at = 1 WHERE id IN (777, 4000)").await;
        let key = ApiKey::generate().unwrap();
        let new = NewKey {
            key: &key,
            user_id: 7,
            name: "",
            is_premium: false,
            limits: NO_PAUSE,
            webhook: None,
        };
        store.add_key(&new).await.unwrap();
        let (api, url) = PROGRAM.listening(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            &db,
            "--queue",
            &redis.url(),
            "--chunk-leads",
            CHUNK,
        ]);
        let client = Client::new(url, key.reveal()).unwrap();
        Self { _mariadb: mariadb, redis, _api: api, client, db }
    }

    fn worker(&self) -> Background {
        let queue = self.redis.url();
        let args = ["work", "--database", &self.db, "--queue", &queue, "--concurrency", "2"];
        PROGRAM.start(&[&args[..], &["--lease", "1s"]].concat())
    }

    async fn done_chunks(&self) -> i64 {
        count(&self.db, "SELECT COUNT(*) FROM crm_bulk_chunks").await
    }
}

#[tokio::test]
async fn killed_workers_change_no_count_and_update_no_lead_twice() {
    let stage = Stage::set().await;
    let (first, second) = (stage.worker(), stage.worker());
    let accepted = stage.client.change(&ids(1, LEADS), "qualified").await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    let following = tokio::spawn({
        let (client, job_id) = (stage.client.clone(), accepted.text("job_id").to_owned());
        async move { client.follow(&job_id, |_| {}).await }
    });

    for (worker, some) in [(first, 20), (second, 60)] {
        eventually("some chunks", async || (stage.done_chunks().await >= some).then_some(())).await;
        worker.kill();
        assert!(stage.done_chunks().await < CHUNKS, "all chunks were done before the kill");
    }
    let _third = stage.worker();
    let end = following.await.unwrap().unwrap();

    assert_eq!((&end["status"], &end["successes"]), (&json!("completed"), &json!(5_998)));
    let job = stage.client.get(accepted.text("check_status_url")).await.unwrap().body;
    assert_eq!((&job["failures"], &job["processed_leads"]), (&json!(2), &json!(6_000)));
    let failed: Vec<_> =
        job["failed_leads"].as_array().unwrap().iter().map(|lead| &lead["lead_id"]).collect();
    assert_eq!(failed, [777, 4_000]);
    assert_eq!(stage.done_chunks().await, CHUNKS);
    let expected: Vec<Vec<String>> = (1..=LEADS)
        .map(|id| {
            let status = if [777, 4_000].contains(&id) { "new" } else { "qualified" };
            vec![id.to_string(), status.to_owned()]
        })
        .collect();
    assert_eq!(leads(&stage.db).await, expected);
    let updated: Vec<_> =
        history(&stage.db).await.into_iter().map(|change| change[0].clone()).collect();
    let once: Vec<_> = (1..=LEADS).filter(|id| ![777, 4_000].contains(id)).collect();
    assert_eq!(updated, once.iter().map(ToString::to_string).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_job_is_cancelled_and_another_retried_on_servers() {
    let stage = Stage::set().await;
    let _worker = stage.worker();
    let (first, path) = {
        let accepted = stage.client.change(&ids(1, LEADS), "contacted").await.unwrap();
        let path = accepted.text("check_status_url").to_owned();
        (accepted, path)
    };
    eventually("some chunks", async || (stage.done_chunks().await >= 5).then_some(())).await;

    let cancelled = stage.client.post_text(&format!("{path}/cancel"), "").await.unwrap();

    assert_eq!((cancelled.status, cancelled.text("status")), (200, "cancelled"));
    let done = cancelled.body["successes"].as_i64().unwrap();
    assert!((100..LEADS as i64).contains(&done), "{done}");
    let second = stage.client.change(&[1, 777, 9_999], "won").await.unwrap();
    let end = stage.client.follow(second.text("job_id"), |_| {}).await.unwrap();
    assert_eq!((&end["successes"], &end["failures"]), (&json!(1), &json!(2)));
    execute(&stage.db, "UPDATE crm_leads SET deleted_at = NULL WHERE id = 777").await;
    let retry = format!("{}/retry", second.text("check_status_url"));
    let retry = stage.client.post_text(&retry, "").await.unwrap();
    let end = stage.client.follow(retry.text("job_id"), |_| {}).await.unwrap();
    assert_eq!((&end["successes"], &end["failures"]), (&json!(1), &json!(1)));
    let sql = format!(
        "SELECT COUNT(*) FROM crm_lead_history WHERE change_id = '{}'",
        first.text("job_id")
    );
    assert_eq!(count(&stage.db, &sql).await, done, "nothing was done after the cancellation");
    let store = Store::open(&stage.db).await.unwrap();
    let job = store.job(first.text("job_id")).await.unwrap().unwrap();
    assert_eq!((job.state, job.successes as i64), (BulkState::Cancelled, done));
}

#[tokio::test]
async fn a_job_accepted_while_the_queue_is_away_is_done_when_it_is_back() {
    let mut stage = Stage::set().await;
    stage.redis.kill();

    let accepted = stage.client.change(&ids(1, 100), "contacted").await.unwrap();
    assert_eq!((accepted.status, accepted.text("status")), (202, "pending"));
    stage.redis.restart().unwrap();
    let _worker = stage.worker();

    let end = stage.client.follow(accepted.text("job_id"), |_| {}).await.unwrap();
    assert_eq!((&end["status"], &end["successes"]), (&json!("completed"), &json!(100)));
    assert_eq!(history(&stage.db).await.len(), 100);
}

#[tokio::test]
async fn the_demonstration_runs_on_servers() {
    let (mariadb, redis) = (MariaDb::start().await, TestServer::start().unwrap());
    let servers = ["--database", &mariadb.url(), "--queue", &redis.url(), "--overwrite", "--json"];
    let demo = [&["demo", "--leads", "5000", "--bad", "2"], &servers[..]].concat();

    for _ in 0..2 {
        let ended = PROGRAM.run(&demo);
        assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
        let line = ended.json();
        assert_eq!((&line["ok"], &line["failed"]), (&json!(4998), &json!(2)));
        assert_eq!(line["webhook"], "verified");
    }
}
