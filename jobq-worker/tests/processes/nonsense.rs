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
    jobq_at(NOWHERE, folder, arguments)
}

fn jobq_at(url: &str, folder: &Path, arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.env_clear().env("REDIS_URL", url).env("PATH", "/usr/bin:/bin");
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
        let mut options = section(&help, "Options:");
        options.extend(section(&help, "Options of every command:"));
        let flags = options.into_iter().filter_map(|line| {
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
        ("broken", "broken, line 1, column 8: the table's name lacks its ]"),
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

/// Where the command gets as far as it can, to what it warns of before it begins.
#[test]
fn what_ends_a_command_is_told_alone() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    fs::write(folder.path().join("twice"), "[work]\nqueue = [\"a\", \"a\"]").unwrap();
    fs::write(folder.path().join("short"), "[work]\n\ntimeout = \"0s\"").unwrap();
    fs::write(folder.path().join("program"), "[work]\n\nallow_command = [\"nope\"]").unwrap();
    fs::write(folder.path().join("url"), "[work]\nallow_url = [\n\"nope\"]").unwrap();
    for (line, code, told) in [
        ("work --queue a,a", 2, "--queue: queue \"a\" is named twice"),
        ("--config twice work", 2, "twice, line 2, column 9: queue \"a\" is named twice"),
        ("work --listen foo", 2, "(from --listen or JOBQ_LISTEN)"),
        ("scheduler --listen foo", 2, "(from --listen or JOBQ_LISTEN)"),
        (&format!("work --listen {taken}"), 1, "(from --listen or JOBQ_LISTEN)"),
        ("work --lease 1ms", 2, "a lease of 1ms is too short"),
        ("work --lease 1000d", 2, "a lease of 1000d is too long"),
        ("work --timeout 0s", 2, "no job could end in time"),
        (
            "--config short work",
            2,
            "short, line 3, column 11: timeout \"0s\": no job could end in time",
        ),
        (
            "work --queue a --queue-concurrency zz=3",
            2,
            "--queue-concurrency \"zz\": this worker does not serve that queue: there are a",
        ),
        ("work --queue-concurrency zz=3", 2, "\"zz\": this worker does not serve that queue"),
        ("work --queue-concurrency q=1,q=2", 2, "--queue-concurrency: queue \"q\" is named twice"),
        ("work --concurrency 99999999999", 2, "\"99999999999\" is not a number from 1 to 100000"),
        ("work --name=", 2, "the name is empty"),
        ("work --allow-command nope", 2, "--allow-command \"nope\": there is no such program"),
        (
            "--config program work",
            2,
            "program, line 3, column 18: allow_command \"nope\": there is no such program",
        ),
        ("--config url work", 2, "url, line 3, column 1: allow_url \"nope\" is not a URL"),
    ] {
        let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let output = jobq_at("memory:", folder.path(), &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.starts_with("jobq: ") && said.contains(told), "{line}: {said}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
    }
}

#[test]
fn what_is_no_number_or_no_job_is_told_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    for (line, told) in [
        ("work --max-jobs x", "\"x\" is not a number from 1 on"),
        ("work --max-jobs 0", "\"0\" is not a number from 1 on"),
        ("scheduler --deploy-stamp=-1", "\"-1\" is not a number from 0 on"),
        ("monitor mail --max x", "\"x\" is not a number from 0 on"),
        ("jobs list mail --limit x", "\"x\" is not a number from 1 to 1000"),
        ("jobs list mail --offset 99999999999999999999", "is not a number from 0 to 20000"),
        ("prune --hours x --yes", "\"x\" is not a number from 0 to"),
        ("enqueue sync --cost 99999999999", "is not a number from 1 to 65535"),
        ("schedule next nightly -n 0", "\"0\" is not a number from 1 to 10000"),
        ("work --timeout=60", "\"60\" has no unit: write 60s"),
        ("enqueue sync --retention 1500ms", "no whole number of seconds"),
        ("enqueue sync --timeout 0s", "timeout of a job of kind \"sync\" is 0s; it must be 1ms to"),
        ("enqueue sync --json=", "the payload is not valid JSON: it is empty"),
        ("enqueue sync --unique {", "what makes a job unique is not valid JSON: it ends too early"),
        ("enqueue http --json {\"url\":\"x\"}", "\"x\" has no https:// in front"),
        ("schedule add x --every 1ms sync", "an interval of 1ms"),
        ("retry --queue=mail", "retry"),
    ] {
        let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let output = jobq(folder.path(), &arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(told) && said.lines().count() == 1, "{line}: {said}");
        for of_rust in ["invalid digit", "non-zero type", "EOF while", "..=", "0ns", "relative URL"]
        {
            assert!(!said.contains(of_rust), "{line}: {said}");
        }
    }
}

#[test]
fn a_schedule_that_has_ended_is_not_added() {
    let folder = tempfile::tempdir().unwrap();
    let line = "schedule add x --every 1h --ends-at 2001-01-01T00:00:00Z sync";
    let arguments: Vec<_> = line.split(' ').map(str::to_owned).collect();

    let output = jobq_at("memory:", folder.path(), &arguments);

    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("jobq: --ends-at 2001-01-01"), "{said}");
}

#[test]
fn without_a_command_there_is_the_help_whatever_the_environment_says() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&[] as &[&str], &["jobs"], &["schedule"]] {
        let run = |url: Option<&str>| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
            command.env_clear().current_dir(folder.path()).stdin(Stdio::null()).args(words);
            let output = command.envs(url.map(|url| ("REDIS_URL", url))).output().unwrap();
            (output.status.code(), text(&output.stdout), text(&output.stderr))
        };
        let bare = run(None);
        assert!(bare.0 == Some(2) && bare.2.contains("Usage: jobq"), "{words:?}: {bare:?}");
        assert_eq!(run(Some(NOWHERE)), bare, "{words:?}");
    }
}

