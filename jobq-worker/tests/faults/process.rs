//! A worker process: started, signalled, ended.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::ledger::{Ledger, Note};
use crate::program;

/// How long a test waits for what must happen. It is long for machines that are busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a worker process is to be like.
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) log: PathBuf,
    pub(crate) ledger: Ledger,
    /// The most address space it may have, in KiB.
    pub(crate) memory: Option<u64>,
    pub(crate) variables: Vec<(&'static str, String)>,
}

impl Orders {
    pub(crate) fn set(mut self, variable: &'static str, value: impl ToString) -> Self {
        self.variables.retain(|(known, _)| *known != variable);
        self.variables.push((variable, value.to_string()));
        self
    }

    pub(crate) fn without_schedules(mut self) -> Self {
        self.variables.retain(|(known, _)| *known != program::SCHEDULES);
        self
    }

    pub(crate) fn memory(mut self, kib: u64) -> Self {
        self.memory = Some(kib);
        self
    }

    pub(crate) fn start(self) -> Process {
        // One process from first to last: the shell becomes the program.
        let limit = self.memory.map_or("unlimited".to_owned(), |kib| kib.to_string());
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0; ulimit -S -v \"$1\"; shift; exec \"$@\"", "sh", &limit]);
        command.arg(std::env::current_exe().unwrap());
        command.args(["--exact", "program::worker", "--ignored", "--nocapture"]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // nextest has variables of its own for the test; the program is none.
        command.env_remove("RUST_LOG").env("RUST_BACKTRACE", "0");
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        Process { child, name: self.name, log: self.log, ledger: self.ledger }
    }
}

/// A worker process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) name: String,
    log: PathBuf,
    ledger: Ledger,
}

impl Process {
    /// `-TERM` and the like.
    pub(crate) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        // One that has just ended is no fault.
        let _ = kill.arg(signal).arg(self.child.id().to_string()).stderr(Stdio::null()).status();
    }

    /// SIGKILL: no destructor, no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(
            self.child.wait().unwrap().code(),
            None,
            "{} had ended: {}",
            self.name,
            self.log()
        );
        self.note_leases_lost();
    }

    /// SIGSTOP, in force when this returns.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
        until_blocking("the stop", || self.state() == Some('T'));
        self.note_leases_lost();
    }

    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn note_leases_lost(&self) {
        self.ledger.note(&Note::LeasesLost { worker: Some(self.name.clone()) });
    }

    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said so far, and those of its name before it.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "{} does not end: {}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it listens for signals: before that, one ends it as it does any program.
    pub(crate) fn ready(&self) {
        until_blocking("its start", || self.log().contains("worker started"));
    }

    /// SIGTERM, which must end it well.
    pub(crate) fn finish(mut self) {
        self.ready();
        self.signal("-TERM");
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}: {}", self.name, self.log());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn until_blocking(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for what must happen.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "{what} does not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
