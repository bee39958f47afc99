//! The demonstration as a newcomer runs it: the program itself, with nothing around it or with a Redis.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::process::{Child, Command, Output, Stdio};

use jobq_redis::TestServer;
use serde_json::Value;

fn demo(args: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_demo"));
    demo.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    demo
}

/// What it says at the end, every promise of which was kept.
fn verdict(output: &Output) -> Value {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let verdict: Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(verdict["kept"], true, "{out}");
    verdict
}

fn names(verdict: &Value) -> Vec<&str> {
    let systems = verdict["systems"].as_array().unwrap();
    systems.iter().map(|system| system["name"].as_str().unwrap()).collect()
}

const SYSTEMS: [&str; 5] =
    ["crm-relay", "crm-sync", "company-context", "bulk-leads", "supplier-import"];

#[test]
fn all_systems_keep_their_promises_without_a_server() {
    let output = demo(&["--seconds", "6", "--no-shop", "--json"]).output().unwrap();

    let verdict = verdict(&output);
    assert_eq!(names(&verdict), SYSTEMS);
    assert!(verdict["attempts"].as_u64().unwrap() > 100, "{verdict}");
    assert!(verdict["ticks"].as_u64().unwrap() > 0, "{verdict}");
}

#[test]
fn all_systems_keep_their_promises_on_redis_and_mariadb() {
    let redis = TestServer::start().unwrap();

    let args = ["--seconds", "8", "--queue", &redis.url(), "--json"];
    let verdict = verdict(&demo(&args).output().unwrap());

    assert_eq!(names(&verdict), SYSTEMS);
    assert!(verdict.to_string().contains("the shop was told"), "{verdict}");
}

#[test]
fn the_first_signal_ends_it_with_what_there_is() {
    let mut running = demo(&["--seconds", "600", "--no-shop"]).spawn().unwrap();
    wait_for_a_look(&mut running);

    let id = running.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());

    let output = running.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains("crm-sync: "), "{out}");
    assert!(out.contains("attempts at jobs"), "{out}");
}

#[test]
fn a_queue_in_use_is_left_alone() {
    let redis = TestServer::start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let queue = jobq_redis::RedisBackend::connect(&redis.url()).await.unwrap();
        let job = supplier_import::jobs::PruneFailed::default();
        jobq_core::Queue::enqueue(&queue, job).await.unwrap();
    });

    let output = demo(&["--queue", &redis.url()]).output().unwrap();

    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("queue default has jobs in it"), "{err}");
}

/// Waits until it has shown how it does.
fn wait_for_a_look(running: &mut Child) {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(running.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.trim_start().starts_with("supplier-import")));
    // Nobody reads on: what it writes there is lost, and no reason to stop.
}
