//! Schedules: declared in `jobq.toml`, changed by the command line, and run by `jobq scheduler`.

use std::fs;
use std::process::Stdio;

use jobq_core::schedules::Schedules as _;
use jobq_core::{GroupName, Inspect, JobState, QueueName, ScheduleName};
use jobq_scheduler::{Schedule, Scheduler, TimeUnits, Timetable};
use serde_json::Value;

use crate::stage::{Stage, WorkerProcess, lines, text, until};

/// A file that runs a script every second.
fn every_second(stage: &Stage, script: &str) -> String {
    let path = stage.path("jobq.toml");
    let toml = format!(
        "[scheduler]\ngroup = \"shop\"\n[schedules.note]\ncron = \"* * * * * *\"\n\
         kind = \"command\"\npayload = {{ program = \"sh\", args = [\"-c\", {script:?}] }}\n"
    );
    fs::write(&path, toml).unwrap();
    path.display().to_string()
}

fn start(stage: &Stage, arguments: &[&str]) -> WorkerProcess {
    let mut command = stage.jobq();
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    WorkerProcess(command.spawn().unwrap())
}

/// What a command prints, if it ends well.
fn told(stage: &Stage, arguments: &[&str]) -> String {
    let output = stage.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output.stdout).trim_end().to_owned()
}

fn json(stage: &Stage, arguments: &[&str]) -> Value {
    serde_json::from_str(&told(stage, arguments)).unwrap()
}

fn refused(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let output = stage.run(arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    assert_eq!(said.trim().lines().count(), 1, "{arguments:?}: {said}");
    said
}

/// The ticks for which two schedulers have enqueued, as their jobs say.
#[tokio::test]
async fn two_schedulers_and_a_worker_run_each_tick_once_until_they_are_told_to_stop() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    let path = every_second(&stage, &format!("echo x >> {}", done.display()));
    let schedulers = [(); 2].map(|()| start(&stage, &["--config", &path, "scheduler"]));
    let worker = stage.work(&[]);

    until("five runs", || lines(&done) >= 5);
    let mut enqueued = 0;
    for scheduler in schedulers {
        scheduler.signal("-TERM");
        let (code, log) = scheduler.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("1 by "), "{log}");
        enqueued += enqueued_by(&log);
    }
    until("all that was enqueued", || lines(&done) as u64 >= enqueued);
    worker.signal("-TERM");
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    assert_eq!(lines(&done) as u64, enqueued, "{log}");
    // They have left their group: nobody lives.
    let shop = GroupName::new("shop").unwrap();
    let me = jobq_core::WorkerId::generate();
    let attendance = stage.backend.attend(&shop, me, "me", 60.seconds()).await.unwrap();
    assert_eq!(attendance.words, ["me"]);
}

/// From `enqueued 12, left out 0 in 9.1 s`.
fn enqueued_by(log: &str) -> u64 {
    let summary = log.lines().find_map(|line| line.strip_prefix("enqueued "));
    let summary = summary.unwrap_or_else(|| panic!("no summary: {log}"));
    summary.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_worker_runs_schedules_beside_its_jobs_and_stops_with_both() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    let path = every_second(&stage, &format!("echo x >> {}", done.display()));
    let worker = stage.work(&["--config", &path, "--scheduler"]);
    until("two runs", || lines(&done) >= 2);

    worker.signal("-TERM");
    let (code, log) = worker.end();

    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("processed ") && log.contains("schedules: enqueued "), "{log}");
}

#[tokio::test]
async fn a_worker_that_ends_by_itself_takes_its_scheduler_along() {
    let stage = Stage::set().await;
    let path = every_second(&stage, "true");

    let (code, log) = stage.work(&["--config", &path, "--scheduler", "--max-time", "1s"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("schedules: enqueued "), "{log}");
}

#[tokio::test]
async fn once_enqueues_what_is_due_and_ends() {
    let stage = Stage::set().await;
    let done = stage.path("done");
    let path = every_second(&stage, &format!("echo x >> {}", done.display()));
    let once = |arguments: &[&str]| {
        let arguments = [&["--config", &path, "scheduler", "--once"], arguments].concat();
        told(&stage, &arguments)
    };

    // The first one makes the schedule known; it owes nothing yet, unless a second has just begun.
    let first = once(&[]);
    assert!(first.starts_with("enqueued ") && first.contains(", left out 0 in "), "{first}");
    until("a tick", || {
        let summary: Value = serde_json::from_str(&once(&["--json"])).unwrap();
        summary["enqueued"] == 1
    });
    // And so it is from a line of cron for both.
    until("a run", || {
        let worker = stage.work(&["--config", &path, "--scheduler", "--stop-when-empty"]);
        let (code, log) = worker.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("schedules: enqueued "), "{log}");
        lines(&done) >= 2
    });
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_the_server() {
    let stage = Stage::set().await;
    let path = every_second(&stage, "true");
    let scheduler = start(&stage, &["--config", &path, "scheduler"]);
    until("the start", || {
        !told(&stage, &["schedule", "list", "--group", "shop"]).contains("no schedules")
    });
    let freeze = |signal: &str| {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.arg(signal).arg(stage.server.pid().to_string()).status().unwrap().success());
    };
    freeze("-STOP");

    until("the end", || {
        scheduler.signal_quietly("-INT");
        !scheduler.is_alive()
    });

    let (code, _) = scheduler.end();
    freeze("-CONT");
    assert!([Some(0), Some(1)].contains(&code), "{code:?}");
}

