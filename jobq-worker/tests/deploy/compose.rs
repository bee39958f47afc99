//! The services of `compose.yaml`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{self, BEYOND_GRACE, grace, seconds};
use crate::yaml::{at, documents, texts};

const FILE: &str = "docs/deploy/docker/compose.yaml";

/// The services with their names.
fn services() -> Vec<(String, Value)> {
    let [compose] = &documents(FILE)[..] else { panic!("more than one document") };
    let services = at(compose, "/services").as_object().unwrap();
    services.iter().map(|(name, service)| (name.clone(), service.clone())).collect()
}

fn service(name: &str) -> Value {
    let found = services().into_iter().find(|(other, _)| other == name);
    found.unwrap_or_else(|| panic!("there is no service {name}")).1
}

#[test]
fn there_is_a_worker_for_each_queue_and_a_scheduler() {
    let names: Vec<_> = services().into_iter().map(|(name, _)| name).collect();
    for name in
        ["redis", "mariadb", "worker-integrations", "worker-import", "worker-default", "scheduler"]
    {
        assert!(names.iter().any(|other| other == name), "{name}");
    }
    for name in names.iter().filter_map(|name| name.strip_prefix("worker-")) {
        let worker = service(&format!("worker-{name}"));
        let command = texts(at(&worker, "/command"));
        let queue = command.iter().position(|word| *word == "--queue").unwrap();
        assert_eq!(command[queue + 1], name);
    }
}

#[test]
fn every_service_is_checked_and_stopped_gracefully() {
    for (name, service) in services() {
        assert_eq!(at(&service, "/restart"), "always", "{name}");
        let check = texts(at(&service, "/healthcheck/test"));
        assert!(["CMD", "CMD-SHELL"].contains(&check[0]) && check.len() > 1, "{name}: {check:?}");
        let patience = seconds(at(&service, "/stop_grace_period").as_str().unwrap());
        let is_worker = name.starts_with("worker-");
        let grace = if is_worker { grace(&texts(at(&service, "/command"))) } else { seconds("1s") };
        assert!(patience >= grace + BEYOND_GRACE, "{name}: {patience:?} for {grace:?}");
        let needs = service.get("depends_on").and_then(Value::as_object);
        for (needed, how) in needs.into_iter().flatten() {
            assert_eq!(at(how, "/condition"), "service_healthy", "{name} needs {needed}");
            self::service(needed);
        }
    }
}

#[test]
fn nothing_runs_as_root_and_nothing_is_reachable_from_outside() {
    for (name, service) in services() {
        // Our own image has a user of its own.
        let is_ours = service.get("build").is_some();
        let user = service.get("user").and_then(Value::as_str);
        assert!(is_ours || user.is_some_and(|user| user != "root" && user != "0"), "{name}");
        assert!(!is_ours || user.is_none(), "{name} has another user than its image");
        assert_eq!(service.get("ports"), None, "{name}");
        assert_ne!(service.get("privileged"), Some(&Value::Bool(true)), "{name}");
        if is_ours {
            assert_eq!(at(&service, "/read_only"), true, "{name}");
            assert_eq!(texts(at(&service, "/cap_drop")), ["ALL"], "{name}");
        }
    }
}

#[test]
fn redis_keeps_its_jobs() {
    let redis = service("redis");
    let command = texts(at(&redis, "/command")).join(" ");
    for setting in ["--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction"] {
        assert!(command.contains(setting), "{setting}: {command}");
    }
    assert!(texts(at(&redis, "/volumes")).contains(&"redis:/data"));
}

#[test]
fn passwords_are_in_another_file() {
    let text = files::text(FILE);
    let example = files::text("docs/deploy/docker/env.example");
    let wanted: BTreeSet<_> =
        text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap()).collect();
    assert!(wanted.len() >= 3, "{wanted:?}");
    for name in wanted {
        assert!(example.lines().any(|line| line == format!("{name}=")), "{name} has no line");
    }
    for (name, service) in services() {
        let environment = service.get("environment").and_then(Value::as_object);
        for (key, value) in environment.into_iter().flatten() {
            let Some(value) = value.as_str() else { continue };
            let is_secret = key.contains("PASSWORD") || value.contains("://");
            assert!(!is_secret || value.contains("${"), "{name}: {key}");
        }
    }
}

#[test]
fn what_it_names_is_there() {
    for (name, service) in services() {
        if let Some(build) = service.get("build") {
            let dockerfile = at(build, "/dockerfile").as_str().unwrap();
            let context = at(build, "/context").as_str().unwrap();
            let root = files::path("docs/deploy/docker").join(context);
            assert!(root.join(dockerfile).is_file(), "{name}: {dockerfile}");
        }
        let volumes = service.get("volumes").map(texts).unwrap_or_default();
        for source in volumes.iter().filter_map(|volume| volume.strip_prefix("./")) {
            let (source, _) = source.split_once(':').unwrap();
            assert!(files::path("docs/deploy/docker").join(source).exists(), "{name}: {source}");
        }
    }
}
