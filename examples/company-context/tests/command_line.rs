//! The program as a whole: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use company_context::customer::ContextStatus;
use company_context::db::Store;
use company_context::stub::{Chances, Fault, Plan};
use fixtures::Place;
use jobq_core::Timestamp;
use jobq_redis::TestServer;
use serde_json::{Value, json};

use support::{PROGRAM, stub};

const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

#[test]
fn what_the_caller_can_put_right_ends_with_two_and_says_what() {
    let place = Place::new();
    let db = place.sqlite();
    let redis = TestServer::start().unwrap();
    let url = redis.url();
    for (args, error) in [
        (vec!["serve", "--driver", "kafka"], "invalid value 'kafka'"),
        (vec!["serve", "--no-worker"], "add --driver redis"),
        (vec!["serve", "--model", "nowhere"], "the model's endpoint must be an address"),
        (vec!["serve", "--model-key", "a\nb"], "the model's key holds characters"),
        (vec!["serve", "--http-timeout", "0"], "0 is not in 1..=55"),
        (vec!["serve", "--http-timeout", "60"], "60 is not in 1..=55"),
        (vec!["serve", "--concurrency", "0"], "at least 1"),
        (vec!["serve", "--listen", "nowhere"], "invalid value"),
        (vec!["serve", "--database", "postgres://x"], "must be sqlite://FILE or mysql://"),
        (vec!["work", "--redis", "amqp://x"], "--redis must be redis://"),
        (vec!["work", "--lease", "0"], "0 is not in 1..="),
        (vec!["demo", "--customers", "0"], "0 is not in 1..="),
        (vec!["retry"], "required"),
        (vec!["retry", "--redis", &url, "4711"], "is not a UUID"),
        (vec!["failed", "--redis", &url, "--limit", "0"], "at least 1"),
        (vec!["monitor", "--threshold", "-1"], "unexpected argument"),
        (vec!["stub", "--fail", "1001"], "1001 is not in 0..=1000"),
        (vec!["sink"], "unrecognized subcommand"),
    ] {
        let needs_db = matches!(args[0], "serve" | "work") && !args.contains(&"--database");
        let more = if needs_db { vec!["--database", &db] } else { Vec::new() };
        let ended = PROGRAM.run(&[args.clone(), more].concat());

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
    }
}

