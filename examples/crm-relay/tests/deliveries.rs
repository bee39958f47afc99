//! Each way in which a delivery can end, step by step.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_relay::db::Enqueued;
use crm_relay::deliver::deliver_message;
use crm_relay::jobs::DeliverMessage;
use crm_relay::message::{NewOutbox, OutboxStatus};
use crm_relay::stub::{Answer, Chances, Server, StubReceiver};
use crm_relay::{Pass, Policy};
use fixtures::{Place, anywhere};
use jobq_core::{JobState, LeaseRequest, WorkerId};
use jobq_worker::State;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use support::answers::{Expected, check, every_answer};
use support::steps::{NOON, SHOP, Steps, contact, policy, two_leases};
use support::{SECRET, closed_url};

const SECOND: Duration = Duration::from_secs(1);
const NEWER: &str = "another secret, newer";

#[tokio::test]
async fn a_message_is_sent_signed_and_said_to_be_sent() {
    let steps = Steps::new().await;
    let id = steps.send(SHOP).await;
    let before = steps.outbox(id).await;
    assert_eq!((before.status, before.attempts), (OutboxStatus::Pending, 0));

    let pass = steps.pass().await;

    assert_eq!(pass.to_string(), "processed 0, sent 1, failed 0");
    let row = steps.outbox(id).await;
    assert_eq!((row.status, row.attempts, row.last_error), (OutboxStatus::Sent, 1, None));
    assert_eq!((row.sent_at, row.updated_at), (Some(NOON), NOON));
    let [delivery] = &steps.receiver.deliveries()[..] else { panic!("not one") };
    assert_eq!((&delivery.key, delivery.checked), (&row.message_id, Ok(())));
    let body = json!({
        "message_id": row.message_id,
        "event": "contact.updated",
        "created_at": NOON.to_string(),
        "data": contact("c-1"),
    });
    assert_eq!(delivery.body, body);
}

#[tokio::test]
async fn what_a_receiver_answers_decides_what_comes_next() {
    let steps = Steps::new().await;
    every_answer(&steps).await;
}

#[tokio::test]
async fn a_date_in_retry_after_is_waited_for() {
    let steps = Steps::new().await;
    let date = "Sun, 22 Nov 2026 12:01:30 GMT".to_owned();
    steps.receiver.plan(SHOP, [Answer::RetryAfter(503, date)]);

    check(&steps, SHOP, "http_503", &Expected::After(90 * SECOND)).await;
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let steps = Steps::new().await;
    let elsewhere = steps.server.url("elsewhere");
    steps.receiver.plan(SHOP, [Answer::Redirect(elsewhere)]);

    let error = check(&steps, SHOP, "http_307", &Expected::Never).await;

    assert!(error.contains("redirects are not followed"), "{error}");
    assert!(steps.receiver.deliveries().iter().all(|delivery| delivery.hook == SHOP));
}

#[tokio::test]
async fn of_an_answer_without_end_only_the_beginning_is_read() {
    let steps = Steps::new().await;
    steps.receiver.plan(SHOP, [Answer::Flood]);

    let error = check(&steps, SHOP, "http_400", &Expected::Never).await;

    assert!(error.ends_with(&"x".repeat(200)) && error.len() < 300, "{error}");
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_is_tried_again() {
    let steps = Steps::new().await;
    let backoff = Expected::After(10 * SECOND);
    check(&steps, "nobody", "no_active_integration", &backoff).await;

    let store = steps.store().clone();
    store.add_integration("closed", &closed_url(), SECRET).await.unwrap();
    check(&steps, "closed", "connection_refused", &backoff).await;

    store.add_integration("unknown", "http://crm.invalid/hook", SECRET).await.unwrap();
    check(&steps, "unknown", "unreachable", &backoff).await;

    // It reads the request, and hangs up.
    let listener = TcpListener::bind(anywhere()).await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    store.add_integration("cut", &url, SECRET).await.unwrap();
    let cutting = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 10_000]).await;
        }
    });
    check(&steps, "cut", "connection_lost", &backoff).await;
    cutting.abort();
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_is_tried_again_with_the_same_key() {
    let place = Place::new();
    let url = place.sqlite();
    let policy = Policy { timeout: Duration::from_millis(300), ..policy() };
    let steps = Steps::with(place, url, policy).await;
    steps.receiver.plan(SHOP, [Answer::Hang]);
    let id = steps.send(SHOP).await;
    steps.pass().await;
    let error = steps.outbox(id).await.last_error.unwrap();
    assert_eq!(error, "timeout: no answer within 300ms");

    steps.clock.advance(10 * SECOND);
    let pass = steps.pass().await;

    assert_eq!(pass.sent, 1);
    let row = steps.outbox(id).await;
    assert_eq!((row.status, row.attempts, row.last_error), (OutboxStatus::Sent, 2, None));
    // It had been taken the first time.
    let deliveries = steps.receiver.deliveries();
    let repeats: Vec<bool> = deliveries.iter().map(|delivery| delivery.is_repeat).collect();
    assert_eq!(repeats, [false, true]);
    assert_eq!(steps.receiver.effects().into_iter().collect::<Vec<_>>(), [(row.message_id, 1)]);
}

