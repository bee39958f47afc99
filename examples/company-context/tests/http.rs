//! The HTTP API: customers are stored at once and condensed later, or at once by the driver sync; what is
//! refused changes nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::net::Ipv4Addr;

use axum::http::Request;
use company_context::api::Api;
use company_context::db::Counts;
use company_context::dispatch::Dispatcher;
use company_context::job::{CondenseContext, queue_name};
use company_context::stub::{Fault, Plan, condensed};
use fixtures::{Place, eventually};
use jobq_core::{Inspect, JobState};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_service::Service;

use support::client;
use support::steps::Steps;

/// The API over SQLite.
struct Served {
    steps: Steps,
    url: String,
    client: Client,
    _place: Place,
}

impl Served {
    /// With a queue in memory, and nobody who works.
    async fn start() -> Self {
        Self::with(|steps| Dispatcher::Queue(steps.opened())).await
    }

    /// With the driver that works in the caller.
    async fn sync() -> Self {
        Self::with(|steps| Dispatcher::Sync(steps.app.clone())).await
    }

    async fn with(dispatcher: impl Fn(&Steps) -> Dispatcher) -> Self {
        let place = Place::new();
        let steps = Steps::over(&place.sqlite()).await;
        let api = Api::new(steps.app.store.clone(), dispatcher(&steps));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, api.router()).await });
        Self { steps, url, client: client(), _place: place }
    }

    async fn send(&self, method: Method, path: &str, body: impl ToString) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    async fn create(&self, text: &str) -> Value {
        let body = json!({"name": "Ada", "text": text});
        let (status, customer) = self.send(Method::POST, "/customers", body).await;
        assert_eq!(status, 201, "{customer}");
        customer
    }

    async fn edit(&self, customer: &Value, body: Value) -> Value {
        let path = format!("/customers/{}", customer["id"]);
        let (status, customer) = self.send(Method::PATCH, &path, body).await;
        assert_eq!(status, 200, "{customer}");
        customer
    }

    /// The jobs that wait.
    async fn waiting(&self) -> Vec<CondenseContext> {
        let name = queue_name().unwrap();
        let jobs = self.steps.queue.jobs(&name, JobState::Ready, 0, 100).await.unwrap();
        jobs.iter().map(|job| job.record.payload.decode().unwrap()).collect()
    }
}

#[tokio::test]
async fn a_customer_is_stored_and_answered_before_the_model_is_asked() {
    let served = Served::start().await;

    let ada = served.create("a long story").await;

    let expected = json!({
        "id": ada["id"], "name": "Ada", "original_text": "a long story",
        "company_context": "a long story", "context_status": "pending", "last_error": null,
        "revision": 1,
    });
    assert_eq!(ada, expected);
    let (status, shown) = served.send(Method::GET, &format!("/customers/{}", ada["id"]), "").await;
    assert_eq!((status, shown), (200, ada));
    assert_eq!(served.waiting().await.len(), 1);
    assert_eq!(served.steps.model.calls(), []);
}

#[tokio::test]
async fn the_answer_says_where_the_customer_is() {
    let served = Served::start().await;
    let body = json!({"name": "Ada", "text": "a long story"}).to_string();

    let answer = served.client.post(format!("{}/customers", served.url)).body(body).send().await;

    assert_eq!(answer.unwrap().headers()["location"], "/customers/1");
}

#[tokio::test]
async fn a_newer_text_takes_the_place_of_one_that_waits() {
    let served = Served::start().await;
    let ada = served.create("first").await;
    let bob = served.create("other").await;

    let edited = served.edit(&ada, json!({"text": "second", "name": "Ada B"})).await;

    assert_eq!(edited["company_context"], "second");
    assert_eq!((&edited["revision"], &edited["name"]), (&json!(2), &json!("Ada B")));
    let waiting: Vec<_> = served.waiting().await.iter().map(|job| json!(job)).collect();
    let job =
        |customer: &Value, revision| json!({"customer": customer["id"], "revision": revision});
    assert_eq!(waiting, [job(&bob, 1), job(&ada, 2)]);
}

