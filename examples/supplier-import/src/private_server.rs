//! A MariaDB server of one's own: for the benchmark and the tests, never for real data.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::failure::Failure;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A MariaDB server on a free loopback port, with an empty data directory. Stopped and deleted when dropped.
#[derive(Debug)]
pub struct PrivateMariaDb {
    server: Option<Child>,
    port: u16,
    dir: TempDir,
    program: String,
}

impl PrivateMariaDb {
    /// Whether there is a server on this machine that could be started.
    #[must_use]
    pub fn is_installed() -> bool {
        program("mariadb-install-db").is_ok() && program("mariadbd").is_ok()
    }

    /// Sets one up and starts it.
    ///
    /// # Errors
    ///
    /// When it is not installed, or does not start within a minute.
    pub async fn start() -> Result<Self, Failure> {
        let dir = TempDir::new().map_err(|error| Failure::failed(&error))?;
        let installer = program("mariadb-install-db")?;
        let installed = Command::new(&installer)
            // Servers in several containers may have the same process id, and name temporary files by it.
            .env("TMPDIR", dir.path())
            .arg("--no-defaults")
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .args(["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .map_err(|error| Failure::new(format!("cannot run {installer}: {error}")))?;
        if !installed.status.success() {
            let said = String::from_utf8_lossy(&installed.stderr);
            return Err(Failure::new(format!("{installer} has failed: {}", said.trim())));
        }
        let probe = TcpListener::bind("127.0.0.1:0").map_err(|error| Failure::failed(&error))?;
        let port = probe.local_addr().map_err(|error| Failure::failed(&error))?.port();
        drop(probe);
        let mut server = Self { server: None, port, dir, program: program("mariadbd")? };
        server.run().await?;
        Ok(server)
    }

    /// Starts the server on what is in its directory, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it ends at once, or does not answer within a minute.
    pub async fn run(&mut self) -> Result<(), Failure> {
        let (port, dir) = (self.port, self.dir.path());
        let log = dir.join("server.log");
        let log_file = std::fs::File::create(&log).map_err(|error| Failure::failed(&error))?;
        let mut server = Command::new(&self.program)
            .env("TMPDIR", dir)
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", dir.join("data").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", dir.join("server.sock").display()))
            .arg(format!("--pid-file={}", dir.join("server.pid").display()))
            .args(["--innodb-buffer-pool-size=64M", "--skip-name-resolve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log_file)
            .spawn()
            .map_err(|error| Failure::new(format!("cannot run {}: {error}", self.program)))?;
        let deadline = Instant::now() + START_TIMEOUT;
        while self.connect().await.is_err() {
            let ended = server.try_wait().map_err(|error| Failure::failed(&error))?;
            if ended.is_some() || Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Failure::new(format!("mariadbd does not start: {}", said.trim())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Ends the server at once, as a power failure would (SIGKILL). [`run`](Self::run) starts it again.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Runs statements of our own making as root.
    ///
    /// # Errors
    ///
    /// When the server refuses one of them.
    pub async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .map_err(|error| Failure::failed(&error))?;
        Ok(())
    }

    /// The address of one of its databases, for root.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// How many seconds of processor time it has used; `None` where the system does not tell as Linux does.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        cpu_seconds(&self.server.as_ref()?.id().to_string())
    }

    /// The port it listens on, at 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    async fn connect(&self) -> Result<MySqlConnection, Failure> {
        let url = format!("mysql://root@127.0.0.1:{}", self.port);
        MySqlConnection::connect(&url).await.map_err(|error| Failure::failed(&error))
    }
}

impl Drop for PrivateMariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How many seconds of processor time a process has used, `self` for this one.
pub(crate) fn cpu_seconds(process: &str) -> Option<f64> {
    /// Clock ticks as Linux shows them, on every architecture.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name is in parentheses and may contain anything; user and system time are the 12th and
    // 13th field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

/// Where a server's program is. Some are where only root looks.
fn program(name: &str) -> Result<String, Failure> {
    let places = std::env::var("PATH").unwrap_or_default();
    places
        .split(':')
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"])
        .map(|place| format!("{place}/{name}"))
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| {
            Failure::new(format!(
                "{name} is missing: install it, on Debian with `apt-get install mariadb-server`"
            ))
        })
}
