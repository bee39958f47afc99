//! How a worker stops that is told to: by signals, and by `jobq restart`.

use jobq_core::JobState;

use crate::stage::{Stage, lines, until};

#[tokio::test]
async fn sigterm_lets_running_jobs_finish_and_leaves_the_rest() {
    let stage = Stage::set().await;
    let (started, done) = (stage.path("started"), stage.path("done"));
    let script = format!("echo x >> {}; sleep 1; echo x >> {}", started.display(), done.display());
    for _ in 0..5 {
        stage.enqueue(&script, &[]);
    }
    let worker = stage.work(&["--concurrency", "2"]);
    until("two starts", || lines(&started) == 2);

    worker.signal("-TERM");
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!((lines(&started), lines(&done)), (2, 2));
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.leased, stats.scheduled), (3, 0, 0));
}

#[tokio::test]
async fn what_outlasts_the_grace_is_given_back_at_once_and_uncharged() {
    let stage = Stage::set().await;
    let started = stage.path("started");
    let id = stage.enqueue(&format!("echo x >> {}; exec sleep 60", started.display()), &[]);
    let worker = stage.work(&["--grace", "200ms"]);
    until("the start", || lines(&started) == 1);

    worker.signal("-TERM");
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    let job = stage.job(id).await.unwrap();
    assert_eq!((job.state, job.failed_attempts, job.crashes), (JobState::Ready, 0, 0));
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let stage = Stage::set().await;
    let started = stage.path("started");
    let id = stage.enqueue(&format!("echo x >> {}; exec sleep 60", started.display()), &[]);
    let worker = stage.work(&["--grace", "60s"]);
    until("the start", || lines(&started) == 1);

    worker.signal("-INT");
    worker.signal("-INT");
    // Signals of one kind that come together are one.
    until("the end", || {
        worker.signal_quietly("-INT");
        !worker.is_alive()
    });
    let (_, log) = worker.end();

    assert!(log.contains("Forced") || log.contains("forced"), "{log}");
    let job = stage.job(id).await.unwrap();
    assert_eq!((job.state, job.failed_attempts, job.crashes), (JobState::Ready, 0, 0));
}

#[tokio::test]
async fn restart_ends_workers_gracefully() {
    let stage = Stage::set().await;
    let (started, done) = (stage.path("started"), stage.path("done"));
    // A job that keeps it busy, so that it hears of the restart within seconds.
    let script = format!("echo x >> {}; sleep 7; echo x >> {}", started.display(), done.display());
    stage.enqueue(&script, &[]);
    let worker = stage.work(&[]);
    until("the start", || lines(&started) == 1);

    assert!(stage.run(&["restart"]).status.success());
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&done), 1);
}
