//! The life of a bulk job, step by step: repeated, interrupted, cancelled, retried, late, lost and
//! forgotten.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use bulk_leads::db::{BulkState, WebhookState};
use bulk_leads::jobs::{BULK_QUEUE, ChangeChunk};
use bulk_leads::{OpenQueue, Rounds, Rules, Service, Setup};
use fixtures::{anywhere, eventually};
use jobq_core::{Inspect, JobState, QueueName};
use serde_json::json;

use support::steps::{CHUNK, KeyOf, NO_PAUSE, Steps, ids};
use support::tables::{count, execute, history, leads, rows};
use support::twice::everything_twice;

/// No chunk that has lead 15 can be done.
const FIRE: &str = "CREATE TRIGGER fire BEFORE UPDATE ON crm_leads WHEN new.id = 15
                    BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END";
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[tokio::test]
async fn every_step_may_be_done_twice() {
    everything_twice(&Steps::with_leads(44).await).await;
}

#[tokio::test]
async fn a_job_goes_on_where_it_was_when_the_queue_is_lost() {
    let mut steps = Steps::with_leads(50).await;
    let accepted = steps.caller(7).await.client.change(&ids(1, 50), "won").await.unwrap();
    // The job that splits it, and two chunks.
    assert_eq!(steps.work(3).await, 3);
    let sql = "SELECT chunk_no, done_at FROM crm_bulk_chunks";
    let done_before = rows(&steps.url, sql).await;
    assert_eq!(done_before.len(), 2);
    steps.clock.advance(Duration::from_secs(1));

    steps.lose_the_queue().await;
    eventually("the first round", async || (steps.work(1).await > 0).then_some(())).await;
    steps.work_off().await;

    let done = steps.job(&accepted).await;
    assert_eq!((done.state, done.successes), (BulkState::Completed, 50));
    assert_eq!(history(&steps.url).await.len(), 50);
    let done_after = rows(&steps.url, sql).await;
    assert!(done_before.iter().all(|chunk| done_after.contains(chunk)), "they were not done again");
}

#[tokio::test]
async fn what_could_not_be_enqueued_is_enqueued_by_the_next_round() {
    let steps = Steps::with_leads(10).await;
    let caller = steps.caller(7).await;
    let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();
    // As if the process had ended between the two.
    let queue = QueueName::new(BULK_QUEUE).unwrap();
    let waiting = steps.queue.jobs(&queue, JobState::Ready, 0, 10).await.unwrap();
    steps.queue.delete(&queue, JobState::Ready, &[waiting[0].record.id]).await.unwrap();
    assert_eq!((waiting.len(), steps.work(1).await), (1, 0));
    // The rest of the process: what it does goes round every few milliseconds.
    let setup = Setup {
        store: steps.store().clone(),
        queue: OpenQueue::of(steps.queue.clone()),
        listen: anywhere(),
        concurrency: 0,
        rules: Rules::default(),
        rounds: Rounds {
            every: Duration::from_millis(2),
            again_after: Duration::from_secs(60),
            ..Rounds::default()
        },
    };
    let service = Service::start(setup).await.unwrap();
    steps.clock.advance(Duration::from_millis(60_001));

    eventually("the next round", async || (steps.work(1).await > 0).then_some(())).await;
    steps.work_off().await;

    assert_eq!(steps.job(&accepted).await.state, BulkState::Completed);
    service.stop().await.unwrap();
}

