//! What is only on a terminal: bars, colour, and questions. `script` of util-linux gives one.

use std::io::Write;
use std::process::{Command, Stdio};

use jobq_core::{Backend, JobId, JobRecord, Kind, NewJob, Payload, QueueName, SystemClock, When};

use crate::stage::{Stage, text};

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
    let place = format!("127.0.0.1:{}", stage.server.port());
    let question = format!("delete 3 dead jobs, in 1 queue of {place}? [y/N]");
    assert!(!is_well && seen.contains(&question), "{seen:?}");
    assert!(seen.contains("nothing was changed"), "{seen:?}");
    assert_eq!(stage.stats().await.dead, 3);

    let (is_well, seen) = on_terminal(&stage, "flush", &[], "y\n");
    assert!(is_well && seen.contains("3 dead jobs deleted"), "{seen:?}");
    assert_eq!(stage.stats().await.dead, 0);
}

#[tokio::test]
async fn questions_say_what_is_lost_and_where_and_never_the_password() {
    let stage = Stage::set().await;
    let secret = format!("redis://:top-secret@127.0.0.1:{}", stage.server.port());
    let place = format!("127.0.0.1:{} (prefix shop)", stage.server.port());
    let shop: &[(&str, &str)] = &[("REDIS_URL", &secret), ("JOBQ_PREFIX", "shop")];
    // A server without a password refuses one, so the questions before it come of a server without.
    let url = stage.server.url();
    let shop_here: &[(&str, &str)] = &[("REDIS_URL", &url), ("JOBQ_PREFIX", "shop")];
    let run = |arguments: &[&str]| {
        let output = stage.jobq().env("JOBQ_PREFIX", "shop").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout).trim().to_owned()
    };
    let ids = [(); 3].map(|()| run(&["enqueue", "sync", "--queue", "crm"]));
    run(&["schedule", "add", "nightly", "--daily-at", "02:00", "sync"]);
    run(&["limits", "set", "crm", "--rate", "5/s"]);
    let asked = |line: &str, question: &str| {
        let (is_well, seen) = on_terminal(&stage, line, shop_here, "n\n");
        assert!(!is_well && seen.contains(&format!("{question} [y/N]")), "{line}: {seen:?}");
        assert!(seen.contains("nothing was changed"), "{line}: {seen:?}");
    };

    let one = &ids[0];
    asked(&format!("jobs delete {one}"), &format!("delete job crm/{one} (sync, ready)?"));
    asked(
        &format!("jobs delete {one} {}", ids[1]),
        &format!("delete 2 jobs (2 ready) at {place}?"),
    );
    asked("clear crm", &format!("delete 3 jobs of queue crm (3 ready) at {place}?"));
    asked(
        &format!("cancel {one} {}", ids[1]),
        &format!("cancel 2 jobs at {place}, also those that run?"),
    );
    asked(
        "schedule remove nightly",
        &format!("remove schedule nightly of group default (at 02:00 every day, UTC) at {place}?"),
    );

    // What is not there is not asked about.
    let absent = JobId::from_key("x");
    let (is_well, seen) = on_terminal(&stage, &format!("jobs delete {absent}"), shop_here, "");
    assert!(!is_well && seen.contains("not found") && !seen.contains("[y/N]"), "{seen:?}");
    let (_, seen) = on_terminal(&stage, "flush", shop, "n\n");
    assert!(!seen.contains("top-secret"), "{seen:?}");
    assert_eq!(run(&["jobs", "list", "crm", "--json"]).matches("\"ready\"").count(), 3);
}

#[tokio::test]
async fn what_takes_limits_away_asks_and_what_only_sets_them_does_not() {
    let stage = Stage::set().await;
    let path = stage.path("jobq.toml");
    let apply = |options: &str| format!("--config {} limits apply {options}", path.display());
    std::fs::write(&path, "[queues.crm]\nconcurrency = 5\n[queues.crm.lane.\"7\"]\nrate = \"5/s\"")
        .unwrap();
    assert!(stage.run(&apply("").split_whitespace().collect::<Vec<_>>()).status.success());

    std::fs::write(&path, "[queues.crm]\nconcurrency = 6\n").unwrap();
    let refused = stage.run(&apply("").split_whitespace().collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(text(&refused.stderr).contains("this takes limits away, and there is no terminal"));
    let tried = stage.run(&apply("--dry-run").split_whitespace().collect::<Vec<_>>());
    let told = text(&tried.stdout);
    assert!(told.contains("queue crm: would be concurrency 6\n"), "{told}");
    assert!(told.contains("lane 7 of queue crm: would be without limits of programs"), "{told}");
    let (is_well, seen) = on_terminal(&stage, &apply(""), &[], "n\n");
    let question = format!(
        "take away what the file does not say, rate 5/s of lane 7 of queue crm, at 127.0.0.1:{}? [y/N]",
        stage.server.port()
    );
    assert!(!is_well && seen.contains(&question), "{seen:?}");
    let limits = || text(&stage.run(&["limits", "crm"]).stdout);
    assert!(limits().contains("5/s") && limits().contains("concurrency  5"), "{}", limits());

    assert!(stage.run(&apply("--yes").split_whitespace().collect::<Vec<_>>()).status.success());
    assert!(!limits().contains("5/s") && limits().contains("concurrency  6"), "{}", limits());
}

#[tokio::test]
async fn without_a_terminal_what_destroys_is_refused_unless_it_is_meant() {
    let stage = Stage::set().await;
    with_dead(&stage, 3).await;
    let [id, other] = ["x", "y"].map(|key| JobId::from_key(key).to_string());
    for command in [
        &["flush"] as &[&str],
        &["prune", "--hours", "0"],
        &["clear", "default", "--state", "dead"],
        &["jobs", "delete", &id],
        &["forget", &id],
        &["batch", &id, "call-off"],
        &["cancel", &id, &other],
        &["schedule", "remove", "nightly"],
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
    let list = "jobs list default --limit 1";
    // For people the hint stands below the rows; where they go to a program it does not stand among them.
    let (_, seen) = on_terminal(&stage, list, &[], "");
    assert!(seen.contains("and 2 more: --offset 1"), "{seen:?}");
    let (_, seen) = on_terminal(&stage, &format!("--quiet {list}"), &[], "");
    assert!(!seen.contains("more"), "{seen:?}");
    let piped = stage.run(&list.split(' ').collect::<Vec<_>>());
    assert_eq!(text(&piped.stdout).lines().count(), 2, "the table alone");
    assert_eq!(text(&piped.stderr), "and 2 more: --offset 1\n");

    let quiet = stage.run(&["--quiet", "pause", "new"]);
    assert!(quiet.status.success() && quiet.stderr.is_empty(), "{quiet:?}");
    let told = stage.run(&["pause", "newer"]);
    assert!(text(&told.stderr).contains("warning: queue \"newer\" never had a job"), "{told:?}");
}
