//! Jobs are listed, shown and deleted: one by one, and many at once.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::golden::{ended, json, lines};
use crate::stage::{Stage, text};

/// One dead job, two that are ready, one that is scheduled; their ids in this order.
async fn stage() -> (Stage, [String; 4]) {
    let stage = Stage::set().await;
    let dead = stage.enqueue("echo no luck; exit 3", &["--max-attempts", "1"]);
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    let ready = [stage.enqueue("exit 0", &["--lane", "7"]), stage.enqueue("exit 0", &[])];
    let scheduled = stage.enqueue("exit 0", &["--after", "1h", "--max-attempts", "9"]);
    let ids = [dead, ready[0], ready[1], scheduled].map(|id| id.to_string());
    (stage, ids)
}

#[tokio::test]
async fn the_jobs_of_a_queue_are_listed_state_by_state() {
    let (stage, _) = stage().await;

    let listed = stage.run(&["jobs", "list", "default"]);
    assert_eq!(
        lines(&listed),
        [
            "id state kind lane priority failed enqueued at time",
            "ID scheduled command - 0 0 TIME due TIME",
            "ID ready command - 0 0 TIME -",
            "ID ready command 7 0 0 TIME -",
            "ID dead command - 0 1 TIME died TIME",
        ]
    );
    assert_eq!(ended(&listed), (Some(0), String::new()));

    let cut = stage.run(&["jobs", "list", "default", "--state", "ready,dead", "--limit", "2"]);
    // Rows for a program, and the hint beside them.
    assert_eq!(lines(&cut).len(), 3);
    assert_eq!(ended(&cut), (Some(0), "and 1 more: --offset 2".to_owned()));
    let quiet =
        stage.run(&["--quiet", "jobs", "list", "default", "--state", "ready,dead", "--limit", "2"]);
    assert_eq!((lines(&quiet).len(), ended(&quiet)), (3, (Some(0), String::new())));
    let past = stage.run(&["jobs", "list", "default", "--offset", "50"]);
    assert_eq!(lines(&past), ["no more than 4 such jobs in queue default"]);
    let none = stage.run(&["jobs", "list", "default", "--state", "cancelled", "--offset", "50"]);
    assert_eq!(lines(&none), ["no such jobs in queue default"]);
    let none = stage.run(&["jobs", "list", "default", "--state", "cancelled"]);
    assert_eq!(lines(&none), ["no such jobs in queue default"]);
}

#[tokio::test]
async fn the_list_for_programs_says_where_it_goes_on() {
    let (stage, _) = stage().await;

    let listed =
        stage.run(&["jobs", "list", "default", "--state", "ready", "--limit", "1", "--json"]);
    assert_eq!(
        json(&listed),
        json!({
            "jobs": [{
                "id": "ID", "queue": "default", "kind": "command", "state": "ready", "lane": null,
                "priority": 0, "failed_attempts": 0, "max_attempts": 5, "crashes": 0,
                "cancel_requested": false, "enqueued_at": "TIME", "at": null, "worker": null, "unreadable": null,
            }],
            "total": 2,
            "next_offset": 1,
        })
    );
    let last = stage.run(&["jobs", "list", "default", "--state", "dead", "--json"]);
    assert_eq!(json(&last)["next_offset"], json!(null));
}

#[tokio::test]
async fn a_job_is_shown_with_its_payload_and_its_failures() {
    let (stage, [dead, ..]) = stage().await;

    let shown = lines(&stage.run(&["jobs", "show", &dead]));
    assert_eq!(
        shown[..7],
        [
            "job default/ID",
            "kind command",
            "state dead, died TIME",
            "enqueued at TIME",
            "attempts 1 of 1 failed",
            "priority 0",
            r#"payload {"args":["-c","echo no luck; exit 3"],"env":{},"program":"sh"}"#,
        ]
    );
    assert_eq!(
        shown[7], r#"TIME attempt 1: error: "sh" ended with exit status: 3: no luck"#,
        "{shown:?}"
    );
    assert_eq!(shown[8..], ["TIME attempt 1 log: no luck"]);

    let whole = json(&stage.run(&["jobs", "show", &format!("default/{dead}"), "--json"]));
    assert_eq!(whole["payload"]["program"], "sh");
    assert_eq!((&whole["state"], &whole["at"]), (&json!("dead"), &json!("TIME")));
    assert_eq!(whole["failures"][0]["attempt"], 1);

    let unknown = stage.run(&["jobs", "show", "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"]);
    let (code, told) = ended(&unknown);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("jobq: nothing is known of job 0192f3c1"), "{told}");
}

#[tokio::test]
async fn deletes_without_a_terminal_want_to_be_told_that_they_are_meant() {
    let (stage, [dead, ..]) = stage().await;
    for command in [
        &["jobs", "delete", &dead] as &[&str],
        &["forget", &dead],
        &["flush"],
        &["prune"],
        &["clear", "default"],
    ] {
        let (code, told) = ended(&stage.run(command));
        assert_eq!(
            (code, told.as_str()),
            (
                Some(2),
                "jobq: this takes jobs away, and there is no terminal to ask: say --yes, or --dry-run to \
                 see what it would do"
            )
        );
    }
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.dead), (2, 1, 1));
}