#[tokio::test]
async fn schedules_are_added_seen_run_changed_paused_and_removed() {
    let stage = Stage::set().await;
    let add = [
        "schedule",
        "add",
        "prune",
        "--cron",
        "0 2 * * *",
        "--timezone",
        "Europe/Warsaw",
        "--overlap",
        "skip",
        "--catch-up",
        "all 24 within 2d",
        "prune_failed",
        "--json",
        "{\"hours\":168}",
        "--queue",
        "maintenance",
        "--priority",
        "5",
    ];
    assert_eq!(
        told(&stage, &add),
        "schedule prune of group default is added: at 02:00 every day, Europe/Warsaw"
    );
    let again = refused(&stage, &add, 1);
    let hint = "\"prune\" is there already: change it by `jobq schedule change prune`";
    assert!(again.contains(hint), "{again}");

    let list = json(&stage, &["schedule", "list", "--json"]);
    for (key, value) in [
        ("name", "prune"),
        ("group", "default"),
        ("source", "operator"),
        ("queue", "maintenance"),
        ("overlap", "skip"),
        ("catch_up", "all 24 within 2d"),
    ] {
        assert_eq!(list[0][key], value, "{list}");
    }
    let table = told(&stage, &["schedule", "list"]);
    assert!(
        table.contains("at 02:00 every day  Europe/Warsaw  prune_failed on maintenance"),
        "{table}"
    );

    let id = told(&stage, &["schedule", "run", "prune"]);
    let maintenance = QueueName::new("maintenance").unwrap();
    let job = stage.backend.job(&maintenance, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((job.state, job.record.priority.level()), (JobState::Ready, 5));
    assert_eq!(job.record.metadata.get("schedule"), Some("default/prune"));
    let left_out = stage.run(&["schedule", "run", "prune", "--json"]);
    assert_eq!(left_out.status.code(), Some(1));
    assert_eq!(
        text(&left_out.stdout).trim(),
        r#"{"group":"default","id":null,"name":"prune","outcome":"left_out"}"#
    );

    let next = json(&stage, &["schedule", "next", "prune", "-n", "3", "--json"]);
    assert_eq!(next.as_array().unwrap().len(), 3);
    assert!(next[0]["local"].as_str().unwrap().contains("T02:00:00+0"), "{next}");

    assert_eq!(
        told(&stage, &["schedule", "pause", "prune"]),
        "schedule prune of group default is paused"
    );
    assert!(told(&stage, &["schedule", "list"]).ends_with("operator  paused"));
    assert!(told(&stage, &["schedule", "next", "prune"]).ends_with("`jobq schedule resume`"));
    assert_eq!(
        told(&stage, &["schedule", "resume", "prune", "--json"]),
        r#"{"group":"default","name":"prune","state":"resumed"}"#
    );
    assert_eq!(
        told(&stage, &["schedule", "change", "prune", "--every", "30m", "sync"]),
        "schedule prune of group default is changed: every 30 minutes"
    );
    assert_eq!(
        told(&stage, &["schedule", "remove", "prune", "--dry-run"]),
        "schedule prune of group default would be removed"
    );
    assert!(told(&stage, &["schedule", "list"]).contains("prune"));
    told(&stage, &["schedule", "remove", "prune", "--yes"]);
    assert!(told(&stage, &["schedule", "list"]).starts_with("group default has no schedules"));
}

#[tokio::test]
async fn mistakes_point_at_what_was_meant() {
    let stage = Stage::set().await;
    let timetable = Timetable::new(stage.backend.clone(), "shop").unwrap();
    let job = jobq_core::JobRecord::new(
        jobq_core::JobId::from_key(""),
        QueueName::new("default").unwrap(),
        jobq_core::Kind::new("prune_failed").unwrap(),
        jobq_core::Payload::from_json("{}").unwrap(),
    );
    let hourly = Schedule::hourly().record(job);
    timetable.add("prune", hourly.clone()).await.unwrap();
    let scheduler = Scheduler::new(stage.backend.clone()).group("shop").schedule("own", hourly);
    scheduler.run_once().await.unwrap();

    for (arguments, told, code) in [
        (
            &["schedule", "next", "prun", "--group", "shop"] as &[&str],
            "group shop has no schedule \"prun\": did you mean \"prune\"?",
            2,
        ),
        (
            &["schedule", "pause", "prune"],
            "group default has no schedule \"prune\", nor any other (there is group shop: see --group)",
            2,
        ),
        (&["schedule", "run", "prunes", "--group", "shop"], "did you mean \"prune\"?", 2),
        (
            &["schedule", "remove", "prunes", "--group", "shop", "--yes"],
            "did you mean \"prune\"?",
            2,
        ),
        (
            &["schedule", "remove", "own", "--group", "shop", "--dry-run"],
            "schedule \"own\" is declared by code: change it there, or pause it",
            1,
        ),
        (
            &["schedule", "remove", "own", "--group", "shop", "--yes"],
            "schedule \"own\" is declared by code: change it there, or pause it",
            1,
        ),
        (
            &["schedule", "add", "x", "--cron", "61 * * * *", "sync"],
            "cron expression \"61 * * * *\": minute \"61\": 61 is not 0 to 59",
            2,
        ),
        (&["schedule", "add", "x", "--cron", "0 0 30 2 *", "sync"], "never fires", 2),
        (
            &["schedule", "add", "x", "--daily-at", "02:00", "--timezone", "Europe/Warsa", "sync"],
            "time zone \"Europe/Warsa\" is not known: did you mean \"Europe/Warsaw\"?",
            2,
        ),
        (&["schedule", "add", "x", "--every", "1h", "sync", "--json", "{"], "", 2),
        (
            &["schedule", "next", "prune", "-n", "10001"],
            "\"10001\" is not a number from 1 to 10000",
            2,
        ),
    ] {
        let said = refused(&stage, arguments, code);
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_mistake_in_a_schedule_of_the_file_is_told_at_the_start() {
    let stage = Stage::set().await;
    let path = stage.path("jobq.toml");
    let shown = path.display().to_string();
    for (toml, told) in [
        (
            "[schedules.a]\nkind = \"x\"\ncron = \"0 25 * * *\"",
            "line 3, column 8: cron expression \"0 25 * * *\": hour \"25\"",
        ),
        (
            "[schedules.a]\nkind = \"x\"\ndaily_at = \"02:00\"\ntimezone = \"Warsaw\"",
            "line 4, column 12: time zone \"Warsaw\"",
        ),
        ("[schedules.a]\nkind = \"x\"\ncron = \"0 0 31 2 *\"", "never fires"),
        (
            "[schedules.a]\nkind = \"x\"\nevry = \"1h\"",
            "line 3, column 1: unknown key \"evry\": did you mean \"every\"?",
        ),
        (
            "[schedules.a]\nkind = \"x\"",
            "line 1: schedule \"a\": say one of cron, every and daily_at",
        ),
    ] {
        fs::write(&path, toml).unwrap();
        for command in [&["scheduler", "--once"] as &[&str], &["work", "--scheduler"]] {
            let arguments = [&["--config", shown.as_str()], command].concat();
            let said = refused(&stage, &arguments, 2);
            assert!(said.contains(told) && said.contains("jobq.toml"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_schedule_that_left_the_file_stays_while_a_pass_that_had_it_counts_as_living() {
    let stage = Stage::set().await;
    let path = every_second(&stage, "true");
    told(&stage, &["--config", &path, "scheduler", "--once"]);
    let names = || {
        let list = json(&stage, &["schedule", "list", "--group", "shop", "--json"]);
        let name = |view: &Value| view["name"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names(), ["note"]);

    fs::write(
        &path,
        "[scheduler]\ngroup = \"shop\"\n[schedules.other]\nevery = \"1h\"\nkind = \"x\"",
    )
    .unwrap();
    told(&stage, &["--config", &path, "scheduler", "--once"]);
    // It leaves the group minutes later: the tests of jobq-scheduler wait for that, in no time.
    assert_eq!(names(), ["note", "other"]);
    let why = refused(&stage, &["schedule", "remove", "note", "--group", "shop", "--yes"], 1);
    assert!(why.contains("declared by code"), "{why}");
}

#[tokio::test]
async fn many_schedules_are_listed_a_page_at_a_time() {
    let stage = Stage::set().await;
    let job = jobq_core::JobRecord::new(
        jobq_core::JobId::from_key(""),
        QueueName::new("default").unwrap(),
        jobq_core::Kind::new("sync").unwrap(),
        jobq_core::Payload::from_json("{}").unwrap(),
    );
    let daily = Schedule::daily_at("02:00").timezone("Europe/Warsaw").record(job);
    let all = (0..2_000).map(|i| (format!("s{i:05}"), daily.clone()));
    Scheduler::new(stage.backend.clone()).schedules(all).run_once().await.unwrap();

    let page = told(&stage, &["schedule", "list", "--limit", "2"]);
    let rows: Vec<&str> = page.lines().collect();
    assert_eq!(rows.len(), 3, "{page}");
    let hint = text(&stage.run(&["schedule", "list", "--limit", "2"]).stderr);
    assert_eq!(hint, "and more: --after s00001\n");
    let last = told(&stage, &["schedule", "list", "--after", "s01998"]);
    assert_eq!(last.lines().count(), 2, "{last}");
    let all = json(&stage, &["schedule", "list", "--limit", "20000", "--json"]);
    assert_eq!(all.as_array().unwrap().len(), 2_000);
    let name = ScheduleName::new("s01999").unwrap();
    assert_eq!(all[1_999]["name"], name.as_str());
}
