//! A private Redis server for tests and benchmarks: on a free loopback port, without persistence
//! unless asked for, gone when dropped.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result};
use tempfile::TempDir;

/// How long a server may take to start. It takes 20 ms on an idle machine.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running `redis-server` that ends with this value.
#[derive(Debug)]
pub struct TestServer {
    process: Child,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl TestServer {
    /// Starts a server. The program is `redis-server` on the `PATH`, or what the environment variable
    /// `JOBQ_REDIS_SERVER` names.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) when the program is missing or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, such as `["--maxmemory", "10mb"]`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(failed("no folder for a test server"))?;
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // Another process may take the port between our looking and the server's binding.
        let mut last = None;
        for _ in 0..5 {
            let port = free_port()?;
            match launch(port, &arguments, &folder) {
                Ok(process) => return Ok(Self { process, port, arguments, folder }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Misconfigured, "no test server")))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a crash would, with SIGKILL.
    pub fn kill(&mut self) {
        // A process that has ended already is as good as killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again after a [`kill`](Self::kill), on the same port and with the same folder.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.process = launch(self.port, &self.arguments, &self.folder)?;
        Ok(())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program that is started.
pub(crate) fn program() -> String {
    std::env::var("JOBQ_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

fn launch(port: u16, arguments: &[String], folder: &TempDir) -> Result<Child> {
    let program = program();
    let mut process = Command::new(&program)
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--loglevel",
            "warning",
        ])
        .arg("--dir")
        .arg(folder.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed(&format!(
            "{program} does not start: install it (Debian: apt-get install redis-server), or name \
             another by JOBQ_REDIS_SERVER"
        )))?;
    let started = Instant::now();
    while !answers(port) {
        if let Ok(Some(status)) = process.try_wait() {
            return Err(Error::new(
                ErrorKind::Misconfigured,
                format!("{program} ended at once, with {status}"),
            ));
        }
        if started.elapsed() > START_TIMEOUT {
            let _ = process.kill();
            return Err(Error::new(ErrorKind::Misconfigured, format!("{program} does not answer")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(process)
}

/// Whether a Redis server answers; one that wants a password does so too.
pub(crate) fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = [0; 1];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && matches!(answer[0], b'+' | b'-')
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed("no free port"))?;
    let address = listener.local_addr().map_err(failed("no free port"))?;
    Ok(address.port())
}

pub(crate) fn failed(what: &str) -> impl FnOnce(std::io::Error) -> Error {
    let what = what.to_owned();
    move |cause| Error::new(ErrorKind::Misconfigured, what).because(cause)
}