#[test]
fn servers_that_are_not_there_are_named_without_their_passwords() {
    let place = Place::new();
    let redis = TestServer::start().unwrap();
    let gone = "redis://:hunter2@127.0.0.1:1";
    let no_db = ["--database", "mysql://app:hunter2@127.0.0.1:1/crm", "--redis", &redis.url()];
    let no_redis = ["--database", &place.sqlite(), "--redis", gone];

    for with in [&no_db[..], &no_redis] {
        let ended = PROGRAM.run(&[&["monitor"][..], with].concat());

        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

/// A demonstration must not touch what is not its own.
#[tokio::test]
async fn a_demo_refuses_a_database_with_customers() {
    let place = Place::new();
    let db = place.sqlite();
    Store::open(&db).await.unwrap().create("Ada", "a story", NOON).await.unwrap();

    let ended = PROGRAM.run(&["demo", "--database", &db]);

    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("the database holds customers"), "{}", ended.stderr);
}

/// Work one, work off, look, list, retry one, retry all, flush: in Redis, as people do it.
#[tokio::test]
async fn people_look_after_the_jobs() {
    let place = Place::new();
    let (db, redis) = (place.sqlite(), TestServer::start().unwrap());
    let queue = redis.url();
    let (model, server) = stub(Chances::default());
    let endpoint = server.endpoint();
    let store = Store::open(&db).await.unwrap();
    for number in 1..=4 {
        store.create("Ada", &format!("story {number}"), NOON).await.unwrap();
    }
    let with_redis = ["--redis", &queue];
    let with_db = [&with_redis[..], &["--database", &db]].concat();
    let with_model = [&with_db[..], &["--model", &endpoint]].concat();
    let on = |args: &[&str], with: &[&str]| PROGRAM.done(&[args, with].concat());
    let monitor = || on(&["monitor", "--json"], &with_db).json();
    let failed = || on(&["failed", "--json"], &with_redis).json();
    let statuses = async || {
        let mut statuses = Vec::new();
        for id in 1..=4 {
            let id = company_context::customer::CustomerId::new(id).unwrap();
            statuses.push(store.customer(id).await.unwrap().unwrap().context_status);
        }
        statuses
    };
    use ContextStatus::{Condensed, Kept, Pending};

    // The patrol of `work` enqueues what was stored, and one job runs.
    let worked = on(&["work", "--once", "--json"], &with_model).json();
    assert_eq!(worked["completed"], 1, "{worked}");
    assert_eq!(statuses().await, [Condensed, Pending, Pending, Pending]);
    assert_eq!(monitor()["queue"]["waiting"], 3);
    assert_eq!(monitor()["alert"], false);
    let alert = PROGRAM.run(&[&["monitor", "--threshold", "2"][..], &with_db].concat());
    assert_eq!(alert.code, Some(1));
    assert!(alert.stdout.contains("ALERT: 3 jobs wait, more than 2"), "{}", alert.stdout);

    model.plan(Plan::next(Fault::Refuse, 3));
    // One after the other, so that they fail in their order.
    let one_by_one = ["work", "--stop-when-empty", "--json", "--concurrency", "1"];
    let worked = on(&one_by_one, &with_model).json();
    assert_eq!(worked["failed"], 3, "{worked}");
    assert_eq!(statuses().await, [Condensed, Kept, Kept, Kept]);
    let list = failed();
    let about: Vec<_> = list.as_array().unwrap().iter().map(|job| &job["customer"]).collect();
    assert_eq!(about, [&json!(2), &json!(3), &json!(4)]);
    assert_eq!(list[0]["errors"], json!(["the model answers HTTP 400"]));
    let text = on(&["failed", "--limit", "2"], &with_redis).stdout;
    assert!(text.contains("customer 2, text 1") && text.contains("and 1 more"), "{text}");

    let first = list[0]["id"].as_str().unwrap();
    assert!(on(&["retry", first], &with_redis).stdout.contains("put back"));
    let again = PROGRAM.run(&[&["retry", first][..], &with_redis].concat());
    assert_eq!(again.code, Some(1));
    assert!(again.stdout.contains("left: it has not failed"), "{}", again.stdout);
    on(&["work", "--stop-when-empty"], &with_model);
    assert_eq!(statuses().await, [Condensed, Condensed, Kept, Kept]);

    assert_eq!(on(&["retry", "all"], &with_redis).stdout.trim(), "2 jobs put back, 0 left");
    model.plan(Plan::next(Fault::Refuse, 1));
    on(&["work", "--stop-when-empty"], &with_model);
    assert_eq!(monitor()["customers"], json!({"pending": 0, "condensed": 3, "kept": 1}));
    assert_eq!(on(&["flush"], &with_redis).stdout.trim(), "1 failed jobs deleted");
    assert_eq!(failed(), Value::Array(Vec::new()));
    assert_eq!(on(&["failed"], &with_redis).stdout.trim(), "no failed jobs");
    assert_eq!(monitor()["customers"]["kept"], 1, "the customer has its text");
}

#[tokio::test]
async fn the_stub_is_told_what_to_do() {
    let args = ["stub", "--listen", "127.0.0.1:0", "--least-ms", "0", "--most-ms", "0"];
    let (_stub, endpoint) = PROGRAM.listening(&args);
    let base = endpoint.strip_suffix("/api").unwrap();
    let client = support::client();
    let post = async |path: &str, body: Value| {
        let answer = client.post(format!("{base}{path}")).body(body.to_string());
        let answer = answer.header("content-type", "application/json").send().await.unwrap();
        answer.status().as_u16()
    };
    let chat = |text: &str| json!({"model": "gpt-oss", "stream": false, "messages": [{"role": "user", "content": text}]});

    assert_eq!(post("/faults", json!({"fault": "fail", "times": 1, "text": "b"})).await, 204);
    assert_eq!(post("/faults", json!({"fault": "explode"})).await, 400);
    assert_eq!(post("/api/chat", chat("a")).await, 200);
    assert_eq!(post("/api/chat", chat("b")).await, 500);
    assert_eq!(post("/api/chat", json!({"model": "gpt-oss"})).await, 400);
    let summary = client.get(format!("{base}/summary")).send().await.unwrap().text().await.unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary, json!({"requests": 2, "faults": {"fail": 1}}));
}
