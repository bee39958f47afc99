//! Completions and manual pages are generated, and quiet is quiet.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::golden::ended;
use crate::stage::{Stage, text};

fn jobq(arguments: &[&str]) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_jobq")), arguments)
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    // No server is there, and none is needed.
    command.env("REDIS_URL", "redis://127.0.0.1:1").env_remove("JOBQ_CONFIG").stdin(Stdio::null());
    command.args(arguments).output().unwrap()
}

#[test]
fn each_shell_gets_completions_of_all_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = jobq(&["completions", shell]);
        assert_eq!(ended(&output), (Some(0), String::new()), "{shell}");
        let script = text(&output.stdout);
        for word in ["jobq", "doctor", "prune", "--allow-url"] {
            // PowerShell and the like write options without their dashes, too.
            assert!(script.contains(word.trim_start_matches('-')), "{shell}: {word}");
        }
    }
}

#[test]
fn manual_pages_are_printed_and_written() {
    let page = text(&jobq(&["man"]).stdout);
    assert!(page.contains(".TH jobq 1") && page.contains("jobq\\-work(1)"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("man");
    let output = jobq(&["--quiet", "man", "--out", &path.display().to_string()]);
    assert_eq!((ended(&output), text(&output.stdout)), ((Some(0), String::new()), String::new()));
    for name in ["jobq.1", "jobq-work.1", "jobq-jobs-list.1"] {
        assert!(
            fs::read_to_string(path.join(name)).is_ok_and(|page| page.contains(".TH")),
            "{name}"
        );
    }
    let file = path.join("jobq.1").display().to_string();
    let (code, told) = ended(&jobq(&["man", "--out", &file]));
    assert_eq!(code, Some(1));
    assert!(told.starts_with(&format!("jobq: cannot write to {file}: ")), "{told}");
}

/// Programs have the commands in binaries of their own.
#[test]
fn a_program_of_another_name_goes_by_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("shop");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_jobq"), &program).unwrap();
    let said = |arguments: &[&str]| {
        let output = run(&program, arguments);
        let said = text(&[output.stdout, output.stderr].concat());
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };

    let help = said(&["--help"]);
    assert!(help.contains("Usage: shop ") && help.contains("in `shop failed`"), "{help}");
    assert!(!help.contains("`jobq "), "{help}");
    // The file has one name for all programs.
    assert!(help.contains("jobq.toml") && !help.contains("shop.toml"), "{help}");
    let help = said(&["completions", "--help"]);
    let example = "shop completions bash > /etc/bash_completion.d/shop";
    assert!(help.ends_with(&format!("Examples: {example}")), "{help}");
    let help = said(&["limits", "apply", "--help"]);
    assert!(help.contains(" shop --config /etc/jobq.toml limits apply --yes"), "{help}");
    for command in [["work", "--help"], ["man", "--help"], ["scheduler", "--help"]] {
        let help = said(&command);
        assert!(!help.contains("`jobq "), "{help}");
    }
    let nope = said(&["nope"]);
    assert!(nope.starts_with("shop: ") && nope.contains("(see `shop --help`)"), "{nope}");
    assert!(said(&["jobs", "list", "--nope"]).contains("(see `shop jobs list --help`)"));
    assert!(said(&["man"]).contains(".TH shop 1"));
    assert!(said(&["completions", "fish"]).contains("complete -c shop "));
}

#[tokio::test]
async fn an_empty_standard_input_is_no_job() {
    let stage = Stage::set().await;

    let (code, told) = ended(&stage.run(&["enqueue", "sync", "--json", "-"]));

    assert_eq!(
        (code, told.as_str()),
        (
            Some(2),
            "jobq: standard input is empty: pipe the arguments in as JSON, or leave --json out for none"
        )
    );
    assert_eq!(stage.stats().await.ready, 0);
}

#[tokio::test]
async fn a_quiet_worker_logs_only_what_is_wrong() {
    let stage = Stage::set().await;
    stage.enqueue("exit 0", &[]);
    let (code, log) = stage.work(&["--quiet", "--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("INFO") && log.contains("processed 1, failed 0"), "{log}");
}
