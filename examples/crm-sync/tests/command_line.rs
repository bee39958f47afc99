//! The program as a whole: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::Place;
use jobq_redis::TestServer;
use serde_json::{Value, json};

use support::PROGRAM;

#[test]
fn what_the_caller_can_put_right_ends_with_two_and_says_what() {
    let place = Place::new();
    let db = place.sqlite();
    let redis = TestServer::start().unwrap();
    let with = ["--database", &db, "--queue", &redis.url()];
    let record = |args: &[&str]| -> Vec<String> {
        args.iter().chain(&with).map(|arg| (*arg).to_owned()).collect()
    };
    PROGRAM.done(&["seed", "--stores", "1", "--customers", "1", "--database", &db]);
    for (args, error) in [
        (record(&["hook", "created", "lead", "1"]), "there is no entity \"lead\""),
        (record(&["hook", "created", "sale", "0"]), "is no number of a record"),
        (record(&["hook", "created", "sale", "--", "-1"]), "is no number of a record"),
        (record(&["hook", "deleted", "sale", "1"]), "invalid value 'deleted'"),
        (record(&["hook", "created", "sale", "1", "--direction", "up"]), "there is no direction"),
        (record(&["hook", "created", "sale", "1", "--store", "0"]), "is no number of a store"),
        (record(&["hook", "created", "sale", "1", "--store", "9"]), "there is no store 9"),
        (record(&["full-sync", "lead"]), "there is no entity \"lead\""),
        (record(&["full-sync", "sale", "--store", "9"]), "there is no store 9"),
        (record(&["rate", "fast"]), "\"fast\" is not a rate"),
        (record(&["rate", "0/min"]), "a rate's count of 0 is not possible"),
        (record(&["rate", "--", "-5/min"]), "\"-5/min\" is not a rate"),
        (record(&["rate", "100/min sliding"]), "not counted as the CRM counts"),
        (record(&["rate", "1/s", "--store", "9"]), "there is no store 9"),
        (record(&["rate", "1/s", "--reset"]), "cannot be used with"),
        (record(&["work", "--rate", "100"]), "\"100\" is not a rate"),
        (record(&["work", "--concurrency", "0"]), "at least 1"),
        (record(&["work", "--store-concurrency", "0"]), "0 is not in 1..="),
        (record(&["work", "--lease", "0"]), "0 is not in 1..="),
        (record(&["clean-up", "--days", "-1"]), "unexpected argument '-1'"),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // What comes after `--` is no option any more: the options go in front of it.
        let place = args.iter().position(|arg| *arg == "--");
        let args = place.map_or(args.clone(), |place| {
            let (command, rest) = args.split_at(place);
            let (value, options) = rest.split_at(2);
            [command, options, value].concat()
        });
        let ended = PROGRAM.run(&args);

        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn what_needs_others_is_refused_without_them() {
    let place = Place::new();
    let db = place.sqlite();
    for (args, error) in [
        (vec!["work"], "needs a queue that outlives this process"),
        (vec!["hook", "created", "sale", "1"], "needs a queue that outlives this process"),
        (vec!["full-sync", "sale"], "needs a queue that outlives this process"),
        (vec!["rate", "200/min"], "needs a queue that outlives this process"),
        (vec!["status", "--queue", "amqp://x"], "must be memory: or redis://"),
        (vec!["status", "--database", "postgres://x"], "must be sqlite://FILE or mysql://"),
        (vec!["seed", "--crm", "nowhere"], "--crm must be an address"),
        (vec!["demo", "--stores", "0"], "0 is not in 1..=100"),
        (vec!["demo", "--seconds", "0"], "0 is not in 1..="),
        (vec!["demo", "--rate", "1000000000/s"], "choose less of something"),
        (vec!["stub", "--fail", "1001"], "0 to 1000"),
        (vec!["stub", "--log", "/nonexistent/log"], "cannot write /nonexistent/log"),
        (vec!["stub", "--listen", "nowhere"], "invalid value"),
        (vec!["sink"], "unrecognized subcommand"),
    ] {
        let needs_db = !matches!(args[0], "stub" | "sink") && !args.contains(&"--database");
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
    let db = PROGRAM.run(&["status", "--database", "mysql://app:hunter2@127.0.0.1:1/crm"]);
    let queue = PROGRAM.run(&[
        "status",
        "--database",
        &place.sqlite(),
        "--queue",
        "redis://:hunter2@127.0.0.1:1",
    ]);

    for ended in [db, queue] {
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn a_demo_does_not_touch_what_is_not_its_own() {
    let place = Place::new();
    let db = place.sqlite();
    PROGRAM.done(&["seed", "--stores", "1", "--customers", "1", "--database", &db]);

    let ended = PROGRAM.run(&["demo", "--seconds", "1", "--database", &db]);

    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("the database holds \"Store 1\""), "{}", ended.stderr);
    let numbers = PROGRAM.done(&["status", "--json", "--database", &db]).json();
    assert_eq!(numbers["stores"][0]["name"], "Store 1");
}

/// Nobody else sees a queue in memory: what is not known is not guessed.
#[test]
fn numbers_without_the_queue_are_those_of_the_log() {
    let place = Place::new();
    let db = place.sqlite();

    let numbers = PROGRAM.done(&["status", "--json", "--database", &db]).json();
    let text = PROGRAM.done(&["status", "--database", &db]).stdout;
    let cleaned = PROGRAM.done(&["clean-up", "--json", "--database", &db]).json();

    assert_eq!((&numbers["pending"], &numbers["processed_today"]), (&Value::Null, &json!(0)));
    assert!(text.contains("pending                unknown"), "{text}");
    assert_eq!(cleaned, json!({"log_rows": 0, "dead_jobs": null}));
}

#[test]
fn the_stub_writes_its_log_to_a_file() {
    let place = Place::new();
    let (db, log) = (place.sqlite(), place.path("requests.jsonl"));
    let redis = TestServer::start().unwrap();
    let (queue, log_arg) = (redis.url(), log.to_str().unwrap());
    let (_stub, url) = PROGRAM.listening(&["stub", "--listen", "127.0.0.1:0", "--log", log_arg]);
    let seed = ["seed", "--stores", "2", "--customers", "3", "--crm", &url, "--database", &db];
    PROGRAM.done(&seed);

    let synced =
        PROGRAM.done(&["full-sync", "customer", "--json", "--database", &db, "--queue", &queue]);
    let again = PROGRAM.done(&["full-sync", "customer", "--database", &db, "--queue", &queue]);
    let hook = ["hook", "created", "customer", "2", "--store", "2", "--json"];
    let hooked = PROGRAM.done(&[&hook[..], &["--database", &db, "--queue", &queue]].concat());
    let work = ["work", "--stop-when-empty", "--json", "--database", &db, "--queue", &queue];
    let worked = PROGRAM.done(&work);

    assert_eq!(synced.json()[1]["enqueued"], 3);
    assert!(again.stdout.contains("0 customer records enqueued (3 more were waiting already)"));
    assert_eq!(hooked.json()["created"], false);
    assert_eq!(worked.json()["processed"], 6);
    assert_eq!(worked.json()["errors"], 0);
    let written = std::fs::read_to_string(&log).unwrap();
    assert_eq!(written.lines().count(), 6, "{written}");
    let first: Value = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert_eq!((&first["method"], &first["status"]), (&json!("POST"), &json!(201)));
    let numbers = PROGRAM.done(&["status", "--json", "--database", &db, "--queue", &queue]).json();
    assert_eq!((&numbers["pending"], &numbers["processed_today"]), (&json!(0), &json!(6)));
}
