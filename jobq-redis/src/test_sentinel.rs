//! A private server with a replica and three sentinels, for tests, on free loopback ports, gone when
//! dropped.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

use crate::TestServer;
use crate::test_cluster::{ask_at, until};
use crate::test_server::{START_TIMEOUT, answers, failed, free_port, program};

/// A running master, its replica, and the sentinels that watch them. The servers have the password
/// `one`, the sentinels `two`, so that neither can pass for the other.
#[derive(Debug)]
pub struct TestSentinels {
    /// The master at first.
    pub master: TestServer,
    /// Its replica at first.
    pub replica: TestServer,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl TestSentinels {
    /// Starts them. It takes some three seconds until the sentinels know of each other.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) when the program is missing, or they do not come
    /// together.
    pub fn start() -> Result<Self> {
        let arguments = ["--requirepass", "one", "--masterauth", "one"];
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let master = TestServer::start_with(&[&arguments[..], &at_once].concat())?;
        let port = master.port().to_string();
        let of_master = ["--replicaof", "127.0.0.1", &port];
        let replica = TestServer::start_with(&[&arguments[..], &of_master].concat())?;
        let sentinels = (0..3).map(|_| Sentinel::start(&port)).collect::<Result<_>>()?;
        let all = Self { master, replica, sentinels };
        until("the sentinels do not find each other", || all.are_together())?;
        Ok(all)
    }

    /// The URL of the master, by way of the sentinels.
    #[must_use]
    pub fn url(&self) -> String {
        let sentinels: Vec<_> =
            self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
        format!("redis+sentinel://:one@{}/mymaster?sentinel_password=two", sentinels.join(","))
    }

    fn are_together(&self) -> bool {
        let replica = format!("redis://:one@127.0.0.1:{}", self.replica.port());
        let is_copied = ask_at::<String>(&replica, &["INFO", "replication"])
            .is_ok_and(|info| info.contains("master_link_status:up"));
        is_copied
            && self.sentinels.iter().all(|sentinel| {
                let url = format!("redis://:two@127.0.0.1:{}", sentinel.port);
                ask_at::<String>(&url, &["INFO", "sentinel"]).is_ok_and(|info| {
                    info.contains("status=ok") && info.contains("slaves=1,sentinels=3")
                })
            })
    }
}

impl Sentinel {
    fn start(master: &str) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(failed("no folder for a sentinel"))?;
        let port = free_port()?;
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass two\n\
             sentinel monitor mymaster 127.0.0.1 {master} 2\n\
             sentinel auth-pass mymaster one\n\
             sentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster 3000\n",
            folder.path().display()
        );
        fs::write(&file, text).map_err(failed("no file for a sentinel"))?;
        let mut process = Command::new(program())
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed("a sentinel does not start"))?;
        let started = Instant::now();
        while !answers(port) {
            if started.elapsed() > START_TIMEOUT {
                let _ = process.kill();
                return Err(Error::new(ErrorKind::Misconfigured, "a sentinel does not answer"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { process, port, _folder: folder })
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // A process that has ended already is as good as killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
