//! What a worker process tells of its health, while its server and it itself come and go.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jobq_redis::TestServer;

use crate::http::{Answer, get};
use crate::openmetrics::Page;
use crate::stage::{Stage, WorkerProcess, lines, text, until};

const COMPLETED: &str =
    "jobq_jobs_settled_total{queue=\"default\",kind=\"command\",outcome=\"completed\"}";

/// A worker that serves its health, and where.
fn listening(stage: &Stage, options: &[&str]) -> (WorkerProcess, SocketAddr) {
    let address = free_address();
    let mut all = vec!["--queue", "default", "--listen"];
    let listen = address.to_string();
    all.push(&listen);
    all.extend(options);
    let worker = stage.work(&all);
    until("the listener", || std::net::TcpStream::connect(address).is_ok());
    (worker, address)
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn until_ready_is(address: SocketAddr, status: u16) -> Answer {
    until(&format!("/readyz {status}"), || get(address, "/readyz").status == status);
    get(address, "/readyz")
}

fn scrape(address: SocketAddr) -> Page {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    Page::read(&answer.body)
}

fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_drain_shows_while_the_last_job_runs() {
    let stage = Stage::set().await;
    let (started, go_on) = (stage.path("started"), stage.path("go-on"));
    let script = format!(
        "echo x >> {}; while [ ! -e {} ]; do sleep 0.05; done",
        started.display(),
        go_on.display()
    );
    stage.enqueue(&script, &[]);
    let (worker, address) = listening(&stage, &[]);
    until("the start", || lines(&started) == 1);
    assert_eq!(until_ready_is(address, 200).body, "ready\nworker: ready\nstore: up\n");

    worker.signal("-TERM");
    let draining = until_ready_is(address, 503);

    assert_eq!(draining.body, "not ready\nworker: draining\nstore: up\n");
    assert_eq!(get(address, "/livez").status, 200);
    std::fs::write(&go_on, "").unwrap();
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("processed 1, failed 0"), "{log}");
}

#[tokio::test]
async fn a_killed_server_takes_readiness_and_queues_away_until_it_is_back() {
    let mut stage = Stage::set().await;
    let done = stage.path("done");
    stage.enqueue(&format!("echo x >> {}", done.display()), &[]);
    let (_worker, address) = listening(&stage, &[]);
    until("a job", || get(address, "/metrics").body.contains(&format!("{COMPLETED} 1")));
    assert_eq!(scrape(address).value("jobq_store_up"), 1.0);

    stage.server.kill();
    // What was seen a moment ago is good for a second.
    until("the loss", || get(address, "/metrics").body.contains("jobq_store_up 0"));
    until("the outage", || get(address, "/readyz").body.contains("worker: disconnected: "));
    let down = get(address, "/readyz");

    let port = stage.server.port().to_string();
    assert_eq!(down.status, 503);
    assert_eq!(down.body.matches(&port).count(), 2, "{}", down.body);
    assert_eq!(get(address, "/livez").status, 200);
    let page = scrape(address);
    assert_eq!(page.value("jobq_store_up"), 0.0);
    assert!(!page.has("jobq_queue_ready"), "of an unknown queue nothing is said");
    assert_eq!(page.value(COMPLETED), 1.0, "what was counted is still known");

    stage.server.restart().unwrap();
    until_ready_is(address, 200);
    until("the gauges", || get(address, "/metrics").body.contains("jobq_store_up 1"));
    assert!(scrape(address).has("jobq_queue_ready"));
}