/// No job can get as far as this state.
fn stop_at(state: &str) -> String {
    format!(
        "CREATE TRIGGER stop BEFORE UPDATE ON crm_bulk_jobs
         WHEN new.state = '{state}' AND old.state <> new.state
         BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
}

/// The database is in trouble until so many jobs of a kind are dead.
async fn until_dead(steps: &Steps, kind: &str, jobs: usize) {
    let queue = QueueName::new(BULK_QUEUE).unwrap();
    for _ in 0..50 {
        steps.work_off().await;
        let dead = steps.queue.jobs(&queue, JobState::Dead, 0, 100).await.unwrap();
        if dead.iter().filter(|job| job.record.kind.as_str() == kind).count() == jobs {
            return;
        }
        steps.clock.advance(Duration::from_secs(30));
    }
    panic!("no {kind} has died");
}

/// The process is started anew, and its first round puts right what it finds.
async fn first_round(steps: &mut Steps) {
    steps.clock.advance(Duration::from_secs(1));
    steps.restart().await;
    eventually("the first round", async || (steps.work(1).await > 0).then_some(())).await;
}

#[tokio::test]
async fn a_first_job_that_has_died_is_made_up_for() {
    let mut steps = Steps::with_leads(30).await;
    execute(&steps.url, &stop_at("processing")).await;
    let accepted = steps.caller(7).await.client.change(&ids(1, 30), "won").await.unwrap();
    until_dead(&steps, "crm.bulk_split", 1).await;
    execute(&steps.url, "DROP TRIGGER stop").await;

    first_round(&mut steps).await;
    steps.work_off().await;

    let job = steps.job(&accepted).await;
    assert_eq!((job.state, job.successes), (BulkState::Completed, 30));
}

#[tokio::test]
async fn a_follow_up_that_has_died_is_made_up_for() {
    for (end, has_dead_chunk) in [(BulkState::Completed, false), (BulkState::Failed, true)] {
        let mut steps = Steps::with_leads(30).await;
        if has_dead_chunk {
            execute(&steps.url, FIRE).await;
        }
        execute(&steps.url, &stop_at(end.as_str())).await;
        let accepted = steps.caller(7).await.client.change(&ids(1, 30), "won").await.unwrap();
        // The one of the batch, and then the one that makes up for it.
        until_dead(&steps, "crm.bulk_finish", 1).await;
        first_round(&mut steps).await;
        until_dead(&steps, "crm.bulk_finish", 2).await;
        assert_eq!(steps.job(&accepted).await.state, BulkState::Processing);
        execute(&steps.url, "DROP TRIGGER stop").await;

        first_round(&mut steps).await;
        steps.work_off().await;

        assert_eq!(steps.job(&accepted).await.state, end);
    }
}

/// It is the leads that were to be done in time.
#[tokio::test]
async fn a_job_that_is_done_is_completed_though_its_follow_up_has_died() {
    let mut steps = Steps::with_leads(30).await;
    execute(&steps.url, &stop_at("completed")).await;
    let accepted = steps.caller(7).await.client.change(&ids(1, 30), "won").await.unwrap();
    until_dead(&steps, "crm.bulk_finish", 1).await;
    execute(&steps.url, "DROP TRIGGER stop").await;
    steps.clock.advance(Rules::default().job_timeout);

    steps.lose_the_queue().await;

    let ended = eventually("its end", async || {
        Some(steps.job(&accepted).await).filter(|job| job.state.has_ended())
    })
    .await;
    assert_eq!((ended.state, ended.successes), (BulkState::Completed, 30));
}

#[tokio::test]
async fn a_cancelled_job_does_nothing_more_and_says_what_is_done() {
    let steps = Steps::with_leads(50).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 50), "won").await.unwrap();
    assert_eq!(steps.work(3).await, 3);
    // A worker is about to do another chunk.
    let leases = steps.lease_all().await;
    let path = format!("/api/crm/jobs/{}", accepted.text("job_id"));

    let cancelled = client.post_text(&format!("{path}/cancel"), "").await.unwrap();

    assert_eq!((cancelled.status, cancelled.text("status")), (200, "cancelled"));
    assert_eq!(cancelled.body["progress_percent"], 40.0);
    let chunk: ChangeChunk = leases[1].job.payload.decode().unwrap();
    let cx = steps.context(&chunk, 0);
    let late =
        bulk_leads::change_chunk::change_chunk(chunk, jobq_worker::State(steps.app.clone()), cx);
    late.await.unwrap_err();
    steps.release(&leases).await;
    steps.work_off().await;
    assert_eq!(history(&steps.url).await.len(), 20);
    assert_eq!(client.get(&path).await.unwrap().body, cancelled.body, "nothing has changed");
    let again = client.post_text(&format!("{path}/cancel"), "").await.unwrap();
    assert_eq!((again.status, &again.body), (200, &cancelled.body));
    let retry = client.post_text(&format!("{path}/retry"), "").await.unwrap();
    assert_eq!((retry.status, retry.text("error")), (409, "nothing_to_retry"));
    steps.work_off().await;
    let stats = steps.queue.queue(&QueueName::new(BULK_QUEUE).unwrap()).await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.dead), (0, 0, 0));
}