#[tokio::test]
async fn jobs_are_deleted_by_their_ids_and_forgotten_only_when_dead() {
    let (stage, [dead, ready, other, _]) = stage().await;

    let forgotten = stage.run(&["forget", &dead, &ready, "--yes"]);
    assert_eq!(
        lines(&forgotten),
        ["ID deleted", "ID left: it is ready, not dead; see `jobq jobs delete`"]
    );
    assert_eq!(ended(&forgotten), (Some(1), String::new()));

    let tried = stage.run(&["jobs", "delete", &ready, "--dry-run"]);
    assert_eq!((lines(&tried), ended(&tried).0), (vec!["ID would be deleted".to_owned()], Some(0)));
    let deleted = stage.run(&["jobs", "delete", &ready, &other, "--yes", "--json"]);
    let gone = json!({ "id": "ID", "queue": "default", "outcome": "deleted", "state": null });
    assert_eq!((json(&deleted), ended(&deleted).0), (json!([gone, gone]), Some(0)));
    let again = stage.run(&["jobs", "delete", &ready, "--yes"]);
    assert_eq!((lines(&again), ended(&again).0), (vec!["ID not found".to_owned()], Some(1)));

    let cancelled = stage.run(&["jobs", "cancel", &dead]);
    assert_eq!(
        (lines(&cancelled), ended(&cancelled).0),
        (vec!["ID not found".to_owned()], Some(1))
    );
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.dead), (0, 1, 0));
}

#[tokio::test]
async fn flush_deletes_the_dead_and_prune_only_the_long_dead() {
    let (stage, _) = stage().await;

    let pruned = stage.run(&["prune", "--hours", "1", "--yes"]);
    assert_eq!(lines(&pruned), ["0 jobs dead for 1 hour or more deleted"]);
    let tried = stage.run(&["prune", "--hours", "0", "--dry-run"]);
    assert_eq!(lines(&tried), ["would delete 1 job dead for 0 hours or more"]);
    let tried = stage.run(&["flush", "--dry-run", "--json"]);
    let found = json!([{ "queue": "default", "state": "dead", "count": 1 }]);
    assert_eq!(json(&tried), json!({ "dry_run": true, "found": found, "deleted": 0, "left": 0 }));
    assert_eq!(stage.stats().await.dead, 1);

    let flushed = stage.run(&["flush", "--queue", "default", "--yes"]);
    assert_eq!(
        (lines(&flushed), ended(&flushed).0),
        (vec!["1 dead job deleted".to_owned()], Some(0))
    );
    let flushed = stage.run(&["flush", "--yes", "--json"]);
    assert_eq!(json(&flushed), json!({ "dry_run": false, "found": [], "deleted": 0, "left": 0 }));
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.dead), (2, 1, 0));
}

#[tokio::test]
async fn clear_deletes_what_waits_and_nothing_else() {
    let (stage, _) = stage().await;

    let tried = stage.run(&["clear", "default", "--dry-run"]);
    assert_eq!(lines(&tried), ["would delete 3 jobs of queue default"]);
    let cleared = stage.run(&["clear", "default", "--state", "scheduled", "--yes", "--json"]);
    let found = json!([{ "queue": "default", "state": "scheduled", "count": 1 }]);
    assert_eq!(
        json(&cleared),
        json!({ "dry_run": false, "found": found, "deleted": 1, "left": 0 })
    );
    let cleared = stage.run(&["clear", "default", "--yes"]);
    assert_eq!(lines(&cleared), ["2 jobs of queue default deleted"]);
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.dead), (0, 0, 1));
}

/// Runs the program in a terminal in which this is typed.
#[cfg(target_os = "linux")]
fn in_terminal(stage: &Stage, arguments: &str, typed: &str) -> Output {
    let mut command = Command::new("script");
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_jobq"));
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.env("REDIS_URL", stage.server.url()).env("TERM", "xterm").env_remove("JOBQ_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn in_a_terminal_deletes_ask_first() {
    let (stage, _) = stage().await;

    let kept = in_terminal(&stage, "clear default", "n\n");
    let told = text(&kept.stdout);
    assert!(
        told.contains(&format!(
            "delete 3 jobs of queue default (1 scheduled, 2 ready) at 127.0.0.1:{}? [y/N]",
            stage.server.port()
        )) && told.contains("jobq: nothing was changed"),
        "{kept:?}"
    );
    assert_eq!((kept.status.code(), stage.stats().await.ready), (Some(1), 2));

    let cleared = in_terminal(&stage, "clear default", "y\n");
    assert!(text(&cleared.stdout).contains("3 jobs of queue default deleted"), "{cleared:?}");
    assert_eq!((cleared.status.code(), stage.stats().await.ready), (Some(0), 0));
}

#[tokio::test]
async fn a_queue_that_contradicts_the_one_a_job_is_named_with_is_a_wrong_command() {
    let stage = Stage::set().await;
    for queue in ["crm", "mail"] {
        stage.enqueue("exit 0", &["--queue", queue]);
    }
    let id = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e";
    let named = format!("crm/{id}");
    let told = format!("jobq: {named} is in queue crm, and --queue says mail: give one of them\n");
    for command in [&["jobs", "show"] as &[&str], &["explain"], &["batch"], &["retry"]] {
        let line = [command, &[named.as_str(), "--queue", "mail"]].concat();
        let output = stage.run(&line);
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(2), told.clone()),
            "{line:?}"
        );
        // To say the same twice is no contradiction.
        let line = [command, &[named.as_str(), "--queue", "crm"]].concat();
        assert_eq!(stage.run(&line).status.code(), Some(1), "{line:?}");
    }
    // What is wrong with a command is told before anybody is called.
    for command in [&["jobs", "show"] as &[&str], &["explain"], &["batch"]] {
        let nowhere = ["--backend", "redis://127.0.0.1:1", &named, "-q", "mail"];
        let output = stage.run(&[command, &nowhere].concat());
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), told.clone()));
    }
}
