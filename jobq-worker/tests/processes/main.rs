//! The program `jobq` itself, on a real Redis, with real signals and kills.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod config;
mod flow;
mod golden;
mod health;
#[path = "../support/http.rs"]
mod http;
mod jobs;
mod manual;
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
#[cfg(target_os = "linux")]
mod systemd;
mod terminal;
mod transcripts;
mod worker_flags;

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jobq_core::{FailureKind, JobState};

use self::stage::{PATIENCE, Stage, WorkerProcess, lines, text, until};

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

#[tokio::test]
async fn dead_jobs_are_shown_and_retried() {
    let stage = Stage::set().await;
    let good = stage.path("good");
    let script = format!("[ -e {} ] || {{ echo no luck; exit 3; }}", good.display());
    let id = stage.enqueue(&script, &["--max-attempts", "1"]);
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));

    let failed = text(&stage.run(&["failed"]).stdout);
    assert!(failed.contains(&id.to_string()) && failed.contains("command"), "{failed}");
    let json: serde_json::Value =
        serde_json::from_slice(&stage.run(&["failed", "--json"]).stdout).unwrap();
    assert_eq!(
        (json["jobs"].as_array().map(Vec::len), &json["total"]),
        (Some(1), &1.into()),
        "{json}"
    );
    let queues = text(&stage.run(&["queues"]).stdout);
    assert!(queues.contains("default"), "{queues}");

    fs::write(&good, "").unwrap();
    let retried = stage.run(&["retry", &id.to_string()]);
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.dead), (0, 0));
}

