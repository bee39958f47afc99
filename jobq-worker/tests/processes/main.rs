//! The program `jobq` itself, on a real Redis, with real signals and kills.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod config;
mod crashes;
mod dead;
mod flow;
mod golden;
mod health;
#[path = "../support/http.rs"]
mod http;
mod jobs;
mod manual;
mod mistakes;
mod nonsense;
#[path = "../support/openmetrics.rs"]
mod openmetrics;
mod operators;
mod readers;
mod readme;
mod refused;
mod requests;
mod schedule;
mod secrets;
mod sources;
mod stage;
mod stops;
#[cfg(target_os = "linux")]
mod systemd;
mod terminal;
mod transcripts;
mod worker_flags;

use self::stage::{Stage, lines, until};

#[tokio::test]
async fn a_worker_runs_what_is_there_and_ends() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    for _ in 0..5 {
        stage.enqueue(&format!("echo x >> {}", done.display()), &[]);
    }

    let (code, log) = stage.work(&["--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&done), 5);
    assert!(log.contains("processed 5, failed 0 in "), "{log}");
    assert_eq!(stage.stats().await.leased, 0);
}

#[tokio::test]
async fn once_runs_one_job() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    for _ in 0..2 {
        stage.enqueue(&format!("echo x >> {}", done.display()), &[]);
    }

    let (code, log) = stage.work(&["--once"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&done), 1);
    assert_eq!(stage.stats().await.ready, 1);
}

#[tokio::test]
async fn a_running_job_is_cancelled_from_another_process() {
    let stage = Stage::set().await;
    let started = stage.path("started");
    let id = stage.enqueue(&format!("echo x >> {}; exec sleep 60", started.display()), &[]);
    let worker = stage.work(&["--lease", "2s", "--max-jobs", "1"]);
    until("the start", || lines(&started) == 1);

    let cancelled = stage.run(&["cancel", &id.to_string()]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    assert!(stage.job(id).await.is_none(), "a cancelled job leaves nothing");
}

#[tokio::test]
async fn a_paused_queue_waits_until_it_is_resumed() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    stage.enqueue(&format!("echo x >> {}", done.display()), &[]);
    assert!(stage.run(&["pause", "default"]).status.success());
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    assert_eq!(lines(&done), 0);

    assert!(stage.run(&["resume", "default"]).status.success());
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    assert_eq!(lines(&done), 1);
}
