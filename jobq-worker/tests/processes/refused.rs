//! `jobq work` on a server that refuses some of what it asks: one queue, or the wait for jobs, is not the server.

use std::process::{Command, Stdio};

use crate::stage::{Stage, WorkerProcess, lines, text, until};

fn command(stage: &Stage, words: &[&str]) {
    let client = redis::Client::open(stage.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut command = redis::cmd(words[0]);
    let _: redis::Value = command.arg(&words[1..]).query(&mut connection).unwrap();
}

fn complaints(log: &str) -> usize {
    log.matches(" WARN ").count() + log.matches(" ERROR ").count()
}

/// Waits until so many jobs have written a line; ends the worker, and gives its log.
fn log_after(stage: &Stage, worker: WorkerProcess, jobs: usize) -> String {
    let done = stage.path("done");
    until("the jobs", || lines(&done) == jobs);
    worker.signal("-TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    log
}

#[tokio::test]
async fn a_queue_with_a_key_of_another_type_holds_up_no_other() {
    for queues in ["wt,good", "good,wt"] {
        let stage = Stage::set().await;
        let script = format!("echo x >> {}", stage.path("done").display());
        for _ in 0..8 {
            stage.enqueue(&script, &["--queue", "good"]);
        }
        command(&stage, &["SET", "{jobq:wt}:levels", "x"]);
        let log = log_after(&stage, stage.work(&["--queue", queues]), 8);

        assert!(complaints(&log) <= 3, "{log}");
        if queues.starts_with("wt") {
            assert!(log.contains("queue cannot be served queue=wt"), "{log}");
        }
        assert!(!log.contains("backend unreachable"), "{log}");
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_up_no_job() {
    let stage = Stage::set().await;
    let bad = stage.enqueue("exit 0", &[]);
    let key = bad.as_bytes();
    let client = redis::Client::open(stage.server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut set = redis::cmd("HSET");
    let _: u64 =
        set.arg("{jobq:default}:jobs").arg(&key[..]).arg("hello").query(&mut connection).unwrap();
    let script = format!("echo x >> {}", stage.path("done").display());
    for _ in 0..3 {
        stage.enqueue(&script, &[]);
    }
    let log = log_after(&stage, stage.work(&[]), 3);
    assert!(log.contains("job cannot be read: put aside among the dead"), "{log}");

    let shown = text(&stage.run(&["jobs", "show", &bad.to_string()]).stdout);
    assert!(shown.contains("dead") && shown.contains("unreadable"), "{shown}");
    assert!(text(&stage.run(&["queues"]).stdout).contains("default"));
    let flushed = stage.run(&["flush", "--yes"]);
    assert!(flushed.status.success(), "{flushed:?}");
    assert_eq!(stage.job(bad).await, None);
}

#[tokio::test]
async fn a_worker_without_the_right_to_wait_says_so_once_and_works() {
    let stage = Stage::set().await;
    let rules = ["ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-blpop"];
    command(&stage, &rules);
    let url = format!("redis://poor:pw@127.0.0.1:{}", stage.server.port());
    let work = |options: &[&str]| {
        let mut command: Command = stage.jobq();
        command.env("REDIS_URL", &url).args(["work", "--allow-command", "sh"]).args(options);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        WorkerProcess(child)
    };
    let worker = work(&["--max-time", "6s"]);
    let script = format!("echo x >> {}", stage.path("done").display());
    for n in 1..=3 {
        stage.enqueue(&script, &[]);
        until("the job", || lines(&stage.path("done")) == n);
    }
    let (_, log) = worker.end();

    assert!(
        log.contains(
            "not all that jobq needs is there: the Redis user may not BLPOP; see `jobq doctor`"
        ),
        "{log}"
    );
    assert!(log.contains("no waiting for jobs: queues are looked at instead"), "{log}");
    assert!(complaints(&log) <= 3, "{} complaints: {log}", complaints(&log));
}

#[tokio::test]
async fn a_worker_that_ends_when_all_is_empty_does_so_beside_a_refused_queue_and_fails() {
    for queues in ["wt,good", "good,wt"] {
        let stage = Stage::set().await;
        let script = format!("echo x >> {}", stage.path("done").display());
        for _ in 0..3 {
            stage.enqueue(&script, &["--queue", "good"]);
        }
        command(&stage, &["SET", "{jobq:wt}:levels", "x"]);

        let (code, log) = stage.work(&["--queue", queues, "--stop-when-empty"]).end();

        assert_eq!((code, lines(&stage.path("done"))), (Some(1), 3), "{log}");
        assert!(log.contains("queue cannot be served queue=wt"), "{log}");
        assert!(log.contains("jobq: queue wt was refused: Redis at 127.0.0.1:"), "{log}");
        assert!(log.contains(" jobs/s); queue wt was refused\n"), "{log}");
    }
}

#[tokio::test]
async fn a_queue_that_the_user_may_not_touch_ends_it_just_so() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &["--queue", "good"]);
    let own = ["ACL", "SETUSER", "poor", "on", ">pw", "~{jobq}:*", "~{jobq:good}:*", "&*", "+@all"];
    command(&stage, &own);
    let url = format!("redis://poor:pw@127.0.0.1:{}", stage.server.port());
    let mut work = stage.jobq();
    work.env("REDIS_URL", &url).args(["work", "--allow-command", "sh", "--stop-when-empty"]);

    let output = work.args(["--queue", "good,other", "--json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["completed"], &summary["reason"]), (&1.into(), &"empty".into()));
    let refused = &summary["refused_queues"];
    assert_eq!((refused[0]["queue"].as_str(), &refused[1]), (Some("other"), &().into()));
    assert!(refused[0]["why"].as_str().unwrap().contains("check its ACL"), "{summary}");
}

#[tokio::test]
async fn what_is_asked_only_for_a_warning_and_refused_is_a_warning() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &[]);
    command(&stage, &["ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-smembers"]);
    let url = format!("redis://poor:pw@127.0.0.1:{}", stage.server.port());
    let mut work = stage.jobq();
    work.env("REDIS_URL", &url).args(["work", "--allow-command", "sh", "--stop-when-empty"]);

    let output = work.args(["--queue", "default"]).output().unwrap();

    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(text(&output.stdout).starts_with("processed 1, failed 0 in "), "{output:?}");
    let told = "whether its queues are known cannot be told: the Redis user at 127.0.0.1:";
    assert!(log.contains(told), "{log}");
}
