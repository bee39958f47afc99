//! Whoever reads what a command prints may go away, or have no room: the work is done all the same, and the exit code
//! is the one that is due.

use std::fs::OpenOptions;
use std::process::{Child, Command, Output, Stdio};

use jobq_core::{Inspect, JobState, QueueName};

use crate::stage::{Stage, text};

/// Runs a command whose output nobody reads: the other end of the pipe is closed before it starts.
fn unread(stage: &Stage, arguments: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    ended(stage.jobq().args(arguments).stdout(writer))
}

/// Runs a command whose output has no room.
fn full(stage: &Stage, arguments: &[&str]) -> Output {
    let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
    ended(stage.jobq().args(arguments).stdout(device))
}

fn ended(command: &mut Command) -> Output {
    let child: Child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

fn enqueue(stage: &Stage, count: usize) -> Vec<String> {
    (0..count).map(|_| stage.enqueue("exit 1", &["--max-attempts", "1"]).to_string()).collect()
}

async fn dead(stage: &Stage, count: usize) -> Vec<String> {
    let ids = enqueue(stage, count);
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));
    assert_eq!(stage.stats().await.dead, count as u64);
    ids
}

fn line<'a>(words: &[&'a str], ids: &'a [String]) -> Vec<&'a str> {
    words.iter().copied().chain(ids.iter().map(String::as_str)).collect()
}

#[tokio::test]
async fn a_bulk_command_does_all_of_its_work_though_nobody_reads_what_it_prints() {
    let stage = Stage::set().await;

    let ids = enqueue(&stage, 8);
    assert_eq!(unread(&stage, &line(&["cancel", "--yes"], &ids)).status.code(), Some(0));
    assert_eq!(stage.stats().await.ready, 0);

    let ids = enqueue(&stage, 8);
    let delete = line(&["jobs", "delete", "--yes"], &ids);
    assert_eq!(unread(&stage, &delete).status.code(), Some(0));
    assert_eq!(stage.stats().await.ready, 0);
    // None is there any more, and that is still told by the code.
    assert_eq!(unread(&stage, &delete).status.code(), Some(1));

    let ids = dead(&stage, 8).await;
    assert_eq!(unread(&stage, &line(&["retry"], &ids)).status.code(), Some(0));
    assert_eq!(stage.stats().await.ready, 8);
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));
    assert_eq!(unread(&stage, &line(&["forget", "--yes"], &ids)).status.code(), Some(0));
    assert_eq!(stage.stats().await.dead, 0);
}

#[tokio::test]
async fn a_bulk_command_does_all_of_its_work_though_what_it_prints_has_no_room() {
    let stage = Stage::set().await;
    let ids = enqueue(&stage, 8);

    let cancelled = full(&stage, &line(&["cancel", "--yes"], &ids));

    assert_eq!(cancelled.status.code(), Some(1));
    assert!(text(&cancelled.stderr).starts_with("jobq: cannot write: "), "{cancelled:?}");
    assert_eq!(stage.stats().await.ready, 0);
}

#[tokio::test]
async fn all_limits_of_the_file_are_set_though_nobody_reads_which() {
    let stage = Stage::set().await;
    let path = stage.path("jobq.toml");
    let tables = (0..8).map(|n| format!("[queues.q{n}]\nconcurrency = 5\n"));
    std::fs::write(&path, tables.collect::<String>()).unwrap();

    let applied = unread(&stage, &["--config", path.to_str().unwrap(), "limits", "apply"]);

    assert_eq!(applied.status.code(), Some(0), "{applied:?}");
    for n in 0..8 {
        let queue = QueueName::new(format!("q{n}")).unwrap();
        assert_eq!(stage.backend.limits(&queue, 9).await.unwrap().len(), 1, "{queue}");
    }
}

#[tokio::test]
async fn an_alert_is_not_lost_with_its_reader() {
    let stage = Stage::set().await;
    enqueue(&stage, 1);
    for command in [
        &["monitor", "default", "--max", "0"] as &[&str],
        &["monitor", "default", "--max", "0", "--json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        for told in [unread(&stage, command), full(&stage, command)] {
            assert_eq!(told.status.code(), Some(1), "{command:?}: {told:?}");
        }
    }
    let told = full(&stage, &["monitor", "default", "--max", "0"]);
    assert!(text(&told.stderr).contains("ready, more than 0"), "{told:?}");
    for command in [&["monitor", "default", "--max", "1"] as &[&str], &["queues"], &["--help"]] {
        assert_eq!(unread(&stage, command).status.code(), Some(0), "{command:?}");
    }
}

#[tokio::test]
async fn a_job_whose_id_could_not_be_printed_is_told_of() {
    let stage = Stage::set().await;
    for options in [&[] as &[&str], &["--json-output"]] {
        let before = stage.stats().await.ready;
        let told = full(&stage, &[&["enqueue", "report"], options].concat());

        assert_eq!(told.status.code(), Some(1), "{told:?}");
        let default = QueueName::new("default").unwrap();
        let jobs = stage.backend.jobs(&default, JobState::Ready, 0, 9).await.unwrap();
        assert_eq!(jobs.len() as u64, before + 1);
        let said = text(&told.stderr);
        assert!(said.starts_with("jobq: cannot write: No space left on device"), "{said}");
        let id = jobs.iter().map(|job| job.record.id.to_string()).max().unwrap();
        assert!(said.ends_with(&format!("; job default/{id} was enqueued\n")), "{said}");
    }
}
