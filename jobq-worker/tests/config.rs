//! Each mistake that keeps a worker from starting, and that all are told at once.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{ErrorKind, Job, Limits};
use jobq_worker::{Registry, State, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::Faulty;
use support::log::Log;
use support::{Act, act, backend, witness};

#[derive(Clone)]
struct App;

#[derive(Serialize, Deserialize)]
struct BadName;

impl Job for BadName {
    const KIND: &'static str = "bad name";
}

#[derive(Serialize, Deserialize, Job)]
struct Plain;

async fn plain(_: Plain) {}

fn sound() -> Worker {
    Worker::new(backend()).handle(plain)
}

async fn refusal(worker: Worker) -> String {
    let error = worker.run_until(std::future::pending()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let message = error.to_string();
    let why = message.strip_prefix("the worker cannot start: ");
    why.unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[tokio::test]
async fn no_handlers() {
    let worker = Worker::new(backend()).queues(["default"]);
    assert_eq!(refusal(worker).await, "no handler is registered: add `.handle(…)`");
}

#[tokio::test]
async fn a_missing_state() {
    async fn needs(_: BadState, _: State<App>) {}
    #[derive(Serialize, Deserialize, Job)]
    struct BadState;

    assert_eq!(
        refusal(sound().handle(needs)).await,
        "the handler for kind \"bad_state\": no state of type config::App is registered: add \
         `.state(…)` with one"
    );
}

#[tokio::test]
async fn a_missing_state_of_a_blocking_handler() {
    fn needs(_: BadState, _: State<App>) {}
    #[derive(Serialize, Deserialize, Job)]
    struct BadState;

    assert!(refusal(sound().handle_blocking(needs)).await.contains("config::App"));
}

#[tokio::test]
async fn two_states_of_one_type() {
    let worker = sound().state(App).state(App);
    assert_eq!(refusal(worker).await, "two states of type config::App");
}

#[tokio::test]
async fn two_handlers_for_one_kind() {
    assert_eq!(refusal(sound().handle(plain)).await, "two handlers for kind \"plain\"");
}

#[tokio::test]
async fn a_kind_with_a_bad_name() {
    async fn bad(_: BadName) {}
    let why = refusal(sound().handle(bad)).await;
    assert!(why.starts_with("kind \"bad name\" may hold only"), "{why}");
}

#[tokio::test]
async fn a_bad_queue_name() {
    let why = refusal(sound().queues(["a", "{b}"])).await;
    assert!(why.starts_with("queue name \"{b}\" must start with"), "{why}");
}

#[tokio::test]
async fn a_queue_listed_twice() {
    assert_eq!(refusal(sound().queues(["a", "a"])).await, "queue \"a\" is listed twice");
}

#[tokio::test]
async fn a_weight_of_zero() {
    let worker = sound().weighted_queues([("a", 1), ("b", 0)]);
    assert_eq!(refusal(worker).await, "queue \"b\" has weight 0");
}

#[tokio::test]
async fn no_concurrency() {
    assert_eq!(
        refusal(sound().concurrency(0)).await,
        "concurrency is 0: a worker must run at least one job at a time"
    );
}

#[tokio::test]
async fn no_concurrency_of_a_queue() {
    let worker = sound().queue_concurrency("default", 0);
    assert_eq!(refusal(worker).await, "the concurrency of queue \"default\" is 0");
}

#[tokio::test]
async fn a_limit_for_a_queue_that_is_not_served() {
    assert_eq!(
        refusal(sound().queue_concurrency("import", 2)).await,
        "queue_concurrency names queue \"import\", which this worker does not lease from"
    );
}

#[tokio::test]
async fn a_lease_too_short_to_be_renewed() {
    assert_eq!(
        refusal(sound().lease(Duration::from_millis(10))).await,
        "a lease of 10ms is too short: it must be at least 100ms"
    );
}

#[tokio::test]
async fn a_lease_for_ever() {
    let why = refusal(sound().lease(Duration::MAX)).await;
    assert_eq!(why, "a lease is too long: it must be at most 30 days");
}

#[tokio::test]
async fn no_delay_of_unknown_jobs() {
    let why = refusal(sound().unknown_delay(Duration::ZERO)).await;
    assert!(why.starts_with("unknown_delay is 0"), "{why}");
}

#[tokio::test]
async fn no_jobs() {
    let why = refusal(sound().max_jobs(0)).await;
    assert_eq!(why, "max_jobs is 0: the worker would have nothing to do");
}

#[tokio::test]
async fn limits_that_make_no_sense() {
    for (worker, why) in [
        (
            sound().limit_queue("default", Limits::new().concurrency(0)),
            "the limits of queue default: a concurrency of 0 is not possible: 1 to 1000000000",
        ),
        (
            sound().limit_queue("default", Limits::new().weight(2)),
            "the limits of queue default: a weight makes no sense as a limit of queue default",
        ),
        (
            sound().limit_lane("default", "a b", Limits::new()),
            "lane key \"a b\" may hold only printable ASCII without spaces",
        ),
        (
            sound()
                .limit_lanes("default", Limits::new())
                .limit_lanes("default", Limits::new().weight(2)),
            "the limits of each lane of queue default are given twice",
        ),
    ] {
        assert_eq!(refusal(worker).await, why);
    }
    let why = refusal(sound().limit_shared("crm:api", Limits::new())).await;
    assert!(why.starts_with("limit name \"crm:api\" may hold only"), "{why}");
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_and_nothing_is_called() {
    let faulty = Faulty::new(backend());
    let worker = Worker::with_registry(faulty.clone(), Registry::new().handle(plain).handle(plain));

    let why = refusal(worker.concurrency(0).queues([""])).await;

    assert_eq!(why.matches("; ").count(), 2, "{why}");
    assert!(faulty.calls().is_empty());
}

#[tokio::test]
async fn a_sound_worker_starts() {
    let (witness, _report) = witness();
    let worker = sound().state(witness).handle(act).queues(["a"]).queue_concurrency("a", 1);
    worker.stop_when_empty().run_until(std::future::pending()).await.unwrap();
    assert_eq!(Act::KIND, "act");
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail")]
struct SendWelcome;

async fn send_welcome(_: SendWelcome) {}

/// What a worker warns of before it finds its queues empty.
async fn warnings(worker: Worker) -> Vec<String> {
    let log = Log::begin();
    worker
        .stop_when_empty()
        .renew_without_thread()
        .run_until(std::future::pending())
        .await
        .unwrap();
    log.lines().into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_queue_is_not_served_is_warned_of() {
    let worker = || sound().handle(send_welcome);
    assert_eq!(
        warnings(worker().queues(["default"])).await,
        [
            r#"WARN jobq: kind goes to a queue that this worker does not serve kind="send_welcome" queue="mail""#
        ]
    );

    assert_eq!(warnings(worker()).await, [""; 0], "it serves the queues of its handlers");
    assert_eq!(warnings(worker().queues(["mail", "default"])).await, [""; 0]);
}