#[tokio::test]
async fn attempts_are_bounded_and_further_apart_each_time() {
    let mut steps = Steps::new().await;
    let id = steps.send(SHOP).await;
    let mut waits = Vec::new();
    loop {
        steps.receiver.plan(SHOP, [Answer::Status(500)]);
        let now = steps.store().now();
        steps.pass().await;
        let row = steps.outbox(id).await;
        if row.status == OutboxStatus::Failed {
            break;
        }
        let wait = row.next_attempt_at.since(now);
        waits.push(wait.as_secs());
        // A process that ends forgets neither how often it was tried nor when it is due.
        if waits.len().is_multiple_of(3) {
            steps.lose_the_queue();
            assert_eq!(steps.pass().await, Pass::default());
        }
        steps.clock.advance(wait);
    }

    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600]);
    let row = steps.outbox(id).await;
    assert_eq!(row.attempts, 8);
    let error = row.last_error.unwrap();
    assert!(error.starts_with("http_500: the receiver answered 500"), "{error}");
    let queue = jobq_core::QueueName::new("crm-outbox").unwrap();
    let dead = steps.queue.inspect.jobs(&queue, JobState::Dead, 0, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    // It stays so.
    steps.clock.advance(86_400 * SECOND);
    assert_eq!(steps.pass().await, Pass::default());
    assert_eq!(steps.receiver.deliveries().len(), 8);
}

#[tokio::test]
async fn a_receiver_that_wants_to_be_left_alone_is_left_alone_by_all_messages() {
    let mut steps = Steps::new().await;
    let mut ids = Vec::new();
    for _ in 0..40 {
        ids.push(steps.send(SHOP).await);
    }
    steps.receiver.plan(SHOP, vec![Answer::RetryAfter(429, "30".to_owned()); 40]);

    steps.pass().await;
    // The next run of cron has a queue of its own.
    steps.lose_the_queue();
    assert_eq!(steps.pass().await, Pass::default());

    let asked = steps.receiver.deliveries().len();
    assert!((1..=4).contains(&asked), "{asked} requests");
    let mut attempts = 0;
    for id in &ids {
        let row = steps.outbox(*id).await;
        assert_eq!(row.status, OutboxStatus::Pending);
        assert!(row.next_attempt_at.since(NOON) >= 30 * SECOND, "{}", row.next_attempt_at);
        attempts += row.attempts;
    }
    assert_eq!(attempts, asked as u64, "those that were put off have used none up");
    // By then it takes them.
    steps.receiver.forget_plans();
    steps.clock.advance(38 * SECOND);
    assert_eq!(steps.pass().await.sent, 40);
}

#[tokio::test]
async fn attempts_are_not_used_up_while_nobody_says_where_messages_go() {
    let steps = Steps::new().await;
    let id = steps.send("nobody").await;
    let (mut looks, mut longest) = (0, Duration::ZERO);
    loop {
        steps.pass().await;
        let row = steps.outbox(id).await;
        if row.status == OutboxStatus::Failed {
            assert!(row.last_error.unwrap().starts_with("no_active_integration: "));
            break;
        }
        assert_eq!((row.status, row.attempts), (OutboxStatus::Pending, 0));
        let wait = row.next_attempt_at.since(steps.store().now());
        longest = longest.max(wait);
        steps.clock.advance(wait);
        looks += 1;
    }
    assert_eq!(longest, 3_600 * SECOND);
    assert!(steps.store().now().since(NOON) >= 3 * 86_400 * SECOND);
    assert!((70..=85).contains(&looks), "{looks} looks");
}

