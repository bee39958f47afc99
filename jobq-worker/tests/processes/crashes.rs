//! Workers that cannot stop as they should: they are killed, or stand still for longer than their leases.

use std::time::{Duration, Instant};

use jobq_core::{FailureKind, JobState};

use crate::stage::{PATIENCE, Stage, lines, until};

#[tokio::test]
async fn the_jobs_of_a_killed_worker_run_again_and_count_a_crash() {
    let stage = Stage::set().await;
    let (started, done) = (stage.path("started"), stage.path("done"));
    // The first run hangs, the second one ends.
    let script = format!(
        "echo x >> {s}; [ $(wc -l < {s}) -gt 1 ] || exec sleep 60; echo x >> {d}",
        s = started.display(),
        d = done.display()
    );
    let id = stage.enqueue(&script, &[]);
    let victim = stage.work(&["--lease", "1s"]);
    until("the start", || lines(&started) == 1);

    victim.signal("-KILL");
    drop(victim);
    let killed = Instant::now();
    let rescuer = stage.work(&["--lease", "1s", "--max-jobs", "1"]);
    until("the second start", || lines(&started) == 2);
    assert!(killed.elapsed() < Duration::from_secs(5), "it took {:?}", killed.elapsed());
    let (code, log) = rescuer.end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&done), 1);
    assert!(stage.job(id).await.is_none(), "a completed job leaves nothing");
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_put_aside() {
    let stage = Stage::set().await;
    let id = stage.enqueue("kill -9 $PPID; sleep 60", &[]);

    let started = Instant::now();
    while stage.job(id).await.unwrap().state != JobState::Dead {
        assert!(started.elapsed() < PATIENCE, "it is never put aside");
        // Ends when the job has killed it, or because the job is dead by then.
        stage.work(&["--lease", "1s", "--max-time", "3s"]).end();
    }

    let job = stage.job(id).await.unwrap();
    assert_eq!((job.crashes, job.failed_attempts), (3, 0));
    assert!(job.history.failures().iter().all(|failure| failure.kind == FailureKind::Crash));
    assert_eq!(job.history.failures().len(), 3);
}

#[tokio::test]
async fn a_worker_that_was_stopped_for_longer_than_its_lease_changes_nothing() {
    let stage = Stage::set().await;
    let (started, done) = (stage.path("started"), stage.path("done"));
    let script = format!(
        "echo x >> {s}; [ $(wc -l < {s}) -gt 1 ] || sleep 3; echo x >> {d}",
        s = started.display(),
        d = done.display()
    );
    let id = stage.enqueue(&script, &["--max-attempts", "1"]);
    let zombie = stage.work(&["--lease", "1s"]);
    until("the start", || lines(&started) == 1);

    zombie.signal("-STOP");
    let rescuer = stage.work(&["--lease", "1s", "--max-jobs", "1"]);
    until("the second start", || lines(&started) == 2);
    let (code, log) = rescuer.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(stage.job(id).await.is_none(), "the rescuer has completed it");
    zombie.signal("-CONT");
    zombie.signal("-TERM");
    let (_, log) = zombie.end();

    // Had it settled the job, the job would be back, or dead.
    assert!(stage.job(id).await.is_none(), "{log}");
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased, stats.dead), (0, 0, 0, 0), "{log}");
}
