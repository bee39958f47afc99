//! The units of systemd.

use std::fs;
use std::process::Command;

use crate::files::{self, BEYOND_GRACE, grace, seconds};

const UNITS: [&str; 2] = ["jobq-work@.service", "jobq-scheduler.service"];

/// The settings of a unit, in their order.
fn settings(unit: &str) -> Vec<(String, String)> {
    let text = files::text(&format!("docs/deploy/systemd/{unit}"));
    let lines = text.lines().filter(|line| !line.starts_with(['#', '[']));
    let setting = |line: &str| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
    lines.filter_map(setting).collect()
}

fn one(settings: &[(String, String)], key: &str) -> String {
    let mut values = settings.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
    let value = values.next().unwrap_or_else(|| panic!("there is no {key}")).clone();
    assert_eq!(values.next(), None, "{key} is there twice");
    value
}

#[test]
fn systemd_itself_finds_nothing_wrong_with_the_units() {
    if !files::is_there("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let drop_in = folder.path().join("jobq-work@.service.d");
    fs::create_dir(&drop_in).unwrap();
    // It looks whether the program is there.
    let with_program = |text: String| {
        text.replace("/usr/local/bin/jobq ", "/bin/true ")
            .replace("/usr/local/bin/shop ", "/bin/true ")
    };
    for unit in UNITS {
        let text = files::text(&format!("docs/deploy/systemd/{unit}"));
        fs::write(folder.path().join(unit), with_program(text)).unwrap();
    }
    let verify = |unit: &str| {
        let unit = folder.path().join(unit);
        Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit).output().unwrap()
    };
    let check = |unit: &str| {
        let output = verify(unit);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("jobq-"), "{unit}: {said}");
    };
    UNITS.iter().for_each(|unit| check(unit));
    let own = with_program(files::text("docs/deploy/systemd/own-binary.conf"));
    fs::write(drop_in.join("own-binary.conf"), own).unwrap();
    check(UNITS[0]);

    fs::write(folder.path().join("jobq-bad.service"), "[Service]\nTimeoutStopsec=5\n").unwrap();
    let said = String::from_utf8(verify("jobq-bad.service").stderr).unwrap();
    assert!(said.contains("TimeoutStopsec"), "it would say nothing of a mistake: {said}");
}

#[test]
fn they_are_stopped_gracefully_and_started_anew() {
    for unit in UNITS {
        let settings = settings(unit);
        let command = one(&settings, "ExecStart");
        let words: Vec<_> = command.split(' ').collect();
        let grace = if words[1] == "work" { grace(&words) } else { seconds("1s") };
        assert!(seconds(&one(&settings, "TimeoutStopSec")) >= grace + BEYOND_GRACE, "{unit}");
        for (key, value) in [
            ("Type", "notify"),
            ("NotifyAccess", "main"),
            ("KillMode", "mixed"),
            ("KillSignal", "SIGTERM"),
            ("Restart", "always"),
            ("RestartPreventExitStatus", "2"),
            ("StartLimitIntervalSec", "0"),
        ] {
            assert_eq!(one(&settings, key), value, "{unit}: {key}");
        }
        assert!(seconds(&one(&settings, "WatchdogSec")) >= seconds("10s"), "{unit}");
    }
    let own = settings("own-binary.conf");
    let commands: Vec<_> = own.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(commands[0], "", "the command of the template must be taken away first");
    assert_eq!(
        commands[1].replace("/shop ", "/jobq "),
        one(&settings(UNITS[0]), "ExecStart"),
        "the drop-in has another grace, perhaps"
    );
}

#[test]
fn they_are_shut_in_alike() {
    let sandbox = |unit: &str| {
        let mut settings = settings(unit);
        let start = settings.iter().position(|(key, _)| key == "DynamicUser").unwrap();
        settings.drain(..start);
        settings
    };
    let worker = sandbox(UNITS[0]);
    assert_eq!(worker, sandbox(UNITS[1]));
    for key in ["DynamicUser", "NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome"] {
        assert_eq!(one(&worker, key), "yes", "{key}");
    }
    assert_eq!(one(&worker, "ProtectSystem"), "strict");
    assert_eq!(one(&worker, "CapabilityBoundingSet"), "");
}

#[test]
fn what_they_name_has_a_value_and_no_secret_is_in_them() {
    let settings = settings(UNITS[0]);
    assert_eq!(one(&settings, "Environment"), "CONCURRENCY=10");
    assert!(one(&settings, "ExecStart").contains("--queue %i --concurrency ${CONCURRENCY}"));
    for file in files::names("systemd") {
        let text = files::text(&format!("docs/deploy/systemd/{file}"));
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        assert!(settings.clone().all(|line| !line.contains("redis://")), "{file}");
    }
}