#[test]
fn a_wrong_address_is_told_with_who_has_said_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = |toml: &str, variable: Option<&str>, arguments: &[&str]| {
        fs::write(folder.path().join("jobq.toml"), toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
        command.env_clear().current_dir(folder.path()).stdin(Stdio::null()).args(arguments);
        if let Some(url) = variable {
            command.env("REDIS_URL", url);
        }
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let flag = ["queues", "--backend", "redis://127.0.0.1:99999"];
    let port = "the Redis URL is malformed in its port, which is a number from 1 to 65535";
    let file = "prefix = \"a\"\nbackend = \"foo\"";
    for (toml, variable, arguments, told) in [
        ("", None, &flag as &[&str], format!("{port} (from --backend)")),
        ("", Some("redis://h:x"), &["queues"], format!("{port} (from REDIS_URL)")),
        (file, Some("redis://h:x"), &["queues"], format!("{port} (from REDIS_URL)")),
        (
            file,
            None,
            &["queues"],
            "redis+sentinel://host:port,host:port,…/master (from jobq.toml, line 2, column 11)"
                .to_owned(),
        ),
        (
            "prefix = \"a b\"",
            None,
            &["queues"],
            "jobq: key prefix \"a b\" may hold only ASCII letters, digits, '.', '_' and '-' (from \
             jobq.toml, line 1, column 10)"
                .to_owned(),
        ),
        ("", None, &["queues", "--prefix", "a b"], "and '-' (from --prefix)".to_owned()),
    ] {
        let (code, said) = run(toml, variable, arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.trim_end().ends_with(&told), "{arguments:?}: {said}");
        assert!(!said.contains("invalid client config"), "{said}");
    }
    let nowhere = format!("backend = \"{NOWHERE}\"");
    let (code, said) = run(&nowhere, None, &["queues"]);
    assert_eq!(code, Some(1));
    assert!(said.trim_end().ends_with("(from jobq.toml, line 1, column 11)"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("mkfifo").arg(folder.path().join("jobq.toml")).status().unwrap();
    assert!(made.success());

    let output = jobq(folder.path(), &["queues".to_owned()]);

    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("it is no plain file"), "{output:?}");
}
