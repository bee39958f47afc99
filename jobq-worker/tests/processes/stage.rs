//! A server, the program, and worker processes.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jobq_core::inspect::{JobView, QueueStats};
use jobq_core::{Inspect, JobId, QueueName};
use jobq_redis::{RedisBackend, TestServer};

pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A server, a folder for what jobs write, and the program.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    folder: tempfile::TempDir,
    pub(crate) backend: RedisBackend,
}

/// A worker process that ends with this value.
pub(crate) struct WorkerProcess(pub(crate) Child);

impl Stage {
    pub(crate) async fn set() -> Self {
        let server = TestServer::start().unwrap();
        let backend = RedisBackend::connect(&server.url()).await.unwrap();
        Self { server, folder: tempfile::tempdir().unwrap(), backend }
    }

    pub(crate) fn jobq(&self) -> Command {
        self.other(env!("CARGO_BIN_EXE_jobq"))
    }

    /// Another program than ours, with the same around it.
    pub(crate) fn other(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("REDIS_URL", self.server.url()).stdin(Stdio::null());
        for variable in ["JOBQ_CONFIG", "JOBQ_GROUP", "JOBQ_DEPLOY_STAMP", "JOBQ_LISTEN"] {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.jobq().args(arguments).output().unwrap()
    }

    /// Enqueues a shell script as a job, and gives its id.
    pub(crate) fn enqueue(&self, script: &str, options: &[&str]) -> JobId {
        let json = serde_json::json!({ "program": "sh", "args": ["-c", script] }).to_string();
        let mut arguments = vec!["enqueue", "command", "--json", &json];
        arguments.extend(options);
        let output = self.run(&arguments);
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let id = printed.split_whitespace().find_map(|word| word.parse().ok());
        id.unwrap_or_else(|| panic!("no id in {printed:?}"))
    }

    pub(crate) fn work(&self, options: &[&str]) -> WorkerProcess {
        let mut command = self.jobq();
        command.args(["work", "--allow-command", "sh"]).args(options);
        WorkerProcess(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// A connection to the server itself, past the program.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(self.server.url()).unwrap().get_connection().unwrap()
    }

    /// Has the server do something by itself, as an operator may.
    pub(crate) fn at_server(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        let _: redis::Value = command.arg(&words[1..]).query(&mut self.connection()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn stats(&self) -> QueueStats {
        self.backend.queue(&QueueName::new("default").unwrap()).await.unwrap()
    }

    pub(crate) async fn job(&self, id: JobId) -> Option<JobView> {
        self.backend.job(&QueueName::new("default").unwrap(), id).await.unwrap()
    }
}

impl WorkerProcess {
    pub(crate) fn signal(&self, signal: &str) {
        let status =
            Command::new("kill").arg(signal).arg(self.0.id().to_string()).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn is_alive(&self) -> bool {
        // A process that has ended and was not waited for yet is a zombie: state Z.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z') && !rest.is_empty())
    }

    pub(crate) fn signal_quietly(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let _ = kill.arg(signal).arg(self.0.id().to_string()).stderr(Stdio::null()).status();
    }

    /// Waits for the end of the process; gives its exit code and what it wrote.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "the worker does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut log = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.0.stdout.take().unwrap().read_to_string(&mut log).unwrap();
        (self.0.wait().unwrap().code(), log)
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // One that has ended is as good as killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().lines().count()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
