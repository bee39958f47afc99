//! The HTTP API: who may what, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_relay::db::Store;
use crm_relay::message::{InboxStatus, NewOutbox, OutboxStatus};
use crm_relay::signature::{KEY_HEADER, SIGNATURE_HEADER, sign};
use crm_relay::stub::{Answer, Server, StubReceiver};
use crm_relay::{ApiSetup, OpenQueue, Policy, Service, Setup, Token, WorkSetup};
use fixtures::{Place, anywhere, eventually};
use jobq_core::{Backoff, Clock, MemoryBackend, SystemClock};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use support::{SECRET, TOKEN, receiver};

struct Scene {
    store: Store,
    receiver: StubReceiver,
    service: Service,
    client: Client,
    url: String,
    _server: Server,
    _place: Place,
}

struct Answered {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Scene {
    async fn set() -> Self {
        let place = Place::new();
        let store = Store::open(&place.sqlite()).await.unwrap();
        let (receiver, server) = receiver().await;
        store.add_integration("shop", &server.url("shop"), SECRET).await.unwrap();
        let backoff = Backoff::fixed(Duration::from_secs(600)).without_jitter();
        let policy = Policy { backoff, ..Policy::default() };
        let service = Service::start(Setup {
            store: store.clone(),
            queue: OpenQueue::memory(MemoryBackend::new()),
            api: Some(ApiSetup { listen: anywhere(), token: Token::new(TOKEN).unwrap() }),
            work: Some(WorkSetup { policy, ..WorkSetup::default() }),
        })
        .await
        .unwrap();
        let url = service.url().unwrap();
        let client = Client::new();
        Self { store, receiver, service, client, url, _server: server, _place: place }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request(Method::POST, path).bearer_auth(TOKEN).body(body.to_string())
    }

