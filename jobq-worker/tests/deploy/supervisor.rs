//! The programs of supervisor.

use std::collections::BTreeMap;

use crate::files::{self, BEYOND_GRACE, grace, seconds};

/// Each section with its settings.
fn sections() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut sections = BTreeMap::<_, BTreeMap<_, _>>::new();
    let mut name = String::new();
    for line in files::text("docs/deploy/supervisor/jobq.conf").lines() {
        if let Some(section) = line.strip_prefix('[') {
            name = section.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(';')) {
            let before = sections.entry(name.clone()).or_default().insert(key.into(), value.into());
            assert_eq!(before, None::<String>, "{name}: {key} is there twice");
        }
    }
    sections
}

#[test]
fn they_are_stopped_gracefully_and_started_anew() {
    let sections = sections();
    let programs = sections.iter().filter_map(|(name, settings)| {
        name.strip_prefix("program:").map(|program| (program, settings))
    });
    let mut names = Vec::new();
    for (name, settings) in programs {
        names.push(name);
        let words: Vec<_> = settings["command"].split(' ').collect();
        let grace = if words[1] == "work" { grace(&words) } else { seconds("1s") };
        let patience = seconds(&format!("{}s", settings["stopwaitsecs"]));
        assert!(patience >= grace + BEYOND_GRACE, "{name}: {patience:?} for a grace of {grace:?}");
        for (key, value) in [
            ("stopsignal", "TERM"),
            ("autorestart", "true"),
            // Only the worker is told; but nothing of it is left behind.
            ("stopasgroup", "false"),
            ("killasgroup", "true"),
            ("user", "jobq"),
        ] {
            assert_eq!(settings[key], value, "{name}: {key}");
        }
        let is_many = settings.contains_key("numprocs");
        assert_eq!(is_many, settings.contains_key("process_name"), "{name}: names of processes");
    }
    let mut group: Vec<_> = sections["group:jobq"]["programs"].split(',').collect();
    group.sort_unstable();
    assert_eq!(group, names);
    assert_eq!(names.len(), 4);
}
