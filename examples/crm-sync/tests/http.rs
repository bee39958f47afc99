//! The HTTP API: hooks, full syncs, rates and numbers, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::net::Ipv4Addr;

use crm_sync::Opened;
use crm_sync::api::Api;
use crm_sync::entity::{Direction, Entity};
use crm_sync::job::SyncRecord;
use fixtures::Place;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use support::steps::Steps;
use support::{client, key};

/// The API over a queue in memory and a SQLite file.
struct Served {
    steps: Steps,
    url: String,
    client: Client,
    _place: Place,
}

impl Served {
    async fn start() -> Self {
        let place = Place::new();
        let steps = Steps::over(&place.sqlite()).await;
        let api = Api::new(steps.app.store.clone(), Opened::of((*steps.queue).clone()));
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

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(Method::POST, path, body).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, "").await
    }

    /// Leases all that waits, in its order, and names it.
    async fn order(&self) -> Vec<(String, u64, u8)> {
        let leases = self.steps.take(1_000).await;
        let named = leases.iter().map(|lease| {
            let job: SyncRecord = lease.job.payload.decode().unwrap();
            (job.entity.to_string(), job.record.as_u64(), lease.job.priority.level())
        });
        named.collect()
    }
}

fn record(entity: &str, record: u64) -> Value {
    json!({"store": 1, "entity": entity, "record": record})
}

#[tokio::test]
async fn what_has_just_happened_goes_first_then_by_age() {
    let served = Served::start().await;
    for (path, body) in [
        ("/full-sync", json!({"entity": "product", "store": 1})),
        ("/sync", record("customer", 1)),
        ("/sync", record("sale", 2)),
        ("/hooks/updated", record("customer", 3)),
        ("/hooks/created", record("product", 99)),
        ("/sync", record("product", 98)),
    ] {
        assert_eq!(served.post(path, body).await.0, 202, "{path}");
    }

    let order = served.order().await;

    let named = |entity: &str, record, priority| (entity.to_owned(), record, priority);
    let first = [
        named("sale", 2, 10),
        named("product", 99, 10),
        named("customer", 1, 5),
        named("customer", 3, 5),
        named("product", 98, 2),
        named("product", 1, 0),
    ];
    assert_eq!(order[..6], first);
    assert_eq!(order.len(), 15);
}

#[tokio::test]
async fn a_record_that_waits_is_not_added_again_until_it_has_started() {
    let served = Served::start().await;
    let (_, first) = served.post("/hooks/updated", record("customer", 1)).await;
    let (status, second) = served.post("/hooks/created", record("customer", 1)).await;
    let mut other_way = record("customer", 1);
    other_way["direction"] = json!("from_crm");
    let (_, third) = served.post("/hooks/updated", other_way).await;

    assert_eq!(first["created"], true);
    assert_eq!((status, second), (202, json!({"job_id": first["job_id"], "created": false})));
    assert_eq!(third["created"], true);

    served.order().await;
    let (_, fourth) = served.post("/hooks/updated", record("customer", 1)).await;
    assert_eq!(fourth["created"], true, "the first has started: it may have read the record");
}

#[tokio::test]
async fn a_full_sync_says_how_much_and_how_long() {
    let served = Served::start().await;
    served.post("/hooks/updated", record("customer", 1)).await;

    let (status, done) = served.post("/full-sync", json!({"entity": "customer"})).await;

    assert_eq!(status, 202);
    let of = |store, enqueued, waiting| {
        json!({"store": store, "entity": "customer", "direction": "to_crm", "enqueued": enqueued,
               "already_waiting": waiting, "rate": "100/min", "estimated_minutes": 1})
    };
    assert_eq!(done, json!([of(1, 9, 1), of(2, 10, 0)]));
    let from = json!({"entity": "customer", "direction": "from_crm"});
    let (_, none) = served.post("/full-sync", from).await;
    assert_eq!(none[0]["enqueued"], 0, "nothing is in the CRM yet");
}

#[tokio::test]
async fn the_numbers_have_their_names() {
    let served = Served::start().await;
    served.post("/hooks/updated", record("customer", 1)).await;

    let (status, numbers) = served.get("/status").await;

    assert_eq!(status, 200);
    let names: Vec<&String> = numbers.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "counts",
            "dead",
            "errors_24h",
            "mean_processing_ms",
            "pending",
            "processed_today",
            "running",
            "stores",
            "success_rate_24h"
        ]
    );
    assert_eq!(numbers["pending"], 1);
    assert_eq!(numbers["stores"][0]["pending"], 1);
    assert_eq!(numbers["stores"][1]["pending"], 0);
}

