//! Every flag of every command with nonsense in it: a code, one line, a hint; never a panic.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::stage::text;

const VALUES: [&str; 4] = ["", "-1", "no such: {thing}!", "999999999999999999999999999"];

/// Nothing listens there.
const NOWHERE: &str = "redis://127.0.0.1:1";

fn jobq(folder: &Path, arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.env_clear().env("REDIS_URL", NOWHERE).env("PATH", "/usr/bin:/bin");
    command.current_dir(folder).stdin(Stdio::null()).args(arguments).output().unwrap()
}

fn help(folder: &Path, path: &[String]) -> String {
    let mut arguments = path.to_vec();
    arguments.push("--help".to_owned());
    let output = jobq(folder, &arguments);
    assert_eq!(output.status.code(), Some(0), "{path:?}: {output:?}");
    text(&output.stdout)
}

/// The lines of a section of a help text that begin something, without their first blanks.
fn section(help: &str, title: &str) -> Vec<String> {
    let after = help.lines().skip_while(|line| *line != title).skip(1);
    let within = after.take_while(|line| line.is_empty() || line.starts_with(' '));
    within.map(|line| line.trim_start().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// A command as its help tells of it.
#[derive(Debug)]
struct Told {
    path: Vec<String>,
    /// The flags that take a value.
    flags: BTreeSet<String>,
    positionals: usize,
}

fn all(folder: &Path) -> Vec<Told> {
    fn below(folder: &Path, path: &[String], found: &mut Vec<Told>) {
        let help = help(folder, path);
        let flags = section(&help, "Options:").into_iter().filter_map(|line| {
            let long = line.split_once("--")?.1;
            let name = long.split([' ', '=', '.']).next()?;
            let is_flag = line.starts_with('-');
            (is_flag && long.contains(" <")).then(|| format!("--{name}"))
        });
        let of_all = ["--backend", "--prefix", "--config"];
        let flags = flags.filter(|flag| path.len() == 1 || !of_all.contains(&flag.as_str()));
        let arguments = section(&help, "Arguments:");
        let positionals = arguments.iter().filter(|line| line.starts_with(['<', '['])).count();
        found.push(Told { path: path.to_vec(), flags: flags.collect(), positionals });
        for line in section(&help, "Commands:") {
            let name = line.split(' ').next().unwrap_or_default();
            let is_name = help.contains(&format!("\n  {name} "));
            if is_name && name != "help" && name.bytes().all(|byte| byte.is_ascii_lowercase()) {
                let mut path = path.to_vec();
                path.push(name.to_owned());
                below(folder, &path, found);
            }
        }
    }
    let mut found = Vec::new();
    below(folder, &[], &mut found);
    found.retain(|told| !told.path.is_empty());
    found
}

/// What is wrong with how a command took nonsense.
fn fault(output: &Output) -> Option<String> {
    let said = text(&output.stderr);
    let complaints: Vec<_> = said.lines().filter(|line| line.starts_with("jobq: ")).collect();
    let fault = match output.status.code() {
        _ if said.contains("panicked") || said.contains("backtrace") => "it panics",
        Some(2) if complaints.len() != 1 || said.lines().count() != 1 => "it is not one line",
        Some(2) if said.len() > 600 => "it is long",
        // A value that makes sense after all, of a command that then asks the server.
        Some(1) if complaints.len() == 1 && said.contains("nothing listens at") => return None,
        Some(1) if text(&output.stdout).contains("nothing listens at") => return None,
        Some(2) => return None,
        _ => "it ends with another code",
    };
    Some(format!("{fault}: {:?} {said:?}", output.status.code()))
}

#[test]
fn nonsense_in_any_flag_or_argument_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let commands = all(folder.path());
    let (mut tried, mut wrong) = (0, Vec::new());
    let mut attempt = |arguments: Vec<String>| {
        let output = jobq(folder.path(), &arguments);
        tried += 1;
        if let Some(fault) = fault(&output) {
            wrong.push(format!("{arguments:?}: {fault}"));
        }
    };
    for Told { path, flags, positionals } in &commands {
        // Pages are written wherever they are to be.
        if path == &["man"] {
            continue;
        }
        for value in VALUES {
            for flag in flags {
                // As one word, so that a dash at its front does not make it a flag.
                let mut arguments = path.clone();
                arguments.push(format!("{flag}={value}"));
                attempt(arguments);
            }
            if *positionals > 0 {
                let mut arguments = path.clone();
                arguments.push("--".to_owned());
                arguments.extend((0..*positionals).map(|_| value.to_owned()));
                attempt(arguments);
            }
        }
        let mut unknown = path.clone();
        unknown.push("--no-such-flag".to_owned());
        attempt(unknown);
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(commands.len() > 40 && tried > 300, "{} commands, {tried} tries", commands.len());
}

#[test]
fn input_that_is_no_job_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["enqueue", "sync", "--json", ""] as &[&str],
        &["enqueue", "sync", "--json", "{"],
        &["enqueue", "sync", "--json", "-"],
        &["enqueue", "sync", "--json", "{\"a\": 1} {\"b\": 2}"],
        &["enqueue", "sync", "--key", "x", "--priority", "16"],
        &["schedule", "add", "x", "--every", "1h", "sync", "--json", "nope"],
        &["schedule", "add", "x", "--every", "0s", "sync"],
        &["schedule", "add", "x", "--cron", "* * *", "sync"],
        &["schedule", "add", "x", "--cron", "@daily", "--timezone", "Europe/Warsa", "sync"],
        &["unique", "--kind", "sync", "--fields", "["],
        &["retry", "all", "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"],
        &["work", "--queue", "a,a"],
        &["work", "--queue", "a", "--queue-concurrency", "b=3"],
        &["work", "--lease", "1ms"],
        &["work", "--allow-command", "no-such-program"],
    ] {
        let arguments: Vec<_> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let output = jobq(folder.path(), &arguments);
        let fault = fault(&output).or_else(|| {
            let code = output.status.code();
            // Whether queues make sense is seen when the worker starts.
            (code != Some(2) && arguments[0] != "work").then(|| format!("code {code:?}"))
        });
        assert_eq!(fault, None, "{arguments:?}");
    }
}

#[test]
fn a_file_that_is_none_is_told_and_stops_nobody_who_does_not_need_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("binary"), b"\xff\xfe\x00").unwrap();
    fs::write(path("broken"), "[queues").unwrap();
    // A hole: it takes no room on the disk.
    fs::File::create(path("huge")).unwrap().set_len(100 << 20).unwrap();
    for (name, why) in [
        ("folder", "it is a directory: name the file in it by --config or JOBQ_CONFIG"),
        ("binary", "line 1 is not UTF-8: save the file as UTF-8 text"),
        ("huge", "it has more than 1048576 bytes"),
        ("none", "there is no such file: see --config and JOBQ_CONFIG"),
        ("broken", "broken, line 1, column 8: "),
    ] {
        let run = |command: &[&str]| {
            let mut arguments = vec!["--config".to_owned(), path(name)];
            arguments.extend(command.iter().map(|word| (*word).to_owned()));
            jobq(folder.path(), &arguments)
        };
        for command in [&["queues"] as &[&str], &["work"], &["enqueue", "sync"], &["scheduler"]] {
            let output = run(command);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(why), "{said}");
            assert_eq!(fault(&output), None);
        }
        let free: [&[&str]; 5] =
            [&["completions", "bash"], &["man"], &["--help"], &["--version"], &["work", "--help"]];
        for command in free {
            let output = run(command);
            assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
            assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        }
    }
}
