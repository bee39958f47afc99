//! The message at the end of a job, over real HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bulk_leads::client::Answer;
use bulk_leads::db::WebhookState;
use bulk_leads::limits::LimitOverrides;
use bulk_leads::receiver::{Received, Receiver, Reception};
use bulk_leads::{OpenQueue, Rounds, Rules, Service, Setup};
use fixtures::{anywhere, eventually};
use jobq_core::JobState;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use support::steps::{Caller, KeyOf, NO_PAUSE, Steps, ids};
use support::tables::execute;

const SECRET: &str = "0123456789abcdef";

/// A receiver that gives these answers first, and a caller who wants to be told there.
async fn scene(steps: &Steps, answers: &[u16]) -> (Receiver, Caller) {
    let reception = Reception {
        clock: Arc::new(steps.clock.clone()),
        answers: answers.to_vec(),
        ..Reception::new(anywhere(), SECRET)
    };
    let receiver = Receiver::start(reception).await.unwrap();
    let webhook = Some((receiver.url(), SECRET));
    let caller =
        steps.caller_with(7, KeyOf { webhook, limits: NO_PAUSE, ..KeyOf::default() }).await;
    (receiver, caller)
}

async fn received(receiver: &mut Receiver) -> Received {
    tokio::time::timeout(Duration::from_secs(60), receiver.next()).await.unwrap().unwrap()
}

/// What a job's message has come to: its state, attempts, and the last error.
async fn webhook(steps: &Steps, answer: &Answer) -> (WebhookState, u64, String) {
    let job = steps.job(answer).await;
    (job.webhook, job.webhook_attempts, job.webhook_error.unwrap_or_default())
}

#[tokio::test]
async fn the_caller_is_told_of_the_end_and_can_check_who_says_so() {
    let steps = Steps::with_leads(20).await;
    let (mut receiver, caller) = scene(&steps, &[]).await;
    let accepted = caller.client.change(&[ids(1, 20), vec![99]].concat(), "won").await.unwrap();
    let job_id = accepted.text("job_id");

    steps.work_off().await;

    let message = received(&mut receiver).await;
    assert_eq!((message.checked, message.answered), (Ok(()), 204));
    assert_eq!(message.delivery, job_id);
    assert_eq!(
        message.body,
        json!({
            "event": "bulk_job.completed",
            "job_id": job_id,
            "status": "completed",
            "total_leads": 21,
            "processed_leads": 21,
            "successes": 20,
            "failures": 1,
            "retry_of": null,
            "error": null,
            "ended_at": "2026-11-22T12:00:00.000Z",
            "check_status_url": format!("/api/crm/jobs/{job_id}"),
        })
    );
    assert_eq!(webhook(&steps, &accepted).await, (WebhookState::Delivered, 1, String::new()));
    let job = caller.client.get(accepted.text("check_status_url")).await.unwrap().body;
    assert_eq!(job["webhook"], json!({"status": "delivered", "attempts": 1, "last_error": null}));
}

#[tokio::test]
async fn a_cancelled_job_is_told_too() {
    let steps = Steps::with_leads(20).await;
    let (mut receiver, caller) = scene(&steps, &[]).await;
    let accepted = caller.client.change(&ids(1, 20), "won").await.unwrap();
    let cancel = format!("{}/cancel", accepted.text("check_status_url"));
    caller.client.post_text(&cancel, "").await.unwrap();

    steps.work_off().await;

    let message = received(&mut receiver).await;
    assert_eq!((message.checked, &message.body["event"]), (Ok(()), &json!("bulk_job.cancelled")));
    assert_eq!(message.body["processed_leads"], 0);
}

