//! What is only on a terminal: bars, colour, and questions. `script` of util-linux gives one.

use std::io::Write;
use std::process::{Command, Stdio};

use jobq_core::{Backend, JobId, JobRecord, Kind, NewJob, Payload, QueueName, SystemClock, When};

use crate::stage::{Stage, lines, text};

/// Runs a command on a terminal, types an answer, and gives what was to be seen.
fn on_terminal(
    stage: &Stage,
    line: &str,
    variables: &[(&str, &str)],
    typed: &str,
) -> (bool, String) {
    let program = env!("CARGO_BIN_EXE_jobq");
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &format!("{program} {line}"), "/dev/null"]);
    command.env("REDIS_URL", stage.server.url()).env("TERM", "xterm").env_remove("JOBQ_CONFIG");
    command.env_remove("NO_COLOR").envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("`script` of util-linux is needed");
    process.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    (output.status.success(), text(&output.stdout))
}

/// Dead jobs, so many that it takes several steps to move them.
async fn with_dead(stage: &Stage, count: usize) {
    let jobs: Vec<_> = (0..count)
        .map(|_| {
            let id = JobId::generate(&SystemClock::default());
            let queue = QueueName::new("default").unwrap();
            let payload = Payload::from_json(r#"{"program": "not-allowed"}"#).unwrap();
            let record = JobRecord::new(id, queue, Kind::new("command").unwrap(), payload);
            NewJob::new(record, When::Now)
        })
        .collect();
    stage.backend.enqueue_jobs(&jobs).await.unwrap();
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));
    assert_eq!(stage.stats().await.dead, count as u64);
}

#[tokio::test]
async fn long_bulk_actions_show_how_far_they_are_on_a_terminal_and_nowhere_else() {
    let stage = Stage::set().await;
    with_dead(&stage, 250).await;

    let (is_well, seen) = on_terminal(&stage, "retry all", &[], "");
    assert!(is_well && seen.contains("/250"), "{seen:?}");
    assert!(seen.contains("250 jobs put back, 0 left"), "{seen:?}");
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));

    let piped = stage.run(&["retry", "all"]);
    assert_eq!(text(&piped.stdout), "250 jobs put back, 0 left\n");
    assert!(piped.stderr.is_empty(), "{piped:?}");
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));

    let (is_well, seen) = on_terminal(&stage, "--quiet retry all", &[], "");
    assert!(is_well && !seen.contains("/250"), "{seen:?}");
    assert_eq!(stage.work(&["--quiet", "--stop-when-empty"]).end().0, Some(0));

    let (is_well, seen) = on_terminal(&stage, "flush --yes", &[], "");
    assert!(is_well && seen.contains("/250"), "{seen:?}");
    assert_eq!(stage.stats().await.dead, 0);
}

#[tokio::test]
async fn what_destroys_asks_first_and_goes_by_the_answer() {
    let stage = Stage::set().await;
    with_dead(&stage, 3).await;

    let (is_well, seen) = on_terminal(&stage, "flush", &[], "n\n");
    assert!(!is_well && seen.contains("delete 3 dead jobs, in 1 queues? [y/N]"), "{seen:?}");
    assert!(seen.contains("nothing was changed"), "{seen:?}");
    assert_eq!(stage.stats().await.dead, 3);

    let (is_well, seen) = on_terminal(&stage, "flush", &[], "y\n");
    assert!(is_well && seen.contains("3 dead jobs deleted"), "{seen:?}");
    assert_eq!(stage.stats().await.dead, 0);
}

#[tokio::test]
async fn without_a_terminal_what_destroys_is_refused_unless_it_is_meant() {
    let stage = Stage::set().await;
    with_dead(&stage, 3).await;
    let id = JobId::from_key("x").to_string();
    for command in [
        &["flush"] as &[&str],
        &["prune", "--hours", "0"],
        &["clear", "default", "--state", "dead"],
        &["jobs", "delete", &id],
        &["forget", &id],
        &["batch", &id, "call-off"],
    ] {
        let refused = stage.run(command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        assert!(text(&refused.stderr).contains("say --yes, or --dry-run"), "{refused:?}");
    }
    for command in [&["flush", "--dry-run"] as &[&str], &["retry", "all", "--dry-run"]] {
        assert!(stage.run(command).status.success());
    }
    assert_eq!(stage.stats().await.dead, 3);
}

#[tokio::test]
async fn colour_is_for_terminals_that_want_it() {
    let stage = Stage::set().await;
    let work = "work --allow-command true --stop-when-empty";
    let has_colour = |seen: &str| seen.contains("\u{1b}[3") || seen.contains("\u{1b}[2m");

    let (is_well, seen) = on_terminal(&stage, work, &[], "");
    assert!(is_well && has_colour(&seen), "{seen:?}");
    let (is_well, seen) = on_terminal(&stage, work, &[("NO_COLOR", "1")], "");
    assert!(is_well && !has_colour(&seen), "{seen:?}");
    let (is_well, seen) = on_terminal(&stage, work, &[("NO_COLOR", "")], "");
    assert!(is_well && has_colour(&seen), "an empty one is not set: {seen:?}");
    for command in ["queues", "stats", "doctor", "nonsense", "--help"] {
        let (_, seen) = on_terminal(&stage, command, &[("NO_COLOR", "1")], "");
        assert!(!has_colour(&seen), "{command}: {seen:?}");
    }
}

#[tokio::test]
async fn a_quiet_command_prints_its_result_and_nothing_else() {
    let stage = Stage::set().await;
    for _ in 0..3 {
        stage.enqueue("exit 0", &[]);
    }
    let list = |quiet: &[&str]| {
        let mut arguments = quiet.to_vec();
        arguments.extend(["jobs", "list", "default", "--limit", "1"]);
        text(&stage.run(&arguments).stdout)
    };
    assert!(list(&[]).contains("and 2 more: --offset 1"), "a hint");
    assert_eq!(list(&["--quiet"]).lines().count(), 2, "the table alone");
    let noted = stage.path("noted");
    std::fs::write(&noted, list(&["--quiet"])).unwrap();
    assert_eq!(lines(&noted), 2);
}