#[tokio::test]
async fn another_name_condenses_nothing() {
    let served = Served::start().await;
    let ada = served.create("first").await;

    let edited = served.edit(&ada, json!({"name": "  Ada B "})).await;

    assert_eq!((&edited["name"], &edited["revision"]), (&json!("Ada B"), &json!(1)));
    assert_eq!(served.waiting().await.len(), 1);
}

/// Who writes the same text again wants it condensed again.
#[tokio::test]
async fn the_same_text_again_is_condensed_again() {
    let served = Served::sync().await;
    served.steps.model.plan(Plan::next(Fault::Refuse, 1));
    let ada = served.create("first").await;
    assert_eq!(ada["context_status"], "kept");

    let edited = served.edit(&ada, json!({"text": "first"})).await;

    assert_eq!(edited["context_status"], "condensed");
    assert_eq!(edited["last_error"], Value::Null);
}

#[tokio::test]
async fn the_driver_sync_condenses_before_it_answers() {
    let served = Served::sync().await;
    served.steps.model.plan(Plan::next(Fault::Busy, 1));

    let ada = served.create("a long story").await;

    assert_eq!(ada["context_status"], "condensed");
    assert_eq!(ada["company_context"], json!(condensed("a long story")));
    assert_eq!(served.steps.model.asked("a long story"), 2, "the first time it was busy");
    assert_eq!(served.waiting().await, []);
}

#[tokio::test]
async fn the_driver_sync_keeps_the_original_after_three_failures() {
    let served = Served::sync().await;
    served.steps.model.plan(Plan::next(Fault::Fail, 3));

    let ada = served.create("a long story").await;

    assert_eq!(
        (&ada["context_status"], &ada["company_context"]),
        (&json!("kept"), &json!("a long story"))
    );
    assert_eq!(ada["last_error"], "the model answers HTTP 500");
    assert_eq!(served.steps.model.asked("a long story"), 3);
}

#[tokio::test]
async fn the_numbers_have_their_names() {
    let served = Served::start().await;
    served.create("first").await;

    let (status, numbers) = served.send(Method::GET, "/status", "").await;

    assert_eq!(status, 200);
    assert_eq!(numbers["customers"], json!({"pending": 1, "condensed": 0, "kept": 0}));
    let names: Vec<&String> = numbers["queue"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["failed", "oldest_waiting_seconds", "running", "scheduled", "waiting"]);
    assert_eq!(numbers["queue"]["waiting"], 1);
}