#[tokio::test]
async fn a_failed_message_can_be_put_back_and_keeps_its_key() {
    let steps = Steps::new().await;
    steps.receiver.plan(SHOP, [Answer::Status(422)]);
    let id = steps.send(SHOP).await;
    assert_eq!(steps.pass().await.failed, 1);

    assert!(steps.store().put_back(id).await.unwrap());
    assert!(!steps.store().put_back(id).await.unwrap());
    assert_eq!(steps.pass().await.sent, 1);

    assert!(!steps.store().put_back(id).await.unwrap(), "it was sent");
    let deliveries = steps.receiver.deliveries();
    let [first, second] = &deliveries[..] else { panic!("{deliveries:?}") };
    assert_eq!(first.key, second.key);
    assert_eq!(steps.outbox(id).await.attempts, 1);
}

#[tokio::test]
async fn a_message_waits_until_somebody_says_where_it_goes() {
    let steps = Steps::new().await;
    let id = steps.send("late").await;
    assert_eq!(steps.pass().await.retried, 1);

    let integration =
        steps.store().add_integration("late", &steps.server.url("late"), SECRET).await.unwrap();
    steps.clock.advance(10 * SECOND);
    assert_eq!(steps.pass().await.sent, 1);

    steps.store().activate(integration, false).await.unwrap();
    let second = steps.send("late").await;
    assert_eq!(steps.pass().await.retried, 1);
    let error = steps.outbox(second).await.last_error.unwrap();
    assert!(error.starts_with("no_active_integration: "), "{error}");
    assert_eq!(steps.outbox(id).await.status, OutboxStatus::Sent);
}

#[tokio::test]
async fn a_destination_has_one_active_integration() {
    let steps = Steps::new().await;
    let store = steps.store();
    let second = store.add_integration(SHOP, &steps.server.url("second"), SECRET).await.unwrap();
    let ids = |found: Vec<crm_relay::db::Integration>| {
        found.into_iter().filter(|one| one.is_active).map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(store.integrations().await.unwrap()), [second]);

    assert!(store.activate(second - 1, true).await.unwrap());
    assert!(!store.activate(999, true).await.unwrap());

    assert_eq!(ids(store.integrations().await.unwrap()), [second - 1]);
}

#[tokio::test]
async fn while_a_secret_is_changed_a_receiver_may_know_either() {
    let steps = Steps::new().await;
    let (day, store) = (86_400 * SECOND, steps.store());
    let integration = store.active_integration(SHOP).await.unwrap().unwrap().id;
    assert!(store.rotate_secret(integration, NEWER, day).await.unwrap());
    assert!(!store.rotate_secret(999, NEWER, day).await.unwrap());

    // One that has taken over the new one already.
    let newer = StubReceiver::with_clock([NEWER], Chances::default(), steps.clock.clone());
    let server = Server::start(newer.clone(), anywhere()).await.unwrap();
    store.add_integration("newer", &server.url("newer"), SECRET).await.unwrap();
    let integration = store.active_integration("newer").await.unwrap().unwrap().id;
    assert!(store.rotate_secret(integration, NEWER, day).await.unwrap());

    steps.send(SHOP).await;
    steps.send("newer").await;
    assert_eq!(steps.pass().await.sent, 2, "either will do");

    steps.clock.advance(day);
    steps.send(SHOP).await;
    steps.send("newer").await;
    let pass = steps.pass().await;
    assert_eq!((pass.sent, pass.failed), (1, 1), "the old one is not used any more");
    assert!(steps.receiver.deliveries().pop().unwrap().checked.is_err());
    assert!(newer.deliveries().pop().unwrap().checked.is_ok());
}

#[tokio::test]
async fn a_message_can_be_enqueued_twice_under_a_key() {
    let steps = Steps::new().await;
    let new = |name: &str| {
        let data = json!({"external_id": "c-1", "name": name});
        NewOutbox::new(SHOP, "contact.updated", &data, Some("order-7")).unwrap()
    };
    let Enqueued::New { id, .. } = steps.store().enqueue(new("Ada")).await.unwrap() else {
        panic!("not new")
    };

    let again = steps.store().enqueue(new("Ada")).await.unwrap();
    let other = steps.store().enqueue(new("Bob")).await.unwrap();

    assert!(matches!(again, Enqueued::Repeated(known) if known.id == id));
    assert_eq!(other, Enqueued::Different);
    assert_eq!(steps.pass().await.sent, 1);
}

#[tokio::test]
async fn a_pass_takes_no_more_messages_than_it_may() {
    let steps = Steps::new().await;
    for _ in 0..7 {
        steps.send(SHOP).await;
    }

    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(steps.pass_of(Some(3)).await.sent);
    }

    assert_eq!(sent, [3, 3, 1, 0]);
}