#[tokio::test]
async fn a_receiver_in_trouble_is_tried_again_with_the_same_delivery() {
    for status in [500, 503, 408, 425, 429] {
        let steps = Steps::with_leads(10).await;
        let (mut receiver, caller) = scene(&steps, &[status]).await;
        let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();

        steps.work_off().await;
        let first = received(&mut receiver).await;
        let (state, attempts, error) = webhook(&steps, &accepted).await;
        assert_eq!((state, attempts), (WebhookState::Pending, 1), "{status}");
        assert!(error.starts_with(&format!("the receiver answered {status}")), "{error}");
        assert_eq!(steps.webhook_jobs(JobState::Scheduled).await.len(), 1, "{status}");
        steps.clock.advance(Duration::from_secs(600));
        steps.work_off().await;

        let second = received(&mut receiver).await;
        assert_eq!((first.answered, second.answered), (status, 204));
        assert_eq!((second.checked, second.delivery), (Ok(()), first.delivery));
        let delivered = (WebhookState::Delivered, 2, String::new());
        assert_eq!(webhook(&steps, &accepted).await, delivered);
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_is_left_alone() {
    for status in [400, 401, 404, 410, 422, 302, 307] {
        let steps = Steps::with_leads(10).await;
        let (mut receiver, caller) = scene(&steps, &[status]).await;
        let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();

        steps.work_off().await;
        steps.clock.advance(Duration::from_secs(3_600));
        steps.work_off().await;

        assert_eq!(received(&mut receiver).await.answered, status);
        let (state, attempts, error) = webhook(&steps, &accepted).await;
        assert_eq!((state, attempts), (WebhookState::Failed, 1), "{status}");
        assert!(error.starts_with(&format!("the receiver answered {status}")), "{error}");
        assert_eq!(steps.webhook_jobs(JobState::Dead).await.len(), 1);
        let health = steps.store().health(Duration::from_secs(300)).await.unwrap();
        assert_eq!(health.webhooks_failed, 1);
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_is_given_up_after_eight_attempts_over_hours() {
    let steps = Steps::with_leads(10).await;
    let (receiver, caller) = scene(&steps, &[]).await;
    drop(receiver);
    let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let hours = |hours: u64| minutes(60 * hours);

    steps.work_off().await;
    let delays = [
        Duration::from_secs(10),
        minutes(1),
        minutes(5),
        minutes(30),
        hours(2),
        hours(4),
        hours(8),
    ];
    for (attempt, delay) in (1..).zip(delays) {
        let (state, attempts, error) = webhook(&steps, &accepted).await;
        assert_eq!((state, attempts), (WebhookState::Pending, attempt), "{error}");
        assert!(error.contains("refused"), "{error}");
        steps.clock.advance(delay - Duration::from_millis(1));
        steps.work_off().await;
        assert_eq!(webhook(&steps, &accepted).await.1, attempt, "before its time");
        steps.clock.advance(Duration::from_millis(1));
        steps.work_off().await;
    }

    let (state, attempts, _) = webhook(&steps, &accepted).await;
    assert_eq!((state, attempts), (WebhookState::Failed, 8));
    assert_eq!(steps.webhook_jobs(JobState::Dead).await.len(), 1);
}

#[tokio::test]
async fn a_message_that_was_given_up_is_sent_again_when_its_owner_asks() {
    let steps = Steps::with_leads(10).await;
    let (mut receiver, caller) = scene(&steps, &[404]).await;
    let client = &caller.client;
    let accepted = client.change(&ids(1, 10), "won").await.unwrap();
    let redeliver = format!("{}/redeliver", accepted.text("check_status_url"));
    let ask = async || client.post_text(&redeliver, "").await.unwrap();

    let early = ask().await;
    assert_eq!((early.status, early.text("error")), (409, "job_not_ended"));
    steps.work_off().await;
    assert_eq!(received(&mut receiver).await.answered, 404);
    let other = steps.caller(8).await.client.post_text(&redeliver, "").await.unwrap();
    assert_eq!((other.status, other.text("error")), (404, "job_not_found"));
    assert_eq!(webhook(&steps, &accepted).await.0, WebhookState::Failed);
    let asked = ask().await;

    assert_eq!((asked.status, &asked.body["webhook"]["status"]), (202, &json!("pending")));
    let twice = ask().await;
    assert_eq!((twice.status, twice.text("error")), (409, "webhook_not_failed"));
    steps.work_off().await;
    let message = received(&mut receiver).await;
    assert_eq!((message.checked, message.delivery), (Ok(()), accepted.text("job_id").to_owned()));
    assert_eq!(webhook(&steps, &accepted).await, (WebhookState::Delivered, 1, String::new()));
    let late = ask().await;
    assert_eq!((late.status, late.text("error")), (409, "webhook_not_failed"));
    assert_eq!(late.text("message"), "there is nothing to send again: the message is delivered");
}

/// What died was the note of the delivery: nobody has given the message up.
#[tokio::test]
async fn a_message_whose_job_has_died_is_made_up_for() {
    let mut steps = Steps::with_leads(10).await;
    let (_receiver, caller) = scene(&steps, &[]).await;
    let fire = "CREATE TRIGGER fire BEFORE UPDATE OF webhook_attempts ON crm_bulk_jobs
                BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    execute(&steps.url, fire).await;
    let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();
    for _ in 0..8 {
        steps.work_off().await;
        steps.clock.advance(Duration::from_secs(8 * 3_600));
    }
    assert_eq!(steps.webhook_jobs(JobState::Dead).await.len(), 1);
    assert_eq!(webhook(&steps, &accepted).await.0, WebhookState::Pending);
    execute(&steps.url, "DROP TRIGGER fire").await;

    steps.restart().await;

    eventually("the message", async || {
        steps.work_off().await;
        let (state, ..) = webhook(&steps, &accepted).await;
        (state == WebhookState::Delivered).then_some(())
    })
    .await;
}

/// Takes connections, never says a word, and tells of each.
async fn silent_receiver() -> (String, mpsc::UnboundedReceiver<TcpStream>) {
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let (sender, connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            if sender.send(connection).is_err() {
                return;
            }
        }
    });
    (url, connections)
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_nobody_else() {
    let steps = Steps::with_leads(60).await;
    let service = Service::start(Setup {
        store: steps.store().clone(),
        queue: OpenQueue::of(steps.queue.clone()),
        listen: anywhere(),
        concurrency: 1,
        rules: Rules::default(),
        rounds: Rounds::default(),
    })
    .await
    .unwrap();
    let (url, mut connections) = silent_receiver().await;
    let limits = LimitOverrides { max_pending_jobs: Some(100), ..NO_PAUSE };
    let of = KeyOf { webhook: Some((&url, SECRET)), limits, ..KeyOf::default() };
    let slow = steps.caller_with(66, of).await.client;
    // More messages than are sent at once.
    let mut unheard = Vec::new();
    for lead in 1..=30 {
        unheard.push(slow.change(&[lead], "won").await.unwrap());
    }
    let held = connections.recv().await.unwrap();
    for accepted in &unheard {
        slow.follow(accepted.text("job_id"), |_| {}).await.unwrap();
    }

    let (mut receiver, caller) = scene(&steps, &[]).await;
    let accepted = caller.client.change(&ids(31, 30), "won").await.unwrap();
    caller.client.follow(accepted.text("job_id"), |_| {}).await.unwrap();
    let message = received(&mut receiver).await;

    assert_eq!((message.delivery.as_str(), message.checked), (accepted.text("job_id"), Ok(())));
    for accepted in &unheard {
        assert_eq!(webhook(&steps, accepted).await.1, 0, "it was not even waited for once");
    }
    drop((connections, held));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_revoked_key_is_told_nothing() {
    let steps = Steps::with_leads(10).await;
    let (_receiver, caller) = scene(&steps, &[]).await;
    let accepted = caller.client.change(&ids(1, 10), "won").await.unwrap();
    steps.store().revoke_key(&caller.key_id).await.unwrap();

    steps.work_off().await;

    let (state, _, error) = webhook(&steps, &accepted).await;
    assert_eq!(state, WebhookState::Failed);
    assert_eq!(error, "the key was revoked or has no webhook any more");
    assert_eq!(steps.job(&accepted).await.successes, 10, "what was accepted is done");
}