    async fn get(&self, path: &str) -> Answered {
        answered(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }
}

async fn answered(request: RequestBuilder) -> Answered {
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    Answered { status, headers, body }
}

fn message(id: &str) -> Value {
    json!({
        "source": "shop", "message_id": id, "event": "contact.updated",
        "data": {"external_id": "c-1", "name": "Ada"}
    })
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let scene = Scene::set().await;
    for (method, path) in [
        (Method::GET, "/api/crm/metrics"),
        (Method::GET, "/api/crm/inbox/1"),
        (Method::GET, "/api/crm/outbox/1"),
        (Method::POST, "/api/crm/outbox"),
        (Method::POST, "/api/crm/inbox"),
    ] {
        let request = || scene.request(method.clone(), path).body(message("m-1").to_string());
        for request in
            [request(), request().bearer_auth("a token of the testS"), request().bearer_auth("")]
        {
            let answer = answered(request).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            assert_eq!(answer.body["error"]["code"], "unauthorized");
        }
    }
    // What is wrong with a body is nobody's business either.
    let request = scene.request(Method::POST, "/api/crm/inbox").body("{");
    assert_eq!(answered(request).await.status, 401);
}

#[tokio::test]
async fn metrics_count_by_status_and_tell_the_last_errors() {
    let scene = Scene::set().await;
    scene.receiver.plan("shop", [Answer::Accept, Answer::Status(422), Answer::Status(500)]);
    for _ in 0..3 {
        let body = json!({"destination": "shop", "event": "a", "data": {}});
        assert_eq!(answered(scene.post("/api/crm/outbox", &body)).await.status, 202);
    }
    let strange = json!({"source": "shop", "message_id": "m-1", "event": "moon.rose", "data": {}});
    for body in [strange, message("m-2")] {
        assert_eq!(answered(scene.post("/api/crm/inbox", &body)).await.status, 202);
    }

    let metrics = eventually("all to be worked on", async || {
        let metrics = scene.get("/api/crm/metrics").await.body;
        let errors = metrics["last_errors"].as_array()?.len();
        let is_done = errors == 3
            && metrics["inbox"]["by_status"]["processed"] == 1
            && metrics["outbox"]["by_status"]["sent"] == 1
            && metrics["relay"]["waiting"] == 0;
        is_done.then_some(metrics)
    })
    .await;

    assert_eq!(
        metrics["inbox"]["by_status"],
        json!({"pending": 0, "processing": 0, "processed": 1, "failed": 1})
    );
    assert_eq!(
        metrics["outbox"]["by_status"],
        json!({"pending": 1, "sending": 0, "sent": 1, "failed": 1})
    );
    assert_eq!(metrics["inbox"]["oldest_pending_seconds"], Value::Null);
    assert!(metrics["outbox"]["oldest_pending_seconds"].as_u64().unwrap() < 60);
    assert_eq!(metrics["relay"]["set_aside"], 0);
    let told = metrics["last_errors"].to_string();
    for error in ["unknown_event: ", "http_422: ", "http_500: "] {
        assert!(told.contains(error), "{told}");
    }
    assert!(!metrics.to_string().contains(SECRET));
}

#[tokio::test]
async fn a_message_is_acknowledged_at_once_and_again_when_it_comes_again() {
    let scene = Scene::set().await;

    let first = answered(scene.post("/api/crm/inbox", &message("m-1"))).await;
    let id = first.body["id"].as_i64().unwrap();
    assert_eq!(
        (first.status, first.body),
        (
            202,
            json!({
                "id": id, "status": "pending", "duplicate": false
            })
        )
    );
    eventually("it to be processed", async || {
        let row = scene.store.inbox_message(id).await.unwrap().unwrap();
        (row.status == InboxStatus::Processed).then_some(())
    })
    .await;

    let again = answered(scene.post("/api/crm/inbox", &message("m-1"))).await;
    assert_eq!(
        (again.status, again.body),
        (
            200,
            json!({
                "id": id, "status": "processed", "duplicate": true
            })
        )
    );
    let mut other = message("m-1");
    other["data"]["name"] = "Bob".into();
    let other = answered(scene.post("/api/crm/inbox", &other)).await;
    assert_eq!((other.status, &other.body["error"]["code"]), (409, &"message_id_reused".into()));
    let shown = scene.get(&format!("/api/crm/inbox/{id}")).await;
    assert_eq!((shown.status, &shown.body["status"]), (200, &"processed".into()));
}

#[tokio::test]
async fn a_message_that_its_source_has_signed_needs_no_token() {
    let scene = Scene::set().await;
    let now = SystemClock::default().now().as_millis() / 1_000;
    let body = message("m-1").to_string();
    let send = async |key: &str, signature: String| {
        let request = scene.request(Method::POST, "/api/crm/inbox").body(body.clone());
        let request = request.header(KEY_HEADER, key).header(SIGNATURE_HEADER, signature);
        let answer = answered(request).await;
        (answer.status, answer.body["error"]["code"].clone())
    };

    let good = sign(&[SECRET], "m-1", now, body.as_bytes());
    let by_another = sign(&["another secret"], "m-1", now, body.as_bytes());
    let of_another = sign(&[SECRET], "m-1", now, b"{}");
    let too_old = sign(&[SECRET], "m-1", now - 400, body.as_bytes());
    let other_key = sign(&[SECRET], "m-2", now, body.as_bytes());

    let unauthorized = (401, Value::from("unauthorized"));
    assert_eq!(send("m-1", by_another).await, unauthorized);
    assert_eq!(send("m-1", of_another).await, unauthorized);
    assert_eq!(send("m-1", too_old).await, unauthorized);
    assert_eq!(send("m-2", good.clone()).await, unauthorized);
    assert_eq!(send("m-2", other_key).await, (400, "ambiguous_message_id".into()));
    assert_eq!(send("m-1", good.clone()).await, (202, Value::Null));
    assert_eq!(send("m-1", good).await, (200, Value::Null));
}

#[tokio::test]
async fn bad_input_is_refused_with_a_word_for_it() {
    let scene = Scene::set().await;
    let with = |field: &str, value: Value| {
        let mut body = message("m-1");
        body[field] = value;
        body
    };
    let large = "x".repeat(210 * 1024);
    for (body, status, code) in [
        (json!([]), 400, "malformed_json"),
        (json!({}), 400, "missing_field"),
        (with("source", json!("Shop!")), 400, "invalid_name"),
        (with("source", json!(7)), 400, "malformed_field"),
        (with("message_id", json!(" ")), 400, "invalid_message_id"),
        (with("message_id", Value::Null), 400, "missing_field"),
        (with("event", json!("")), 400, "invalid_event"),
        (with("data", json!("text")), 400, "invalid_data"),
        (with("dato", json!({})), 400, "unknown_field"),
        (with("data", json!({"text": large})), 413, "body_too_large"),
        (with("data", json!({"text": &large[..201 * 1024]})), 400, "data_too_large"),
    ] {
        let answer = answered(scene.post("/api/crm/inbox", &body)).await;
        let told = answer.body.to_string();
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (status, &code.into()),
            "{told}"
        );
    }
    for (method, path, status) in [
        (Method::GET, "/api/crm/nothing", 404),
        (Method::DELETE, "/api/crm/metrics", 405),
        (Method::GET, "/api/crm/outbox/7", 404),
        (Method::GET, "/api/crm/outbox/x", 404),
    ] {
        let answer = answered(scene.request(method, path).bearer_auth(TOKEN)).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let metrics = scene.store.metrics().await.unwrap();
    assert_eq!(metrics.inbox.by_status.values().sum::<u64>(), 0);
}

#[tokio::test]
async fn a_message_can_be_enqueued_and_looked_at() {
    let scene = Scene::set().await;
    let body = json!({"destination": "shop", "event": "a", "data": {"n": 1}});
    let post = || scene.post("/api/crm/outbox", &body).header(KEY_HEADER, "order-7");

    let first = answered(post()).await;
    let id = first.body["id"].as_i64().unwrap();
    assert_eq!((first.status, &first.body["duplicate"]), (202, &false.into()));
    let again = answered(post()).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &true.into()));
    assert_eq!(again.body["id"], first.body["id"]);
    let other = json!({"destination": "shop", "event": "b", "data": {}});
    let other = scene.post("/api/crm/outbox", &other).header(KEY_HEADER, "order-7");
    assert_eq!(answered(other).await.status, 409);