#[tokio::test]
async fn a_job_that_has_ended_cannot_be_cancelled() {
    let steps = Steps::with_leads(10).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 10), "won").await.unwrap();
    steps.work_off().await;
    let path = format!("/api/crm/jobs/{}/cancel", accepted.text("job_id"));

    let answer = client.post_text(&path, "").await.unwrap();

    assert_eq!((answer.status, answer.text("error")), (409, "job_ended"));
    assert_eq!(steps.job(&accepted).await.state, BulkState::Completed);
}

#[tokio::test]
async fn a_retry_takes_the_failed_leads_alone_and_is_linked() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    execute(&steps.url, "UPDATE crm_leads SET deleted_at = 1 WHERE id IN (4, 28)").await;
    execute(&steps.url, "UPDATE crm_leads SET status = 'won' WHERE id = 17").await;
    let first = client.change(&ids(1, 30), "contacted").await.unwrap();
    let path = format!("/api/crm/jobs/{}", first.text("job_id"));
    let retry = format!("{path}/retry");

    let early = client.post_text(&retry, "").await.unwrap();
    assert_eq!((early.status, early.text("error")), (409, "job_not_ended"));
    steps.work_off().await;
    execute(&steps.url, "UPDATE crm_leads SET deleted_at = NULL WHERE id = 4").await;
    let second = client.post_text(&retry, "").await.unwrap();
    assert_eq!(second.status, 202);
    assert_eq!(
        (second.text("retry_of"), &second.body["total_leads"]),
        (first.text("job_id"), &json!(3))
    );
    let twice = client.post_text(&retry, "").await.unwrap();
    assert_eq!((twice.status, twice.text("error")), (409, "already_retried"));
    assert_eq!(twice.text("job_id"), second.text("job_id"));
    steps.work_off().await;

    let job = client.get(second.text("check_status_url")).await.unwrap().body;
    assert_eq!((&job["successes"], &job["failures"]), (&json!(1), &json!(2)));
    assert_eq!(job["retry_of"], first.text("job_id"));
    let failed: Vec<_> =
        job["failed_leads"].as_array().unwrap().iter().map(|l| &l["lead_id"]).collect();
    assert_eq!(failed, [17, 28]);
    let before = client.get(&path).await.unwrap().body;
    assert_eq!(before["retried_by"], second.text("job_id"));
    assert_eq!((&before["successes"], &before["failures"]), (&json!(27), &json!(3)));
    assert_eq!(history(&steps.url).await.len(), 28);
    // The retry can be retried in turn.
    let third = format!("{}/retry", second.text("check_status_url"));
    assert_eq!(client.post_text(&third, "").await.unwrap().status, 202);
}

/// Also when the retry was forgotten before the job it retries.
#[tokio::test]
async fn a_job_is_retried_once_for_good() {
    let steps = Steps::with_leads(10).await;
    let client = steps.caller(7).await.client;
    let first = client.change(&[1, 999], "won").await.unwrap();
    steps.work_off().await;
    let retry = format!("{}/retry", first.text("check_status_url"));
    let second = client.post_text(&retry, "").await.unwrap();
    steps.work_off().await;
    // It is kept for longer.
    let failed =
        format!("UPDATE crm_bulk_jobs SET state = 'failed' WHERE id = '{}'", first.text("job_id"));
    execute(&steps.url, &failed).await;
    steps.clock.advance(8 * DAY);
    assert_eq!(steps.store().prune(7 * DAY, 30 * DAY).await.unwrap(), 1);

    let third = client.post_text(&retry, "").await.unwrap();

    assert_eq!((third.status, third.text("error")), (409, "already_retried"));
    assert_eq!(third.text("job_id"), second.text("job_id"));
}

#[tokio::test]
async fn a_retry_is_held_to_the_limits() {
    let steps = Steps::with_leads(10).await;
    let client = steps.caller_with(7, KeyOf::default()).await.client;
    let first = client.change(&[1, 999], "won").await.unwrap();
    steps.work_off().await;
    let retry = format!("{}/retry", first.text("check_status_url"));

    let refused = client.post_text(&retry, "").await.unwrap();
    steps.clock.advance(Duration::from_secs(30));
    let accepted = client.post_text(&retry, "").await.unwrap();

    assert_eq!((refused.status, refused.text("error")), (429, "rate_limit_exceeded"));
    assert_eq!(refused.retry_after.as_deref(), Some("30"));
    assert_eq!(accepted.status, 202);
}

