//! `jobq.toml`: found, read, refused, and set by workers.

use std::fs;
use std::process::Output;

use crate::stage::{Stage, lines, text};

fn write(stage: &Stage, toml: &str) -> String {
    let path = stage.path("jobq.toml");
    fs::write(&path, toml).unwrap();
    path.display().to_string()
}

fn rows(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text(&output.stdout).lines().skip(1).map(words).collect()
}

#[tokio::test]
async fn a_mistake_in_it_is_told_with_its_line_whatever_the_command() {
    let stage = Stage::set().await;
    for (toml, told) in [
        (
            "[queues.crm]\nconcurency = 5",
            "line 2, column 1: unknown key \"concurency\": did you mean \"concurrency\"?",
        ),
        ("[queues.crm]\nrate = \"often\"", "line 2, column 8: \"often\" is not a rate"),
        ("[queues.crm]\nconcurrency = 0", "line 2, column 15: 0 is too small: 1 to 1000000000"),
        ("[queues", "line 1, column 8: the table's name lacks its ]"),
        (
            "[work]\nallow_url = [\"https://a.example/\", \"ftp://a.example/\"]",
            "line 2, column 36: allow_url \"ftp://a.example/\" is neither http nor https",
        ),
        (
            "listen = \"localhost\"",
            "line 1, column 10: \"localhost\" is no address to listen at, such as 127.0.0.1:9090",
        ),
        ("[work]\n[work.x]", "line 2, column 7: unknown key \"x\""),
    ] {
        let path = write(&stage, toml);
        for command in ["work", "queues"] {
            let output = stage.run(&["--config", &path, command]);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(told) && said.contains("jobq.toml"), "{said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
    }
    let output = stage.run(&["--config", "/no/such/file.toml", "queues"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("cannot read /no/such/file.toml: there is no such file"),
        "{output:?}"
    );
}

#[tokio::test]
async fn workers_set_what_it_says_and_take_away_what_it_says_no_more() {
    let stage = Stage::set().await;
    let path = write(
        &stage,
        "[queues.default]\nconcurrency = 50\n[queues.default.lanes]\nrate = \"100/min\"\n\
         [queues.default.lane.7]\nrate = \"200/min\"",
    );
    let work = || {
        let mut command = stage.jobq();
        command.env("JOBQ_CONFIG", &path).args(["work", "--stop-when-empty"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };

    work();
    assert_eq!(
        rows(&stage.run(&["limits", "default"])),
        [
            "queue default concurrency 50 code",
            "each lane of queue default rate 100/min code",
            "lane 7 of queue default rate 200/min code",
        ]
    );

    write(&stage, "[queues.default.lanes]\nrate = \"60/min\"");
    work();
    assert_eq!(
        rows(&stage.run(&["limits", "default"])),
        ["each lane of queue default rate 60/min code"]
    );
}

#[tokio::test]
async fn it_is_found_where_the_command_is_run_and_applied_without_a_worker() {
    let stage = Stage::set().await;
    write(&stage, "[queues.crm.lanes]\nrate = \"60/min\"");
    let set = stage.run(&["limits", "set", "crm", "--each-lane", "--rate", "90/min"]);
    assert!(set.status.success(), "{set:?}");

    let mut command = stage.jobq();
    let applied = command.current_dir(stage.path("")).args(["limits", "apply"]).output().unwrap();

    assert!(applied.status.success(), "{applied:?}");
    assert_eq!(
        rows(&stage.run(&["limits", "crm"])),
        [
            "each lane of queue crm rate 60/min code overridden",
            "each lane of queue crm rate 90/min operator",
        ]
    );
}

/// That a shared limit is set by nobody is good to know of what is done, and beside the point of what is not.
#[tokio::test]
async fn limits_that_are_refused_are_told_of_in_one_line_and_doubts_only_with_what_is_done() {
    let stage = Stage::set().await;
    let path = write(&stage, "[queues.crm]\nrate = \"5/s\"");
    let apply = |options: &[&str]| {
        let output = stage.run(&[&["--config", &path, "limits", "apply"], options].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(apply(&[]), (Some(0), String::new()));
    write(&stage, "[queues.crm]\nshared = \"api\"");

    let refused = apply(&[]);
    let tried = apply(&["--dry-run"]);
    let done = apply(&["--yes"]);

    let why = "this takes limits away, and there is no terminal to ask: say --yes, or --dry-run to see what it would do";
    assert_eq!(refused, (Some(2), format!("jobq: {why}\n")));
    let doubt = "queue crm takes part in shared limit api, which nobody has set: it limits nothing";
    for warned in [tried, done] {
        assert_eq!(warned, (Some(0), format!("jobq: warning: {doubt}\n")));
    }
}

#[tokio::test]
async fn the_rate_of_a_lane_holds_for_real_work() {
    let stage = Stage::set().await;
    let path = write(&stage, "[queues.default.lanes]\nrate = \"2/h\"");
    let done = stage.path("done");
    for lane in ["a", "a", "a", "b", "b", "b"] {
        stage.enqueue(&format!("echo {lane} >> {}", done.display()), &["--lane", lane]);
    }

    let (code, log) = stage.work(&["--config", &path, "--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    // Unless an hour ended meanwhile.
    assert!([4, 6].contains(&lines(&done)), "{log}");
    assert_eq!(stage.stats().await.ready as usize, 6 - lines(&done));
}

#[tokio::test]
async fn a_file_without_limits_to_apply_is_named() {
    let stage = Stage::set().await;
    let path = stage.path("empty.toml");
    fs::write(&path, "# nothing\n").unwrap();
    let path = path.display().to_string();

    let output = stage.run(&["--config", &path, "limits", "apply"]);

    let told = format!("jobq: no limits to set: {path} names no queue: see --config\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), told));
}
