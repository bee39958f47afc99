//! Mistakes in a command, and in the names of queues: what is told of each, and the exit code.

use crate::stage::{Stage, text};

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
