//! The files of `deploy/`: what they run is what the program understands, and what they wait for is what it
//! takes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use crm_relay::cli::{self, Cli};
use jobq_core::Job;
use jobq_scheduler::Schedule;
use serde::{Deserialize, Serialize};

/// Where the files say the program is.
const PROGRAM: &str = "/usr/local/bin/crm-relay";
/// How long a worker lets deliveries end, and some seconds for the rest.
const LEAST_STOP_SECONDS: u64 = 30;

#[derive(Serialize, Deserialize, Job)]
struct Nothing;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).unwrap()
}

/// The lines that begin with a name, without it.
fn values<'f>(file: &'f str, name: &str) -> Vec<&'f str> {
    file.lines().filter_map(|line| line.strip_prefix(name)).collect()
}

/// What the program makes of a line.
fn parse(line: &str) -> cli::Command {
    let rest = line.strip_prefix(PROGRAM).unwrap_or_else(|| panic!("{line:?} runs something else"));
    let words = std::iter::once("crm-relay").chain(rest.split_whitespace());
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}")).command.unwrap()
}

#[test]
fn the_units_run_the_daemon_and_the_api() {
    for name in ["crm-relay.service", "crm-relay-api.service"] {
        let unit = read(&format!("systemd/{name}"));
        let [start] = values(&unit, "ExecStart=")[..] else { panic!("{name}") };
        match parse(start) {
            cli::Command::Work(args) => assert!(args.is_loop && name == "crm-relay.service"),
            cli::Command::Serve(args) => {
                assert!(args.no_worker && args.listen.ip().is_loopback(), "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
        let [stop] = values(&unit, "TimeoutStopSec=")[..] else { panic!("{name}") };
        assert!(stop.parse::<u64>().unwrap() >= LEAST_STOP_SECONDS, "{name}");
        assert_eq!(values(&unit, "KillSignal="), ["SIGTERM"], "{name}");
        assert!(!unit.contains("Environment=CRM_TOKEN"), "{name}");
        // They may share a file.
        assert_eq!(values(&unit, "User="), ["crm-relay"], "{name}");
        assert_eq!(values(&unit, "RestartPreventExitStatus="), ["2"], "{name}");
    }
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let place = tempfile::tempdir().unwrap();
    for name in ["crm-relay.service", "crm-relay-api.service"] {
        let unit = read(&format!("systemd/{name}"));
        // It looks whether the program is there.
        let unit = unit.replace(PROGRAM, env!("CARGO_BIN_EXE_crm-relay"));
        let file = place.path().join(name);
        std::fs::write(&file, unit).unwrap();
        let Ok(verified) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
            println!("there is no systemd-analyze here: {name} was not verified");
            continue;
        };
        let says = String::from_utf8_lossy(&verified.stderr).into_owned();
        let says: Vec<&str> = says.lines().filter(|line| line.contains(name)).collect();
        assert!(verified.status.success() && says.is_empty(), "{name}: {says:?}");
    }
}

#[test]
fn supervisor_runs_the_daemon_and_the_api() {
    let file = read("supervisor/crm-relay.conf");

    let commands: Vec<cli::Command> = values(&file, "command=").into_iter().map(parse).collect();

    assert!(
        matches!(&commands[..], [cli::Command::Work(work), cli::Command::Serve(serve)]
            if work.is_loop && serve.no_worker),
        "{commands:?}"
    );
    assert_eq!(values(&file, "stopsignal="), ["TERM", "TERM"]);
    for stop in values(&file, "stopwaitsecs=") {
        assert!(stop.parse::<u64>().unwrap() >= LEAST_STOP_SECONDS);
    }
    // Several processes of a program need names of their own.
    assert!(file.contains("numprocs=2\nprocess_name=%(program_name)s_%(process_num)02d"));
    assert!(file.contains("stdout_logfile=/var/log/crm-relay_%(process_num)02d.log"));
    assert!(file.lines().all(|line| {
        line.is_empty()
            || line.starts_with([';', '['])
            || line
                .split_once('=')
                .is_some_and(|(name, value)| !name.contains(' ') && !value.is_empty())
    }));
}

#[test]
fn cron_runs_once_and_prunes() {
    let file = read("cron/crm-relay");
    assert!(file.ends_with('\n'), "cron leaves out a last line without an end");
    let mut commands = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line
            .split_once('=')
            .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        {
            continue;
        }
        assert!(!line.contains('%'), "cron makes a new line of it: {line}");
        let mut words = line.split_whitespace();
        let when = words.by_ref().take(5).collect::<Vec<_>>().join(" ");
        let timing = Schedule::cron(&when).job(Nothing).timing();
        let timing = timing.unwrap_or_else(|error| panic!("{when}: {error}")).to_string();
        assert_eq!(words.next(), Some("crm-relay"), "as whom");
        let line = words.collect::<Vec<_>>().join(" ");
        let line = line.strip_suffix(" >/dev/null").expect("cron would mail each line");
        commands.push((timing, parse(line)));
    }

    let [(first, cli::Command::Work(work)), (second, cli::Command::Prune(prune))] = &commands[..]
    else {
        panic!("{commands:?}");
    };
    assert!(work.once && work.limit.is_some(), "{first}");
    assert_eq!(prune.keep_days, 30);
    assert!(second.starts_with("at 03:30 every day"), "{second}");
}