#[tokio::test]
async fn a_job_past_its_time_is_ended_and_can_be_retried() {
    let steps = Steps::with_leads(50).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 50), "won").await.unwrap();
    assert_eq!(steps.work(3).await, 3);
    steps.clock.advance(Rules::default().job_timeout);

    steps.work_off().await;

    let job = client.get(accepted.text("check_status_url")).await.unwrap().body;
    assert_eq!((&job["status"], &job["processed_leads"]), (&json!("timed_out"), &json!(20)));
    assert_eq!(job["error"], "it took longer than it may");
    assert_eq!(history(&steps.url).await.len(), 20);
    let retry = format!("{}/retry", accepted.text("check_status_url"));
    let retry = client.post_text(&retry, "").await.unwrap();
    assert_eq!(
        (retry.status, &retry.body["total_leads"]),
        (202, &json!(30)),
        "those never reached"
    );
    steps.work_off().await;
    assert_eq!(steps.job(&retry).await.successes, 30);
    assert_eq!(history(&steps.url).await.len(), 50);
}

#[tokio::test]
async fn a_job_without_workers_is_ended_when_its_time_is_over() {
    let mut steps = Steps::with_leads(50).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 50), "won").await.unwrap();
    assert_eq!(steps.work(2).await, 2);
    steps.clock.advance(Rules::default().job_timeout);
    assert_eq!(steps.job(&accepted).await.state, BulkState::Processing);

    steps.lose_the_queue().await;

    let ended = eventually("its end", async || {
        Some(steps.job(&accepted).await).filter(|job| job.state.has_ended())
    })
    .await;
    assert_eq!((ended.state, ended.successes), (BulkState::TimedOut, 10));
}

#[tokio::test]
async fn a_job_that_is_never_started_is_ended_when_its_time_is_over() {
    let mut steps = Steps::with_leads(50).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 50), "won").await.unwrap();
    steps.clock.advance(Rules::default().job_timeout);

    steps.lose_the_queue().await;

    let ended = eventually("its end", async || {
        Some(steps.job(&accepted).await).filter(|job| job.state.has_ended())
    })
    .await;
    assert_eq!((ended.state, ended.processed_leads()), (BulkState::TimedOut, 0));
    assert_eq!(ended.error.as_deref(), Some("it was not started in time"));
    steps.work_off().await;
    assert_eq!(history(&steps.url).await.len(), 0);
    let client = steps.caller(7).await.client;
    let retry = format!("{}/retry", accepted.text("check_status_url"));
    let retry = client.post_text(&retry, "").await.unwrap();
    assert_eq!((retry.status, &retry.body["total_leads"]), (202, &json!(50)));
}

/// Something is wrong that no lead has to do with.
#[tokio::test]
async fn a_chunk_that_cannot_be_done_fails_its_job_and_nothing_of_it_is_kept() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    execute(&steps.url, FIRE).await;
    let accepted = client.change(&ids(1, 30), "won").await.unwrap();

    for _ in 0..20 {
        assert!(!steps.job(&accepted).await.state.has_ended());
        steps.work_off().await;
        steps.clock.advance(Duration::from_secs(60));
    }

    let job = client.get(accepted.text("check_status_url")).await.unwrap().body;
    assert_eq!((&job["status"], &job["successes"]), (&json!("failed"), &json!(20)));
    let error = job["error"].as_str().unwrap();
    assert!(error.starts_with("chunk 1 has failed 20 times: "), "{error}");
    assert_eq!(history(&steps.url).await.len(), 20);
    let untouched = leads(&steps.url).await.into_iter().filter(|lead| lead[1] == "new").count();
    assert_eq!(untouched, 10);

    execute(&steps.url, "DROP TRIGGER fire").await;
    let retry = format!("{}/retry", accepted.text("check_status_url"));
    let retry = client.post_text(&retry, "").await.unwrap();
    steps.work_off().await;
    assert_eq!((retry.status, steps.job(&retry).await.successes), (202, 10));
}

#[tokio::test]
async fn users_take_turns_whoever_came_first() {
    let steps = Steps::with_leads(210).await;
    let (many, few) = (steps.caller(7).await.client, steps.caller(8).await.client);
    let large = many.change(&ids(1, 200), "won").await.unwrap();
    assert_eq!(steps.work(1).await, 1);
    let small = few.change(&ids(201, 10), "won").await.unwrap();

    // Two rounds of both: split and chunk of the one, two chunks of the other; then the end.
    assert_eq!(steps.work(5).await, 5);

    assert_eq!(steps.job(&small).await.state, BulkState::Completed);
    let processed = steps.job(&large).await.processed_leads();
    assert!((10..=20).contains(&processed), "{processed}");
}