#[tokio::test]
async fn a_rate_is_changed_and_taken_back() {
    let served = Served::start().await;
    crm_sync::limits::install(&*served.steps.queue, "100/min".parse().unwrap(), 8).await.unwrap();
    let rates = async || {
        let (_, numbers) = served.get("/status").await;
        [0, 1].map(|store| numbers["stores"][store]["rate"].as_str().unwrap().to_owned())
    };
    let put = async |body: Value| served.send(Method::PUT, "/rate", body).await;

    assert_eq!(rates().await, ["100/min", "100/min"]);
    let (status, answer) = put(json!({"store": 2, "rate": "200/min"})).await;
    assert_eq!((status, answer), (200, json!({"store": 2, "rate": "200/min"})));
    assert_eq!(rates().await, ["100/min", "200/min"]);
    put(json!({"rate": "50/min"})).await;
    assert_eq!(rates().await, ["50/min", "200/min"]);
    put(json!({"store": 2, "rate": null})).await;
    put(json!({"rate": null})).await;
    assert_eq!(rates().await, ["100/min", "100/min"]);
}

#[tokio::test]
async fn the_log_of_a_record_is_shown() {
    let served = Served::start().await;
    served.steps.sync(key(1, Entity::Sale, 1), Direction::ToCrm).await;

    let (status, log) = served.get("/log/1/sale/1").await;

    assert_eq!(status, 200);
    assert_eq!(log.as_array().unwrap().len(), 1);
    assert_eq!((&log[0]["status"], &log[0]["attempt"]), (&json!("synced"), &json!(1)));
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_a_code_and_enqueues_nothing() {
    let served = Served::start().await;
    let (post, put, get) = (Method::POST, Method::PUT, Method::GET);
    let huge = format!("{{\"entity\": \"{}\"}}", "x".repeat(3_000_000));
    for (method, path, body, status, code) in [
        (&post, "/hooks/created", "{", 400, "malformed_json"),
        (&post, "/hooks/created", "", 400, "malformed_json"),
        (&post, "/hooks/created", "[]", 400, "malformed_json"),
        (&post, "/hooks/created", "{}", 400, "missing_field"),
        (&post, "/hooks/created", r#"{"store":1,"entity":"sale"}"#, 400, "missing_field"),
        (
            &post,
            "/hooks/created",
            r#"{"store":1,"entity":"lead","record":1}"#,
            400,
            "unknown_entity",
        ),
        (&post, "/hooks/created", r#"{"store":1,"entity":7,"record":1}"#, 400, "unknown_entity"),
        (
            &post,
            "/hooks/created",
            r#"{"store":1,"entity":"sale","record":-1}"#,
            400,
            "invalid_record",
        ),
        (
            &post,
            "/hooks/created",
            r#"{"store":1,"entity":"sale","record":1.5}"#,
            400,
            "invalid_record",
        ),
        (
            &post,
            "/hooks/created",
            r#"{"store":1,"entity":"sale","record":0}"#,
            400,
            "invalid_record",
        ),
        (
            &post,
            "/hooks/created",
            r#"{"store":-1,"entity":"sale","record":1}"#,
            400,
            "invalid_store",
        ),
        (
            &post,
            "/hooks/created",
            r#"{"store":9,"entity":"sale","record":1}"#,
            404,
            "unknown_store",
        ),
        (
            &post,
            "/sync",
            r#"{"store":1,"entity":"sale","record":1,"direction":"sideways"}"#,
            400,
            "unknown_direction",
        ),
        (
            &post,
            "/sync",
            r#"{"store":1,"entity":"sale","record":1,"priority":15}"#,
            400,
            "unknown_field",
        ),
        (&post, "/hooks/deleted", "{}", 404, "unknown_event"),
        (&post, "/full-sync", r#"{"entity":"lead"}"#, 400, "unknown_entity"),
        (&post, "/full-sync", r#"{"entity":"sale","store":9}"#, 404, "unknown_store"),
        (&post, "/full-sync", &huge, 413, "body_too_large"),
        (&put, "/rate", r#"{"rate":"fast"}"#, 400, "malformed_rate"),
        (&put, "/rate", r#"{"rate":"-5/min"}"#, 400, "malformed_rate"),
        (&put, "/rate", r#"{"rate":"0/min"}"#, 400, "malformed_rate"),
        (&put, "/rate", r#"{"rate":"100/min sliding"}"#, 400, "malformed_rate"),
        (&put, "/rate", r#"{"rate":100}"#, 400, "malformed_field"),
        (&put, "/rate", r#"{"store":1}"#, 400, "missing_field"),
        (&put, "/rate", r#"{"rate":"1/s","store":9}"#, 404, "unknown_store"),
        (&get, "/log/1/lead/1", "", 400, "unknown_entity"),
        (&get, "/nowhere", "", 404, "not_found"),
        (&get, "/sync", "", 405, "method_not_allowed"),
    ] {
        let answer = served.send(method.clone(), path, body).await;

        assert_eq!(answer.0, status, "{method} {path} {answer:?}");
        assert_eq!(answer.1["error"]["code"], code, "{method} {path} {answer:?}");
        assert!(!answer.1["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(served.order().await, []);
}