    let shown = eventually("it to be sent", async || {
        let shown = scene.get(&format!("/api/crm/outbox/{id}")).await.body;
        (shown["status"] == "sent").then_some(shown)
    })
    .await;
    assert_eq!(shown["message_id"], first.body["message_id"]);
    assert_eq!((&shown["attempts"], &shown["last_error"]), (&1.into(), &Value::Null));
}

/// As in other services: what hangs takes its own places and no others.
#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let scene = Scene::set().await;
    let url = scene.store.active_integration("shop").await.unwrap().unwrap().webhook_url;
    let slow = url.replace("/shop", "/slow");
    scene.store.add_integration("slow", &slow, SECRET).await.unwrap();
    scene.receiver.plan("slow", vec![Answer::Hold; 40]);
    let new = |to| NewOutbox::new(to, "a", &json!({}), None).unwrap();
    for _ in 0..40 {
        scene.store.enqueue(new("slow")).await.unwrap();
    }
    // Four deliveries at a time, of sixteen places.
    scene.receiver.came(4).await;

    for _ in 0..20 {
        scene.store.enqueue(new("shop")).await.unwrap();
    }
    eventually("the others to be sent", async || {
        let metrics = scene.store.metrics().await.unwrap();
        (metrics.outbox.by_status["sent"] == 20).then_some(())
    })
    .await;

    let sending = scene.store.metrics().await.unwrap().outbox.by_status["sending"];
    assert_eq!(sending, 4);
    let rest = scene.receiver.clone();
    let letting_go = tokio::spawn(async move {
        loop {
            rest.release();
            tokio::task::yield_now().await;
        }
    });
    eventually("all to be sent", async || {
        let metrics = scene.store.metrics().await.unwrap();
        (metrics.outbox.by_status["sent"] == 60).then_some(())
    })
    .await;
    letting_go.abort();
}

#[tokio::test]
async fn a_service_that_stops_lets_deliveries_end() {
    let scene = Scene::set().await;
    scene.receiver.plan("shop", [Answer::Hold]);
    let new = NewOutbox::new("shop", "a", &json!({}), None).unwrap();
    let crm_relay::db::Enqueued::New { id, .. } = scene.store.enqueue(new).await.unwrap() else {
        panic!("not new")
    };
    scene.receiver.came(1).await;
    assert_eq!(
        scene.store.outbox_message(id).await.unwrap().unwrap().status,
        OutboxStatus::Sending
    );

    let Scene { service, receiver, store, .. } = scene;
    let total = service.tally();
    let stopping = tokio::spawn(service.stop());
    receiver.release();
    stopping.await.unwrap().unwrap();

    assert_eq!(store.outbox_message(id).await.unwrap().unwrap().status, OutboxStatus::Sent);
    assert_eq!(total.total().sent, 1);
}

#[tokio::test]
async fn numbers_go_through_as_they_came() {
    let scene = Scene::set().await;
    let data =
        r#"{"big":12345678901234567890123,"price":0.10,"exact":9007199254740993.1,"b":1,"a":2}"#;
    let body = format!(r#"{{"destination": "shop", "event": "a", "data": {data}}}"#);
    let request = scene.request(Method::POST, "/api/crm/outbox").bearer_auth(TOKEN).body(body);

    let id = answered(request).await.body["id"].as_i64().unwrap();

    let row = scene.store.outbox_message(id).await.unwrap().unwrap();
    assert_eq!(row.payload, data);
    scene.receiver.came(1).await;
    let text = scene.receiver.deliveries()[0].text.clone();
    assert!(text.ends_with(&format!(r#""data":{data}}}"#)), "{text}");
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_not_taken_for_none() {
    let scene = Scene::set().await;
    let outbox = json!({"destination": "shop", "event": "a", "data": {}});
    for (path, body) in [("/api/crm/outbox", outbox), ("/api/crm/inbox", message("m-1"))] {
        let latin = reqwest::header::HeaderValue::from_bytes(b"bestellung-\xfc").unwrap();
        let one = scene.post(path, &body).header(KEY_HEADER, latin);
        let two = scene.post(path, &body).header(KEY_HEADER, "m-1").header(KEY_HEADER, "m-2");
        for request in [one, two] {
            let answer = answered(request).await;
            assert_eq!(
                (answer.status, &answer.body["error"]["code"]),
                (400, &"invalid_message_id".into())
            );
        }
    }
    let stored = scene.store.metrics().await.unwrap();
    assert_eq!(
        stored.inbox.by_status.values().chain(stored.outbox.by_status.values()).sum::<u64>(),
        0
    );
}

#[tokio::test]
async fn without_the_token_no_body_is_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let scene = Scene::set().await;
    let address = scene.url.strip_prefix("http://").unwrap();
    let mut caller = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /api/crm/outbox HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";
    caller.write_all(head.as_bytes()).await.unwrap();

    let mut answer = [0; 12];
    caller.read_exact(&mut answer).await.unwrap();

    assert_eq!(&answer, b"HTTP/1.1 401");
}