#[tokio::test]
async fn what_is_told_of_an_outage_has_no_password_in_it() {
    let mut server = TestServer::start_with(&["--requirepass", "top-secret"]).unwrap();
    let address = free_address();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.args(["work", "--queue", "default", "--allow-command", "sh"]);
    command.args(["--listen", &address.to_string()]);
    command.env("REDIS_URL", format!("redis://:top-secret@127.0.0.1:{}", server.port()));
    let _worker =
        WorkerProcess(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    until("the listener", || std::net::TcpStream::connect(address).is_ok());
    until_ready_is(address, 200);

    server.kill();
    until("the outage", || get(address, "/readyz").body.contains("worker: disconnected: "));
    until("the loss", || get(address, "/metrics").body.contains("jobq_store_up 0"));

    for path in ["/readyz", "/livez", "/metrics"] {
        let told = get(address, path).body;
        assert!(!told.contains("top-secret"), "{told}");
    }
}

#[tokio::test]
async fn a_frozen_server_does_not_hold_up_a_scrape() {
    let stage = Stage::set().await;
    let (_worker, address) = listening(&stage, &[]);
    until_ready_is(address, 200);

    signal(stage.server.pid(), "-STOP");
    // Whatever was seen a moment ago is good for a second.
    until("the loss", || get(address, "/metrics").body.contains("jobq_store_up 0"));
    let began = Instant::now();
    let (scraped, ready, alive) =
        (scrape(address), get(address, "/readyz"), get(address, "/livez"));
    let took = began.elapsed();
    signal(stage.server.pid(), "-CONT");

    assert!(took < Duration::from_secs(6), "it took {took:?}");
    assert_eq!(scraped.value("jobq_store_up"), 0.0);
    assert_eq!((ready.status, alive.status), (503, 200), "{ready:?}");
    assert!(ready.body.contains("store: no answer within 2s"), "{ready:?}");
    until_ready_is(address, 200);
}

#[tokio::test]
async fn a_crash_is_counted_by_the_worker_that_takes_over() {
    let stage = Stage::set().await;
    let started = stage.path("started");
    let script =
        format!("echo x >> {s}; [ $(wc -l < {s}) -gt 1 ] || exec sleep 60", s = started.display());
    stage.enqueue(&script, &[]);
    let victim = stage.work(&["--lease", "1s"]);
    until("the start", || lines(&started) == 1);
    victim.signal("-KILL");
    let (_rescuer, address) = listening(&stage, &["--lease", "1s"]);

    until("the second run", || get(address, "/metrics").body.contains(&format!("{COMPLETED} 1")));

    assert_eq!(scrape(address).value("jobq_jobs_reclaimed_total{queue=\"default\"}"), 1.0);
}

#[tokio::test]
async fn a_wrong_address_ends_the_worker_before_it_leases_anything() {
    let stage = Stage::set().await;
    stage.enqueue("true", &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = taken.local_addr().unwrap().to_string();
    let cases = [
        // What may pass is no wrong command: whoever supervises the worker tries again.
        (1, in_use.as_str(), format!("cannot listen at {in_use}: something else does already")),
        (1, "192.0.2.1:9090", "this machine has no such address".to_owned()),
        (2, "nowhere", "\"nowhere\" is no address to listen at, such as 127.0.0.1:9090".to_owned()),
        (
            2,
            ":9090",
            "\":9090\" names no host: 127.0.0.1:9090 is for this machine alone".to_owned(),
        ),
    ];
    for (expected, address, told) in cases {
        let by_flag = stage.work(&["--stop-when-empty", "--listen", address]).end();
        let mut by_variable = stage.jobq();
        by_variable.args(["work", "--stop-when-empty", "--allow-command", "sh"]);
        by_variable.env("JOBQ_LISTEN", address).stdout(Stdio::piped()).stderr(Stdio::piped());
        let by_variable = WorkerProcess(by_variable.spawn().unwrap()).end();
        for (code, log) in [by_flag, by_variable] {
            assert_eq!(code, Some(expected), "{address}: {log}");
            assert!(log.contains(&told), "{address}: {log}");
            assert!(!log.contains("worker started"), "{log}");
        }
    }
    assert_eq!(stage.stats().await.ready, 1);
}

#[tokio::test]
async fn the_address_may_stand_in_the_file_and_the_flag_wins() {
    let stage = Stage::set().await;
    let (of_file, of_flag) = (free_address(), free_address());
    let file = stage.path("jobq.toml");
    std::fs::write(&file, format!("listen = \"{of_file}\"\n")).unwrap();
    let file = file.display().to_string();

    let worker = stage.work(&["--config", &file]);
    until("the listener of the file", || std::net::TcpStream::connect(of_file).is_ok());
    let short = stage.work(&["--config", &file, "--stop-when-empty"]);
    assert_eq!(short.end().0, Some(0), "the port is the other's");
    drop(worker);

    let (_worker, address) =
        (stage.work(&["--config", &file, "--listen", &of_flag.to_string()]), of_flag);
    until("the listener of the flag", || std::net::TcpStream::connect(address).is_ok());
    assert!(std::net::TcpStream::connect(of_file).is_err());

    std::fs::write(stage.path("jobq.toml"), "lisen = \"9090\"\n").unwrap();
    let output = stage.run(&["--config", &file, "queues"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean \"listen\"?"), "{output:?}");
}

#[tokio::test]
async fn a_scheduler_tells_of_itself_alone_and_beside_a_worker() {
    let stage = Stage::set().await;
    stage.enqueue("true", &["--queue", "lonely"]);
    for (arguments, body) in [
        (&["scheduler"] as &[&str], "ready\nscheduler: ready\nstore: up\n"),
        (&["work", "--scheduler"], "ready\nworker: ready\nscheduler: ready\nstore: up\n"),
    ] {
        let address = free_address();
        let mut command = stage.jobq();
        command.args(arguments).args(["--listen", &address.to_string()]);
        let process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let process = WorkerProcess(process);
        until("the listener", || std::net::TcpStream::connect(address).is_ok());

        assert_eq!(until_ready_is(address, 200).body, body);
        assert_eq!(get(address, "/livez").status, 200);
        // Also of a queue that nobody serves.
        let page = get(address, "/metrics").body;
        for line in
            ["jobq_queue_ready{queue=\"lonely\"} 1", "jobq_queue_workers{queue=\"lonely\"} 0"]
        {
            assert!(page.lines().any(|found| found.trim_end_matches(".0") == line), "{page}");
        }
        process.signal("-TERM");
        let (code, log) = process.end();
        assert_eq!(code, Some(0), "{log}");
    }
}