#[tokio::test]
async fn a_client_that_goes_away_has_its_text_condensed_all_the_same() {
    let served = Served::start().await;
    let queue = Dispatcher::Queue(served.steps.opened());
    let mut api = Api::new(served.steps.app.store.clone(), queue).router();
    let body = json!({"name": "Ada", "text": "first"}).to_string();
    let request = Request::post("/customers").body(body).unwrap();

    let mut answer = Box::pin(api.call(request));
    assert!(futures_util::poll!(answer.as_mut()).is_pending());
    drop(answer);

    eventually("a job", async || (served.waiting().await.len() == 1).then_some(())).await;
    assert_eq!(served.steps.app.store.counts().await.unwrap().pending, 1);
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_code_and_changes_nothing() {
    let served = Served::start().await;
    let ada = served.create("first").await;
    let before = served.steps.app.store.counts().await.unwrap();
    let (post, patch, get) = (Method::POST, Method::PATCH, Method::GET);
    let with_text = |length| json!({"name": "Ada", "text": "x".repeat(length)}).to_string();
    let (long, huge) = (with_text(100_001), with_text(3_000_000));
    let long_name = json!({"name": "x".repeat(201), "text": "x"}).to_string();
    let deep = "[".repeat(100_000);
    let one = "/customers/1";
    for (method, path, body, status, code) in [
        (&post, "/customers", "", 400, "malformed_json"),
        (&post, "/customers", "{", 400, "malformed_json"),
        (&post, "/customers", "[]", 400, "malformed_json"),
        (&post, "/customers", &*deep, 400, "malformed_json"),
        (&post, "/customers", r#"{"name":"\ud800","text":"x"}"#, 400, "malformed_json"),
        (&post, "/customers", "{}", 400, "missing_field"),
        (&post, "/customers", r#"{"name":"Ada"}"#, 400, "missing_field"),
        (&post, "/customers", r#"{"name":"Ada","text":null}"#, 400, "missing_field"),
        (&post, "/customers", r#"{"name":7,"text":"x"}"#, 400, "malformed_field"),
        (&post, "/customers", r#"{"name":"Ada","text":["x"]}"#, 400, "malformed_field"),
        (&post, "/customers", r#"{"name":"Ada","text":"x","id":7}"#, 400, "unknown_field"),
        (&post, "/customers", r#"{"name":" ","text":"x"}"#, 400, "empty_name"),
        (&post, "/customers", r#"{"name":"a\nb","text":"x"}"#, 400, "invalid_name"),
        (&post, "/customers", &*long_name, 400, "name_too_long"),
        (&post, "/customers", r#"{"name":"Ada","text":" \n"}"#, 400, "empty_text"),
        (&post, "/customers", r#"{"name":"Ada","text":"a\u0000b"}"#, 400, "invalid_text"),
        (&post, "/customers", &*long, 400, "text_too_long"),
        (&post, "/customers", &*huge, 413, "body_too_large"),
        (&patch, one, "{}", 400, "nothing_to_change"),
        (&patch, one, r#"{"text":null}"#, 400, "nothing_to_change"),
        (&patch, one, r#"{"name":"","text":"newer"}"#, 400, "empty_name"),
        (&patch, one, r#"{"name":"Bob","text":""}"#, 400, "empty_text"),
        (&patch, one, r#"{"name":"Bob","txet":"newer"}"#, 400, "unknown_field"),
        (&patch, one, r#"{"name":"Bob","text":7}"#, 400, "malformed_field"),
        (&patch, one, &*long, 400, "text_too_long"),
        (&patch, "/customers/9", r#"{"text":"x"}"#, 404, "unknown_customer"),
        (&patch, "/customers/9", r#"{"name":"x"}"#, 404, "unknown_customer"),
        (&patch, "/customers/one", r#"{"text":"x"}"#, 400, "invalid_customer"),
        (&get, "/customers/9", "", 404, "unknown_customer"),
        (&get, "/customers/0", "", 400, "invalid_customer"),
        (&get, "/customers/-1", "", 400, "invalid_customer"),
        (&get, "/customers/99999999999999999999", "", 400, "invalid_customer"),
        (&get, "/customers/1%20", "", 400, "invalid_customer"),
        (&get, "/customers/1%00", "", 400, "invalid_customer"),
        (&get, "/customers/%ff", "", 400, "invalid_customer"),
        (&get, "/nowhere", "", 404, "not_found"),
        (&get, "/customers", "", 405, "method_not_allowed"),
    ] {
        let answer = served.send(method.clone(), path, body).await;
        let start: String = body.chars().take(60).collect();

        assert_eq!(answer.0, status, "{method} {path} {start} {answer:?}");
        assert_eq!(answer.1["error"]["code"], code, "{method} {path} {start} {answer:?}");
        assert!(!answer.1["error"]["message"].as_str().unwrap().is_empty());
    }
    let after = served.steps.app.store.counts().await.unwrap();
    assert_eq!(after, before);
    assert_ne!(after, Counts::default());
    let (_, shown) = served.send(Method::GET, one, "").await;
    assert_eq!(shown, ada);
    assert_eq!(served.waiting().await.len(), 1);
}

#[tokio::test]
async fn the_longest_text_there_may_be_is_taken_in_whatever_words() {
    let served = Served::start().await;
    // Each crab is twelve bytes of JSON.
    let body = format!(r#"{{"name":"Ada","text":"{}"}}"#, r"\ud83e\udd80".repeat(100_000));

    let (status, customer) = served.send(Method::POST, "/customers", body).await;

    assert_eq!(status, 201);
    assert_eq!(customer["original_text"], "🦀".repeat(100_000));
}
