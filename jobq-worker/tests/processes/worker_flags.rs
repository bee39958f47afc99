//! The flags of `jobq work`, each by what a real process does.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jobq_core::JobState;
use serde_json::Value;

use crate::stage::{Stage, WorkerProcess, lines, text, until};

/// Enqueues scripts that note their names, so many in each queue, and gives the file that they are noted in.
fn noting(stage: &Stage, queues: &[(&str, usize)]) -> std::path::PathBuf {
    let noted = stage.path("noted");
    for (queue, count) in queues {
        for _ in 0..*count {
            let script = format!("echo {queue} >> {}", noted.display());
            stage.enqueue(&script, &["--queue", queue]);
        }
    }
    noted
}

fn noted(file: &std::path::Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn queues_are_served_in_strict_order() {
    let stage = Stage::set().await;
    let file = noting(&stage, &[("default", 3), ("import", 3), ("integrations", 3)]);

    let queues = "integrations,import,default";
    let (code, log) =
        stage.work(&["--queue", queues, "--concurrency", "1", "--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    let expected = ["integrations", "import", "default"].map(|queue| [queue; 3]).concat();
    assert_eq!(noted(&file), expected, "{log}");
}

#[tokio::test]
async fn a_queue_of_three_times_the_weight_gets_three_times_the_turns() {
    let stage = Stage::set().await;
    let file = noting(&stage, &[("import", 16), ("default", 16)]);

    let queues = "import=3,default";
    let options = ["--queue", queues, "--concurrency", "1", "--max-jobs", "16"];
    let (code, log) = stage.work(&options).end();

    assert_eq!(code, Some(0), "{log}");
    let of_import = noted(&file).iter().filter(|queue| *queue == "import").count();
    assert!((10..=14).contains(&of_import), "{of_import} of 16: {:?}", noted(&file));
}

#[tokio::test]
async fn no_more_jobs_run_at_once_than_concurrency_says() {
    let stage = Stage::set().await;
    let (running, most) = (stage.path("running"), stage.path("most"));
    fs::create_dir(&running).unwrap();
    for _ in 0..9 {
        let (running, most) = (running.display(), most.display());
        let script = format!(
            "touch {running}/$$; ls {running} | wc -l >> {most}; sleep 0.2; rm {running}/$$"
        );
        stage.enqueue(&script, &[]);
    }

    let (code, log) = stage.work(&["--concurrency", "3", "--stop-when-empty"]).end();

    assert_eq!((code, lines(&most)), (Some(0), 9), "{log}");
    let most = noted(&most).iter().filter_map(|n| n.trim().parse::<u32>().ok()).max();
    assert!(matches!(most, Some(2..=3)), "{most:?}");
}

#[tokio::test]
async fn it_ends_after_so_many_jobs() {
    let stage = Stage::set().await;
    let file = noting(&stage, &[("default", 5)]);

    let (code, log) = stage.work(&["--max-jobs", "3"]).end();

    assert_eq!((code, noted(&file).len()), (Some(0), 3), "{log}");
    assert!(log.contains("processed 3, failed 0"), "{log}");
}

#[tokio::test]
async fn it_ends_after_so_much_time_when_its_jobs_are_done() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    stage.enqueue(&format!("sleep 2; echo x >> {}", done.display()), &[]);

    let started = Instant::now();
    let (code, log) = stage.work(&["--max-time", "1s", "--json"]).end();

    assert_eq!((code, lines(&done)), (Some(0), 1), "{log}");
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(log.contains("\"reason\":\"max_time\""), "{log}");
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn it_ends_when_it_needs_more_memory_than_it_may() {
    let stage = Stage::set().await;
    let (code, log) = stage.work(&["--max-memory", "4M", "--json"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"reason\":\"max_memory\""), "{log}");
}

#[tokio::test]
async fn its_name_is_what_people_see() {
    let stage = Stage::set().await;
    let worker = stage.work(&["--name", "blue-7"]);
    until("it is seen", || text(&stage.run(&["stats"]).stdout).contains("blue-7"));
    worker.signal("-TERM");
    assert_eq!(worker.end().0, Some(0));
}

#[tokio::test]
async fn tries_hold_for_jobs_that_say_nothing_and_no_others() {
    let stage = Stage::set().await;
    let silent = stage.enqueue("exit 1", &[]);
    let said = stage.enqueue("exit 1", &["--max-attempts", "2"]);

    let (code, log) = stage.work(&["--tries", "1", "--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(stage.job(silent).await.unwrap().state, JobState::Dead);
    let said = stage.job(said).await.unwrap();
    assert_eq!((said.state, said.failed_attempts), (JobState::Scheduled, 1));
}

#[tokio::test]
async fn the_timeout_holds_for_jobs_that_have_none_and_no_others() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    let silent = stage.enqueue("exec sleep 30", &["--max-attempts", "1"]);
    stage.enqueue(&format!("sleep 1; echo x >> {}", done.display()), &["--timeout", "20s"]);

    let (code, log) = stage.work(&["--timeout", "200ms", "--stop-when-empty"]).end();

    assert_eq!((code, lines(&done)), (Some(0), 1), "{log}");
    let dead = stage.job(silent).await.unwrap();
    assert_eq!(dead.state, JobState::Dead);
    let last = dead.history.last().unwrap();
    assert_eq!(last.kind, jobq_core::FailureKind::Timeout, "{last:?}");
}

#[tokio::test]
async fn the_log_is_lines_of_text_or_of_json_and_the_summary_stands_apart() {
    let stage = Stage::set().await;
    stage.enqueue("exit 1", &["--max-attempts", "1"]);
    let run = |options: &[&str]| {
        let mut command = stage.jobq();
        command.args(["work", "--allow-command", "sh", "--stop-when-empty"]).args(options);
        command.stdin(Stdio::null()).output().unwrap()
    };

    let readable = run(&[]);
    let log = text(&readable.stderr);
    assert!(log.contains(" INFO ") && log.contains(" ERROR jobq: job dead"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colour where no terminal is: {log}");
    let summary = text(&readable.stdout);
    assert!(summary.starts_with("processed 1, failed 1 in "), "{summary}");
    assert!(summary.trim_end().ends_with(" jobs/s)") && summary.lines().count() == 1, "{summary}");

    stage.enqueue("exit 1", &["--max-attempts", "1"]);
    let programs = run(&["--log-format", "json", "--json"]);
    let log = text(&programs.stderr);
    assert!(log.lines().count() > 1, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string() && line["timestamp"].is_string(), "{line}");
    }
    let summary: Value = serde_json::from_slice(&programs.stdout).unwrap();
    for (name, count) in [("processed", 1), ("failed", 1), ("dead", 1), ("completed", 0)] {
        assert_eq!(summary[name], count, "{summary}");
    }
    assert!(summary["seconds"].is_number() && summary["jobs_per_second"].is_number(), "{summary}");
    assert_eq!(summary["reason"], "empty");
}

#[tokio::test]
async fn the_log_and_the_summary_count_what_was_processed_alike() {
    let stage = Stage::set().await;
    stage.enqueue("exit 1", &["--max-attempts", "1"]);
    let stranger = stage.run(&["enqueue", "stranger", "--json", "1"]);
    assert!(stranger.status.success(), "{stranger:?}");
    let mut work = stage.jobq();
    work.args(["work", "--allow-command", "sh", "--stop-when-empty"]);
    work.args(["--log-format", "json", "--json"]);

    let output = work.output().unwrap();

    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["dead"], &summary["snoozed"]), (&1.into(), &1.into()), "{summary}");
    let log = text(&output.stderr);
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stopped: Vec<_> =
        lines.filter(|line| line["fields"]["message"] == "worker stopped").collect();
    assert_eq!(stopped.len(), 1, "{log}");
    assert_eq!(stopped[0]["fields"]["processed"], 1, "{log}");
    assert_eq!(summary["processed"], 1, "{summary}");
}

#[tokio::test]
async fn the_built_in_kinds_come_from_any_queue() {
    let stage = Stage::set().await;

    let (code, log) = stage.work(&["--queue", "crm", "--stop-when-empty"]).end();

    assert!(code == Some(0) && !log.contains("does not serve"), "{log}");
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