#[tokio::test]
async fn retry_all_brings_every_dead_job_back() {
    let stage = Stage::set().await;
    for _ in 0..20 {
        stage.enqueue("exit 1", &["--max-attempts", "1"]);
    }
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    assert_eq!(stage.stats().await.dead, 20);

    let retried = stage.run(&["retry", "all"]);

    assert!(retried.status.success(), "{retried:?}");
    assert!(text(&retried.stdout).contains("20"), "{retried:?}");
    assert_eq!(stage.stats().await.ready, 20);
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

#[tokio::test]
async fn a_program_that_is_not_allowed_is_not_run() {
    let stage = Stage::set().await;
    let id = stage.enqueue("true", &[]);

    let work = |options: &[&str]| {
        let mut command = stage.jobq();
        command.args(["work", "--stop-when-empty"]).args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_eq!(WorkerProcess(command.spawn().unwrap()).end().0, Some(0));
    };

    // A worker that allows none leaves the job to another one.
    work(&[]);
    let job = stage.job(id).await.unwrap();
    assert_eq!((job.state, job.failed_attempts), (JobState::Scheduled, 0));

    let id = stage.enqueue("true", &[]);
    work(&["--allow-command", "ls"]);
    let job = stage.job(id).await.unwrap();
    assert_eq!(job.state, JobState::Dead);
    assert!(job.history.last().unwrap().message.contains("--allow-command"), "{job:?}");
}

#[tokio::test]
async fn bad_input_is_told_in_one_line_with_exit_code_2() {
    let stage = Stage::set().await;
    for arguments in [
        &["--backend", "nonsense", "queues"] as &[&str],
        &["--prefix", "{}", "queues"],
        &["work", "--queue", "a b"],
        &["work", "--queue", "a=0"],
        &["work", "--concurrency", "0"],
        &["work", "--lease", "soon"],
        &["work", "--max-memory", "lots"],
        &["work", "--max-memory", "1"],
        &["work", "--tries", "70000"],
        &["enqueue", "sync", "--max-attempts", "70000"],
        &["enqueue", "sync", "--key", ""],
        &["enqueue", "command", "--json", r#"{"program":""}"#],
        &["work", "--listen", "nowhere"],
        &["work", "--allow-url", "example.com"],
        &["work", "--allow-url", "ftp://example.com/"],
        &["enqueue", "http", "--json", "{\"urll\":\"http://a/\"}"],
        &["enqueue", "sync", "--json", "-"],
        &["enqueue", "command", "--json", "{\"program\":"],
        &["enqueue", "no such kind!"],
        &["jobs", "list", "a b"],
        &["jobs", "list", "mail", "--state", "done"],
        &["jobs", "list", "mail", "--limit", "0"],
        &["jobs", "list", "mail", "--offset", "-1"],
        &["jobs", "show", "4711"],
        &["jobs", "cancel", "mail/4711"],
        &["jobs", "delete", "4711", "--yes"],
        &["forget", "--yes"],
        &["flush", "--yes", "--dry-run"],
        &["flush", "--queue", "a b", "--yes"],
        &["prune", "--hours", "soon", "--yes"],
        &["clear", "--yes"],
        &["clear", "mail", "--state", "leased", "--yes"],
        &["monitor", "mail"],
        &["monitor", "mail", "--max", "lots"],
        &["monitor", "mail", "--max-age", "5"],
        &["monitor", "a b", "--max", "5"],
        &["stats", "--watch"],
        &["completions", "cmd"],
        &["completions"],
        &["man", "work"],
        &["doctor", "mail"],
        &["retry", "4711"],
        &["cancel", "4711"],
        &["pause", "a b"],
        &["pause", "a", "--lane", "é"],
        &["explain", "4711"],
        &["lanes", "a b"],
        &["limits", "set", "crm"],
        &["limits", "set", "crm", "--rate", "100"],
        &["limits", "set", "crm", "--concurrency", "0"],
        &["limits", "set", "crm", "--weight", "2"],
        &["limits", "set", "crm", "--lane", "7", "--weight", "200"],
        &["limits", "set", "--shared-limit", "api", "--max-size", "5"],
        &["limits", "apply"],
        &["unique", "crm", "4711"],
        &["unique", "crm", "--kind", "sync", "--json", "[7"],
        &["unique", "crm", "--kind", "sync", "--job", "{}"],
        &["batch", "4711"],
        &["enqueue", "sync", "--cost", "0"],
        &["enqueue", "sync", "--unique", "[7"],
        &["enqueue", "sync", "--unique-mode", "until_started"],
        &["enqueue", "sync", "--unique", "7", "--unique-mode", "throttle(0s)"],
        &["enqueue", "sync", "--after", "1s", "--after", "2s"],
        &["enqueue", "sync", "--after", "1s", "--on-parent-failure", "skip"],
    ] {
        let output = stage.run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(!told.contains("panicked") && !told.contains("backtrace"), "{arguments:?}: {told}");
        assert!(!told.trim().is_empty(), "{arguments:?} says nothing");
        assert!(output.stdout.is_empty(), "{arguments:?} prints {}", text(&output.stdout));
    }
}

#[tokio::test]
async fn a_queue_that_never_had_a_job_is_refused_with_the_nearest() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &["--queue", "mail"]);
    for line in [
        "jobs list mial",
        "jobs list mial --json",
        "failed -q mial",
        "retry all -q mial",
        "flush -q mial --yes",
        "prune -q mial --dry-run",
        "clear mial --yes",
        "lanes mial",
        "batches mial",
        "limits mial",
        "limits clear mial",
        "resume mial",
        "unique 0192f3c17b1e7c3a9d2e5b6f7a8c9d0e -q mial",
        "jobs show mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
        "jobs show 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e -q mial",
        "explain 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --queue mial",
        "batch 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --queue mial",
        "retry 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --queue mial",
        "retry mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
        "cancel mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
        "jobs delete mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --yes",
        "forget mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e --dry-run",
        "enqueue sync --after mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
        "enqueue sync --batch mial/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
    ] {
        let output = stage.run(&line.split(' ').collect::<Vec<_>>());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {told}");
        assert_eq!(
            told, "jobq: queue \"mial\" never had a job: did you mean \"mail\"?\n",
            "{line}"
        );
        assert!(output.stdout.is_empty(), "{line}: {output:?}");
    }
    let monitored = stage.run(&["monitor", "mial", "--max", "1", "--json"]);
    assert_eq!(monitored.status.code(), Some(1));
    assert!(text(&monitored.stdout).contains(r#""ok":false"#), "{monitored:?}");
    // What is set up before its first job is told of, and done.
    for line in [
        "pause mial",
        "jobs list mial",
        "limits set crm --rate 5/s",
        "limits crm",
        "limits clear crm",
    ] {
        let output = stage.run(&line.split(' ').collect::<Vec<_>>());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {told}");
        let is_change = line.starts_with("pause") || line.starts_with("limits set");
        assert_eq!(told.starts_with("jobq: warning: queue "), is_change, "{line}: {told}");
    }
}

#[tokio::test]
async fn a_worker_of_a_queue_that_nobody_knows_says_so_and_serves_it() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &["--queue", "critical"]);
    let work = |queues: &str| stage.work(&["--stop-when-empty", "--queue", queues]).end();

    let (code, log) = work("critical");
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("never had a job"), "{log}");
    let (code, log) = work("critcal");
    assert_eq!(code, Some(0), "{log}");
    let why = "WARN jobq: queue \"critcal\" never had a job: did you mean \"critical\"?";
    assert!(log.contains(why), "{log}");
    // As Sidekiq writes a weight.
    let (code, log) = work("critical,2");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("for the weight of queue critical write critical=2"), "{log}");
}

