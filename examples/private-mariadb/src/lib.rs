//! A MariaDB server of one's own: for the tests and benchmarks of the examples, never for real data.
//!
//! `mariadbd` and `mariadb-install-db` must be installed. Redis has `jobq_redis::TestServer`.

use std::error::Error;
use std::fmt;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, Row};
use tempfile::TempDir;
use tokio::time::Instant;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What is wrong with the server, in words.
#[derive(Debug)]
pub struct Fault(String);

impl Fault {
    fn of(error: &dyn Error) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Fault {}

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
    pub async fn start() -> Result<Self, Fault> {
        let dir = TempDir::new().map_err(|error| Fault::of(&error))?;
        let installer = program("mariadb-install-db")?;
        let installed = Command::new(&installer)
            // Servers in several containers may have the same process id, and name temporary files by it.
            .env("TMPDIR", dir.path())
            .arg("--no-defaults")
            .arg(format!("--datadir={}", dir.path().join("data").display()))
            .args(["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .map_err(|error| Fault(format!("cannot run {installer}: {error}")))?;
        if !installed.status.success() {
            let said = String::from_utf8_lossy(&installed.stderr);
            return Err(Fault(format!("{installer} has failed: {}", said.trim())));
        }
        let probe = TcpListener::bind("127.0.0.1:0").map_err(|error| Fault::of(&error))?;
        let port = probe.local_addr().map_err(|error| Fault::of(&error))?.port();
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
    pub async fn run(&mut self) -> Result<(), Fault> {
        let (port, dir) = (self.port, self.dir.path());
        let log = dir.join("server.log");
        let log_file = std::fs::File::create(&log).map_err(|error| Fault::of(&error))?;
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
            .map_err(|error| Fault(format!("cannot run {}: {error}", self.program)))?;
        let deadline = Instant::now() + START_TIMEOUT;
        while self.root().await.is_err() {
            let ended = server.try_wait().map_err(|error| Fault::of(&error))?;
            if ended.is_some() || Instant::now() > deadline {
                let _ = server.kill();
                let _ = server.wait();
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Fault(format!("mariadbd does not start: {}", said.trim())));
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
    pub async fn execute(&self, sql: &str) -> Result<(), Fault> {
        let mut connection = self.root().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .map_err(|error| Fault::of(&error))?;
        Ok(())
    }

    /// The address of one of its databases, for root.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port)
    }

    /// Its process; `None` while it is killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// The port it listens on, at 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Creates an empty database that the user `app` may do anything in, and gives its address for that user.
    ///
    /// # Errors
    ///
    /// When there is one of this name.
    pub async fn database(&self, name: &str) -> Result<String, Fault> {
        let sql = format!(
            "CREATE DATABASE {name} CHARACTER SET utf8mb4;
             CREATE USER IF NOT EXISTS app@'127.0.0.1' IDENTIFIED BY 'secret';
             GRANT ALL ON {name}.* TO app@'127.0.0.1'"
        );
        self.execute(&sql).await?;
        Ok(self.app_url(name))
    }

    /// The address of one of its databases, for the user `app`.
    #[must_use]
    pub fn app_url(&self, database: &str) -> String {
        format!("mysql://app:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection that may do anything.
    ///
    /// # Errors
    ///
    /// When the server is not there.
    pub async fn root(&self) -> Result<MySqlConnection, Fault> {
        let url = format!("mysql://root@127.0.0.1:{}", self.port);
        MySqlConnection::connect(&url).await.map_err(|error| Fault::of(&error))
    }

    /// One of its counters, such as `INNODB_ROW_LOCK_CURRENT_WAITS`. Asking is no prepared statement.
    ///
    /// # Errors
    ///
    /// When there is no counter of this name.
    pub async fn counter(&self, name: &str) -> Result<i64, Fault> {
        let sql = format!(
            "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
             WHERE variable_name = '{name}'"
        );
        let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut self.root().await?).await;
        found.and_then(|row| row.try_get(0)).map_err(|error| Fault::of(&error))
    }
}

impl Drop for PrivateMariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where a server's program is. Some are where only root looks.
fn program(name: &str) -> Result<String, Fault> {
    let places = std::env::var("PATH").unwrap_or_default();
    places
        .split(':')
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"])
        .map(|place| format!("{place}/{name}"))
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| {
            Fault(format!(
                "{name} is missing: install it, on Debian with `apt-get install mariadb-server`"
            ))
        })
}
