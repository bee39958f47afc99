//! `jobq work` on a server that refuses some of what it asks: one queue, or the wait for jobs, is not the server.

use std::process::{Command, Stdio};

use jobq_core::JobId;

use crate::stage::{Stage, WorkerProcess, lines, text, until};

/// Writes something into the place of a job's record.
fn overwrite(stage: &Stage, id: JobId) {
    let mut connection = stage.connection();
    let mut set = redis::cmd("HSET");
    let set = set.arg("{jobq:default}:jobs").arg(&id.as_bytes()[..]).arg("hello");
    let added: u64 = set.query(&mut connection).unwrap();
    assert_eq!(added, 0, "no record was overwritten");
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
        stage.at_server(&["SET", "{jobq:wt}:levels", "x"]);
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
    overwrite(&stage, bad);
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
async fn it_stops_when_a_queue_is_empty_and_not_when_it_has_come_upon_unreadable_jobs() {
    let stage = Stage::set().await;
    let unreadable: Vec<_> = (0..3).map(|_| stage.enqueue("exit 0", &[])).collect();
    for id in &unreadable {
        overwrite(&stage, *id);
    }
    let script = format!("echo x >> {}", stage.path("done").display());
    for _ in 0..2 {
        stage.enqueue(&script, &[]);
    }

    let (code, log) = stage.work(&["--stop-when-empty", "--concurrency", "1"]).end();

    assert_eq!((code, lines(&stage.path("done"))), (Some(0), 2), "{log}");
    let told = log.lines().filter(|line| line.contains("put aside among the dead"));
    let told: Vec<_> = told.collect();
    assert_eq!((told.len(), complaints(&log)), (3, 3), "{log}");
    for id in unreadable {
        assert!(told.iter().any(|line| line.contains(&id.to_string())), "{id}: {log}");
    }
    assert!(log.contains("processed 2, failed 0 in "), "{log}");
    assert_eq!(stage.stats().await.dead, 3);
}

#[tokio::test]
async fn a_worker_without_the_right_to_wait_says_so_once_and_works() {
    let stage = Stage::set().await;
    let rules = ["ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-blpop"];
    stage.at_server(&rules);
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
        stage.at_server(&["SET", "{jobq:wt}:levels", "x"]);

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
    stage.at_server(&own);
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
    stage.at_server(&["ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-smembers"]);
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