#[tokio::test]
async fn premium_callers_go_first() {
    let steps = Steps::with_leads(230).await;
    let of = KeyOf { is_premium: true, limits: NO_PAUSE, ..KeyOf::default() };
    let (ordinary, premium) = (steps.caller(7).await.client, steps.caller_with(8, of).await.client);
    let large = ordinary.change(&ids(1, 200), "won").await.unwrap();
    assert_eq!(steps.work(2).await, 2);
    let small = premium.change(&ids(201, 3 * CHUNK as usize), "won").await.unwrap();

    // Split, three chunks, and the end.
    assert_eq!(steps.work(5).await, 5);

    assert_eq!(steps.job(&small).await.state, BulkState::Completed);
    assert_eq!(steps.job(&large).await.processed_leads(), 10);
}

#[tokio::test]
async fn jobs_are_forgotten_when_their_time_has_come_and_statistics_are_kept() {
    let steps = Steps::with_leads(50).await;
    let client = steps.caller(7).await.client;
    let done = client.change(&ids(1, 10), "won").await.unwrap();
    steps.work_off().await;
    let late = client.change(&ids(11, 20), "won").await.unwrap();
    assert_eq!(steps.work(1).await, 1);
    steps.clock.advance(Rules::default().job_timeout);
    steps.work_off().await;
    let pending = client.change(&ids(31, 10), "won").await.unwrap();
    let ask = "/api/crm/stats?days=60";
    let prune = async || steps.store().prune(7 * DAY, 30 * DAY).await.unwrap();
    let known = async |answer| {
        client.get(&format!("/api/crm/jobs/{}", bulk(answer))).await.unwrap().status == 200
    };
    assert_eq!(steps.job(&late).await.state, BulkState::TimedOut);

    assert_eq!(prune().await, 0);
    steps.clock.advance(7 * DAY);
    assert_eq!(prune().await, 1);
    assert_eq!([known(&done).await, known(&late).await], [false, true]);
    let before = client.get(ask).await.unwrap().body;
    steps.clock.advance(23 * DAY);
    assert_eq!(prune().await, 1);

    assert_eq!([known(&late).await, known(&pending).await], [false, true]);
    let day = json!({"day": "2026-11-22", "jobs": 3, "leads": 40, "completed": 1, "failed": 0,
                     "cancelled": 0, "timed_out": 1, "mean_duration_ms": 900_000});
    assert_eq!(before["days"][7], day);
    let after = client.get(ask).await.unwrap().body;
    assert_eq!(after["days"][30], day);
    for table in ["crm_bulk_chunks", "crm_bulk_job_leads"] {
        let left = count(&steps.url, &format!("SELECT COUNT(DISTINCT job_id) FROM {table}")).await;
        assert!(left <= 1, "{table}");
    }
    assert_eq!(history(&steps.url).await.len(), 10, "what happened to leads stays known");
}

fn bulk(answer: &bulk_leads::client::Answer) -> &str {
    answer.text("job_id")
}

#[tokio::test]
async fn stuck_jobs_are_told() {
    let steps = Steps::with_leads(30).await;
    let client = steps.caller(7).await.client;
    let accepted = client.change(&ids(1, 30), "won").await.unwrap();
    let five_minutes = Duration::from_secs(300);
    let stuck = async || steps.store().health(five_minutes).await.unwrap().stuck;

    steps.clock.advance(five_minutes);
    assert_eq!(stuck().await, [""; 0]);
    steps.clock.advance(Duration::from_millis(1));
    assert_eq!(stuck().await, [accepted.text("job_id")]);
    assert_eq!(steps.work(2).await, 2);
    assert_eq!(stuck().await, [""; 0], "it has moved");
    steps.clock.advance(five_minutes + Duration::from_millis(1));
    assert_eq!(stuck().await, [accepted.text("job_id")]);
    steps.work_off().await;
    assert_eq!(stuck().await, [""; 0]);
    assert_eq!(steps.job(&accepted).await.webhook, WebhookState::None);
}
