//! What systemd is told: a datagram socket stands in its place.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jobq_core::{Job, MemoryBackend, Queue};
use jobq_worker::{Health, Worker};

use crate::stage::{PATIENCE, Stage, WorkerProcess, lines, text, until};

/// The other end of `NOTIFY_SOCKET`.
struct Systemd {
    socket: UnixDatagram,
    name: String,
}

impl Systemd {
    /// At a path.
    fn at(stage: &Stage) -> Self {
        let path = stage.path("notify");
        let name = path.display().to_string();
        Self { socket: UnixDatagram::bind(path).unwrap(), name }
    }

    /// At a name that is no path.
    fn at_abstract_name(stage: &Stage) -> Self {
        let name = format!("jobq-{}-{}", std::process::id(), stage.server.port());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self { socket: UnixDatagram::bind_addr(&address).unwrap(), name: format!("@{name}") }
    }

    fn start(&self, stage: &Stage, watchdog: Option<Duration>, options: &[&str]) -> WorkerProcess {
        let mut command = stage.jobq();
        command.args(["work", "--queue", "default", "--allow-command", "sh"]).args(options);
        command.env("NOTIFY_SOCKET", &self.name).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(watchdog) = watchdog {
            command.env("WATCHDOG_USEC", watchdog.as_micros().to_string());
        }
        WorkerProcess(command.spawn().unwrap())
    }

    /// The next word within a time, if one comes.
    fn hear(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut word = [0; 4096];
        let length = self.socket.recv(&mut word).ok()?;
        Some(text(&word[..length]))
    }

    /// All words up to this one.
    fn hear_until(&self, last: &str) -> Vec<String> {
        let began = Instant::now();
        let mut words = Vec::new();
        while began.elapsed() < PATIENCE {
            if let Some(word) = self.hear(PATIENCE) {
                words.push(word);
                if words.last().is_some_and(|word| word == last) {
                    return words;
                }
            }
        }
        panic!("{last} does not come: {words:?}");
    }
}

#[tokio::test]
async fn ready_comes_with_the_first_lease_and_stopping_with_the_signal() {
    let stage = Stage::set().await;
    let (started, go_on) = (stage.path("started"), stage.path("go-on"));
    let script = format!(
        "echo x >> {}; while [ ! -e {} ]; do sleep 0.05; done",
        started.display(),
        go_on.display()
    );
    stage.enqueue(&script, &[]);
    let systemd = Systemd::at(&stage);
    let worker = systemd.start(&stage, None, &[]);

    let words = systemd.hear_until("READY=1");
    assert_eq!(words, ["STATUS=worker: starting", "STATUS=worker: ready", "READY=1"]);
    until("the start", || lines(&started) == 1);

    worker.signal("-TERM");
    let words = systemd.hear_until("STOPPING=1");
    assert_eq!(words, ["STATUS=worker: draining", "STOPPING=1"]);
    assert!(worker.is_alive(), "the job still runs");
    std::fs::write(&go_on, "").unwrap();
    assert_eq!(worker.end().0, Some(0));
    assert_eq!(systemd.hear(Duration::from_secs(1)).as_deref(), Some("STATUS=worker: stopped"));
    assert_eq!(systemd.hear(Duration::from_millis(100)), None, "it stops once");
}

#[tokio::test]
async fn a_worker_with_nothing_to_finish_says_that_it_stops() {
    let stage = Stage::set().await;
    let systemd = Systemd::at_abstract_name(&stage);
    let worker = systemd.start(&stage, None, &["--stop-when-empty"]);

    systemd.hear_until("STOPPING=1");
    assert_eq!(worker.end().0, Some(0));
}

#[tokio::test]
async fn the_watchdog_hears_of_a_worker_that_runs_and_not_of_one_that_is_stopped() {
    let stage = Stage::set().await;
    let systemd = Systemd::at(&stage);
    let worker = systemd.start(&stage, Some(Duration::from_secs(1)), &[]);
    systemd.hear_until("READY=1");
    let began = Instant::now();
    for _ in 0..4 {
        systemd.hear_until("WATCHDOG=1");
    }
    // Half of it, with room for a busy machine; and no flood.
    let took = began.elapsed();
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");

    worker.signal("-STOP");
    while systemd.hear(Duration::from_millis(200)).is_some() {}
    assert_eq!(systemd.hear(Duration::from_secs(2)), None, "a stopped worker says nothing");

    worker.signal("-CONT");
    systemd.hear_until("WATCHDOG=1");
    worker.signal("-TERM");
    systemd.hear_until("STOPPING=1");
    assert_eq!(worker.end().0, Some(0));
}