#[tokio::test]
async fn a_message_whose_job_is_lost_has_another_one() {
    let steps = Steps::new().await;
    let id = steps.send(SHOP).await;
    // Somebody takes it away from the queue.
    let mut patrol = crm_relay::patrol::Patrol::new(steps.store().clone(), steps.queue.clone());
    assert_eq!(patrol.look_at_all().await.unwrap().lost, 0, "it is in jobq's outbox");
    steps.receiver.plan(SHOP, [Answer::Status(503)]);
    steps.pass().await;
    let queue = jobq_core::QueueName::new("crm-outbox").unwrap();
    let waiting = steps.queue.inspect.jobs(&queue, JobState::Scheduled, 0, 10).await.unwrap();
    let job = waiting.first().unwrap().record.id;
    steps.queue.inspect.delete(&queue, JobState::Scheduled, &[job]).await.unwrap();

    steps.clock.advance(10 * SECOND);
    let found = patrol.look_at_all().await.unwrap();

    assert_eq!((found.lost, found.dead), (1, 0));
    assert_eq!(steps.pass().await.sent, 1);
    assert_eq!(steps.outbox(id).await.status, OutboxStatus::Sent);
}

/// An attempt that has lost its lease and does not know it must not undo what the next one has found out.
#[tokio::test]
async fn an_attempt_that_was_overtaken_changes_nothing() {
    let place = Place::new();
    let url = place.sqlite();
    let policy = Policy { timeout: Duration::from_millis(300), ..policy() };
    let steps = Steps::with(place, url, policy).await;
    for (answers, expected) in [
        ([Answer::Hang, Answer::Accept], OutboxStatus::Sent),
        ([Answer::Hang, Answer::Status(422)], OutboxStatus::Failed),
    ] {
        let before = steps.receiver.deliveries().len();
        steps.receiver.plan(SHOP, answers);
        let id = steps.send(SHOP).await;
        let job = DeliverMessage { message: id, destination: SHOP.to_owned() };
        let [first, second] = two_leases(&steps, job.clone()).await;
        let run = |cx| deliver_message(job.clone(), State(steps.app.clone()), cx);

        let overtaken = tokio::spawn(run(first));
        steps.receiver.came(before + 1).await;
        let newer = run(second).await;

        assert_eq!(newer.is_ok(), expected == OutboxStatus::Sent);
        assert_eq!(steps.outbox(id).await.status, expected);
        assert!(overtaken.await.unwrap().is_err(), "it had no answer");
        let row = steps.outbox(id).await;
        assert_eq!((row.status, row.attempts), (expected, 1));
        assert_eq!(row.last_error.is_some(), expected == OutboxStatus::Failed);
    }
}

#[tokio::test]
async fn a_message_whose_job_has_died_without_a_word_has_failed() {
    let steps = Steps::new().await;
    steps.receiver.plan(SHOP, [Answer::Status(503)]);
    let id = steps.send(SHOP).await;
    assert_eq!(steps.pass().await.retried, 1);
    let queue = jobq_core::QueueName::new("crm-outbox").unwrap();
    steps.clock.advance(10 * SECOND);
    let mut patrol = crm_relay::patrol::Patrol::new(steps.store().clone(), steps.queue.clone());
    for crash in 0..10 {
        assert_eq!(patrol.look_at_all().await.unwrap().dead, 0, "after {crash} crashes");
        steps.queue.backend.maintain(&queue, 10).await.unwrap();
        let request = LeaseRequest::new(WorkerId::from_u64(crash), 1, 10 * SECOND);
        let leased = steps.queue.backend.exchange(&queue, &[], Some(request)).await.unwrap().leases;
        assert_eq!(leased.len(), 1, "after {crash} crashes");
        steps.clock.advance(11 * SECOND);
        steps.queue.backend.maintain(&queue, 10).await.unwrap();
    }

    let found = patrol.look_at_all().await.unwrap();

    assert_eq!((found.lost, found.dead), (0, 1));
    let row = steps.outbox(id).await;
    assert_eq!(row.status, OutboxStatus::Failed);
    let error = row.last_error.unwrap();
    assert!(error.starts_with("job_died: "), "{error}");
    // Somebody has put right what was wrong.
    assert!(steps.store().put_back(id).await.unwrap());
    assert_eq!(steps.pass().await.sent, 1);
}
