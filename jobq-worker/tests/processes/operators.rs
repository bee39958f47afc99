//! What operators ask: is a queue too long, how is everything, is the server fit.

use std::process::{Command, Stdio};

use jobq_redis::TestServer;
use serde_json::json;

use crate::golden::{ended, json, lines};
use crate::stage::{Stage, lines as file_lines, text, until};

#[tokio::test]
async fn monitor_tells_which_queue_is_too_long_by_its_exit_code() {
    let stage = Stage::set().await;
    for _ in 0..3 {
        stage.enqueue("exit 0", &[]);
    }

    stage.run(&["enqueue", "hello", "--queue", "mail"]);
    let fine = stage.run(&["monitor", "default,mail", "--max", "3", "--max-age", "1h"]);
    let table = lines(&fine);
    assert_eq!(table[0], "queue ready oldest verdict");
    assert!(table[1].starts_with("default 3 ") && table[1].ends_with(" ok"), "{table:?}");
    assert!(table[2].starts_with("mail 1 ") && table[2].ends_with(" ok"), "{table:?}");
    assert_eq!(ended(&fine), (Some(0), String::new()));

    // An alert for a name that is misspelt would never come.
    let unknown = stage.run(&["monitor", "default,mial", "--max", "3"]);
    assert_eq!(lines(&unknown)[2], "mial 0 - unknown: it never had a job");
    let why = "jobq: queue \"mial\" never had a job: did you mean \"mail\"?";
    assert_eq!(ended(&unknown), (Some(1), why.to_owned()));

    let twice = stage.run(&["monitor", "default,default", "--max", "2"]);
    let why = "jobq: queue default has 3 jobs ready, more than 2";
    assert_eq!((lines(&twice).len(), ended(&twice)), (2, (Some(1), why.to_owned())));

    let over = stage.run(&["monitor", "default", "--max", "2", "--json"]);
    let why = "queue default has 3 jobs ready, more than 2";
    assert_eq!(ended(&over), (Some(1), format!("jobq: {why}")));
    assert_eq!(
        json(&over),
        json!({
            "ok": false,
            "queues": [{
                "queue": "default", "known": true, "ready": 3, "oldest_ready_at": "TIME",
                "paused": false,
                "faults": [why],
            }],
        })
    );
}

#[tokio::test]
async fn stats_tell_of_jobs_workers_and_the_server() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &["--after", "1h"]);
    stage.run(&["pause", "default"]);

    let told = lines(&stage.run(&["stats"]));
    assert_eq!(
        told[..3],
        [
            "queues 1, 1 of them paused",
            "jobs 0 waiting, 1 scheduled, 0 ready, 0 leased, 0 completed, 0 cancelled, 0 dead",
            "workers 0, with 0 places, for 0 jobs leased",
        ]
    );
    let server = format!("server 127.0.0.1:{}: ", stage.server.port());
    assert!(told[3].starts_with(&server) && told[3].contains("iB in use, up for "), "{told:?}");

    let told = json(&stage.run(&["stats", "--json"]));
    assert_eq!(
        (&told["queue_count"], &told["paused_queue_count"], &told["workers"]),
        (&json!(1), &json!(1), &json!([]))
    );
    assert_eq!(
        told["job_counts"],
        json!({
            "waiting": 0, "scheduled": 1, "ready": 0, "leased": 0, "completed": 0, "cancelled": 0,
            "dead": 0,
        })
    );
    assert!(told["server"]["used_memory"].as_u64().is_some_and(|bytes| bytes > 0), "{told}");
}

#[tokio::test]
async fn what_runs_is_counted_at_once_though_its_worker_has_not_told_of_it_yet() {
    let stage = Stage::set().await;
    let started = stage.path("started");
    let worker = stage.work(&["--grace", "100ms"]);
    until("the worker", || lines(&stage.run(&["stats"]))[2].starts_with("workers 1, "));
    stage.enqueue(&format!("echo x >> {}; exec sleep 60", started.display()), &[]);
    until("the start", || file_lines(&started) == 1);

    let told = lines(&stage.run(&["stats"]));
    assert!(told[1].contains(" 1 leased,"), "{told:?}");
    assert_eq!(told[2], "workers 1, with 10 places, for 1 job leased");
    assert_eq!(told[4], "worker queues running, up to 20s ago since");
    worker.signal("-TERM");
    worker.end();
}

fn doctor(url: &str, options: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.env("REDIS_URL", url).env_remove("JOBQ_CONFIG").stdin(Stdio::null());
    command.arg("doctor").args(options).output().unwrap()
}