#[tokio::test]
async fn an_outage_of_the_server_is_a_status_and_no_silence() {
    let mut stage = Stage::set().await;
    let systemd = Systemd::at(&stage);
    let _worker = systemd.start(&stage, Some(Duration::from_secs(1)), &[]);
    systemd.hear_until("READY=1");

    stage.server.kill();
    let began = Instant::now();
    let status = loop {
        let word = systemd.hear(PATIENCE).unwrap();
        assert!(began.elapsed() < PATIENCE, "no status comes");
        if word.starts_with("STATUS=worker: disconnected: ") {
            break word;
        }
    };
    assert!(status.contains(&stage.server.port().to_string()), "{status}");
    systemd.hear_until("WATCHDOG=1");

    stage.server.restart().unwrap();
    systemd.hear_until("STATUS=worker: ready");
}

#[tokio::test]
async fn a_watchdog_of_another_process_and_a_socket_that_is_none_are_left_alone() {
    let stage = Stage::set().await;
    let systemd = Systemd::at(&stage);
    let mut command = stage.jobq();
    command.args(["work", "--queue", "default", "--allow-command", "sh", "--max-time", "2s"]);
    command.env("NOTIFY_SOCKET", &systemd.name);
    command.env("WATCHDOG_USEC", "200000").env("WATCHDOG_PID", "1");
    let worker =
        WorkerProcess(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let words = systemd.hear_until("STOPPING=1");
    assert!(!words.contains(&"WATCHDOG=1".to_owned()), "{words:?}");
    assert_eq!(worker.end().0, Some(0));

    for socket in ["relative", "/no/such/socket", "vsock:2:1"] {
        let mut command = stage.jobq();
        command.args(["work", "--queue", "default", "--allow-command", "sh", "--stop-when-empty"]);
        command.env("NOTIFY_SOCKET", socket).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (code, log) = WorkerProcess(command.spawn().unwrap()).end();
        assert_eq!(code, Some(0), "{socket}: {log}");
    }
}

#[tokio::test]
async fn programs_that_jobs_run_cannot_speak_for_the_worker() {
    let stage = Stage::set().await;
    let seen = stage.path("seen");
    stage.enqueue(&format!("env > {}", seen.display()), &[]);
    let systemd = Systemd::at(&stage);
    let watchdog = Some(Duration::from_secs(60));
    let (code, log) = systemd.start(&stage, watchdog, &["--stop-when-empty"]).end();

    assert_eq!(code, Some(0), "{log}");
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH="), "{seen}");
    assert!(!seen.contains("NOTIFY_SOCKET") && !seen.contains("WATCHDOG"), "{seen}");
}

/// A program of a user whose handler blocks its only thread; nothing but a part of the next test.
#[test]
fn a_program_that_blocks() {
    if std::env::var_os("JOBQ_TEST_BLOCKS").is_none() {
        return;
    }
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let store = MemoryBackend::new();
        let health = Health::new(&store).stalled_after(Duration::from_millis(1_500));
        let _systemd = health.tell_systemd();
        store.enqueue(Block).after(Duration::from_secs(1)).await.unwrap();
        Worker::new(store).handle(block).health(&health).run().await.unwrap();
    });
}

#[derive(serde::Serialize, serde::Deserialize, Job)]
struct Block;

async fn block(_: Block) {
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn the_watchdog_does_not_hear_of_a_program_whose_runtime_is_blocked() {
    let stage = Stage::set().await;
    let systemd = Systemd::at(&stage);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "systemd::a_program_that_blocks", "--nocapture"]);
    command.env("JOBQ_TEST_BLOCKS", "1").env("NOTIFY_SOCKET", &systemd.name);
    command.env("WATCHDOG_USEC", "400000").stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = WorkerProcess(command.spawn().unwrap());
    systemd.hear_until("READY=1");
    systemd.hear_until("WATCHDOG=1");

    let began = Instant::now();
    while systemd.hear(Duration::from_secs(2)).is_some() {
        assert!(began.elapsed() < PATIENCE, "it is never silent");
    }

    assert!(program.is_alive(), "it is silent because it has ended");
}