#[tokio::test]
async fn the_dead_of_many_queues_are_one_list_from_the_newest_on() {
    let stage = Stage::set().await;
    let mut ids = Vec::new();
    for queue in ["c", "a", "b", "a"] {
        let script = ["--max-attempts", "1", "--queue", queue];
        ids.push(stage.enqueue("exit 1", &script).to_string());
        let work = ["--quiet", "--stop-when-empty", "--queue", queue];
        assert_eq!(stage.work(&work).end().0, Some(0));
    }
    let page = |options: &[&str]| -> serde_json::Value {
        let output = stage.run(&[&["failed", "--json"], options].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let shown = |page: &serde_json::Value| {
        let jobs = page["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let first = page(&["--limit", "3"]);
    assert_eq!(shown(&first), [&*ids[3], &*ids[2], &*ids[1]]);
    assert_eq!((&first["total"], &first["next_offset"]), (&4.into(), &3.into()));
    let second = page(&["--limit", "3", "--offset", "3"]);
    assert_eq!(shown(&second), [&*ids[0]]);
    assert!(second["next_offset"].is_null(), "{second}");
    let of_a = page(&["--queue", "a", "--limit", "1", "--offset", "1"]);
    assert_eq!(shown(&of_a), [&*ids[1]]);

    let table = stage.run(&["failed", "--limit", "1"]);
    assert_eq!(text(&table.stdout).lines().count(), 2, "{table:?}");
    assert_eq!(text(&table.stderr), "and 3 more: --offset 1\n");
    let past = stage.run(&["failed", "--offset", "9"]);
    assert_eq!(text(&past.stdout), "no more than 4 dead jobs\n");
    let far = stage.run(&["failed", "--offset", "2001"]);
    assert_eq!(far.status.code(), Some(2));
    assert!(text(&far.stderr).contains("2000 at most, or name one by --queue"), "{far:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_with_its_address_and_without_its_password() {
    let mut stage = Stage::set().await;
    stage.server.kill();
    let url = format!("redis://:top-secret@127.0.0.1:{}", stage.server.port());

    for command in ["queues", "failed", "restart"] {
        let output = stage.jobq().env("REDIS_URL", &url).arg(command).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(&format!("nothing listens at 127.0.0.1:{}", stage.server.port())),
            "{told}"
        );
        assert!(!told.contains("top-secret"), "{told}");
    }
}