#[tokio::test]
async fn queues_that_cannot_be_counted_are_told_of_and_the_others_counted() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &[]);
    stage.run(&["enqueue", "hello", "--queue", "wt"]);
    stage.at_server(&["SET", "{jobq:wt}:dead", "x"]);

    let commands = ["queues", "stats", "failed", "retry all", "flush --yes", "prune --dry-run"];
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        let table = stage.run(&words);
        let (code, told) = ended(&table);
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{command}: {told}");
        assert!(told.starts_with("jobq: queue wt cannot be counted: "), "{command}: {told}");
        let as_json = stage.run(&[&words[..], &["--json"]].concat());
        assert_eq!(ended(&as_json), (Some(1), told), "{command}");
    }
    let table = lines(&stage.run(&["queues"]));
    assert!(table.len() == 2 && table[1].starts_with("default 0 1 0 0 0 "), "{table:?}");
    let counted = json(&stage.run(&["queues", "--json"]));
    assert!(counted[0]["queue"] == "default" && counted[1].is_null(), "{counted}");
    assert_eq!(json(&stage.run(&["stats", "--json"]))["job_counts"]["ready"], 1);
    let monitored = stage.run(&["monitor", "default,wt", "--max", "5"]);
    let (code, told) = ended(&monitored);
    assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("jobq: queue wt cannot be counted: "), "{told}");
    assert_eq!(lines(&monitored)[2], "wt - - cannot be counted");
    let monitored = json(&stage.run(&["monitor", "wt", "--max", "5", "--json"]));
    let wt = &monitored["queues"][0];
    assert!(wt["known"] == true && wt["ready"].is_null(), "{monitored}");

    // That it is the only one is not that there is none.
    stage.at_server(&["SREM", "{jobq}:queues", "default"]);
    let alone = stage.run(&["queues"]);
    assert!(!text(&alone.stdout).contains("no queues yet"), "{alone:?}");
    assert_eq!(alone.status.code(), Some(1));
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_a_good_server() {
    let server = TestServer::start_with(&["--appendonly", "yes"]).unwrap();

    let told = doctor(&server.url(), &[]);

    let checks: Vec<_> = lines(&told)
        .iter()
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        checks[..6],
        ["verdict check", "ok server", "ok rights", "ok persistence", "ok disk", "ok eviction",]
    );
    assert_eq!(checks.len(), 9, "{checks:?}");
    assert_eq!(lines(&told)[3], "ok persistence append-only file, appendfsync everysec");
    assert_eq!(ended(&told), (Some(0), String::new()));
}

#[tokio::test]
async fn the_doctor_fails_a_server_that_loses_jobs_and_says_what_to_do() {
    let server = TestServer::start_with(&["--maxmemory-policy", "allkeys-lru"]).unwrap();

    let told = doctor(&server.url(), &["--json"]);

    assert_eq!(ended(&told).0, Some(1));
    let told = json(&told);
    assert_eq!(told["ok"], false);
    assert!(told["server"]["used_memory"].as_u64().is_some_and(|bytes| bytes > 0), "{told}");
    assert!(told["latency"]["median_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
    assert!(told["clock_ahead_ms"].is_i64(), "{told}");
    let check = |name: &str| {
        let checks = told["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap().clone()
    };
    assert_eq!(
        check("persistence"),
        json!({
            "check": "persistence", "verdict": "fail", "finding": "none: jobs are in memory only",
            "advice": "set appendonly to yes, or a restart of the server loses all jobs",
        })
    );
    assert_eq!(
        check("eviction"),
        json!({
            "check": "eviction", "verdict": "fail", "finding": "maxmemory-policy allkeys-lru",
            "advice": "set it to noeviction, or a full server silently deletes jobs",
        })
    );
    assert_eq!(check("rights")["advice"], json!(null));

    let almost_full = TestServer::start_with(&["--maxmemory", "1100kb"]).unwrap();
    let told = json(&doctor(&almost_full.url(), &["--json"]));
    let memory = told["checks"].as_array().unwrap().iter().find(|check| check["check"] == "memory");
    assert_ne!(memory.unwrap()["verdict"], "ok", "{told}");
}

#[tokio::test]
async fn the_doctor_tells_of_a_server_that_is_away_or_closed_without_the_password() {
    let mut server = TestServer::start_with(&["--requirepass", "right"]).unwrap();
    let url = format!("redis://:top-secret@127.0.0.1:{}", server.port());

    let told = doctor(&url, &[]);
    assert!(lines(&told)[1].contains("refused the user name or password"), "{told:?}");
    assert!(lines(&told)[1].contains("(from REDIS_URL): nothing else"), "{told:?}");
    assert_eq!(ended(&told), (Some(1), String::new()));
    server.kill();
    let away = doctor(&url, &["--json"]);
    assert_eq!(ended(&away).0, Some(1));
    let found = json(&away)["checks"][0]["finding"].to_string();
    assert!(found.contains("nothing listens at 127.0.0.1:"), "{found}");
    assert!(found.ends_with("(from REDIS_URL)\""), "{found}");
    assert!(!format!("{told:?}{away:?}").contains("top-secret"));
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told_with_who_has_named_it() {
    let closed = TestServer::start_with(&["--requirepass", "right"]).unwrap();
    let open = TestServer::start().unwrap();
    let wrong = format!("redis://:top-secret@127.0.0.1:{}", closed.port());
    let far = format!("redis://127.0.0.1:{}/99", open.port());
    for (url, code, told) in [
        (&wrong, 1, "give them in the URL, as in redis://user:password@host (from "),
        (&far, 2, "has no database 99: see its `databases` (from "),
    ] {
        for command in [["queues"].as_slice(), &["work", "--stop-when-empty", "--queue", "a"]] {
            let run = |by_flag: bool| {
                let mut jobq = Command::new(env!("CARGO_BIN_EXE_jobq"));
                jobq.env_remove("JOBQ_CONFIG").env_remove("REDIS_URL").stdin(Stdio::null());
                match by_flag {
                    true => jobq.args(["--backend", url]),
                    false => jobq.env("REDIS_URL", url),
                };
                jobq.args(command).output().unwrap()
            };
            for (by_flag, source) in [(false, "REDIS_URL"), (true, "--backend")] {
                let output = run(by_flag);
                let (ended, said) = ended(&output);
                assert_eq!(ended, Some(code), "{command:?}: {output:?}");
                assert!(said.ends_with(&format!("{told}{source})")), "{command:?}: {said}");
                assert!(!said.contains("top-secret"), "{said}");
            }
        }
    }
}
