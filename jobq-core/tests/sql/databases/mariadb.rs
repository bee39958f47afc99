//! A private MariaDB server on a free loopback port, stopped when dropped.

use std::process::{Command, Stdio};

use sqlx::{Connection, MySqlConnection};
use tempfile::TempDir;

use super::{Server, free_port, program};

#[derive(Debug)]
pub(crate) struct MariaDb {
    port: u16,
    _server: Server,
    _directory: TempDir,
}

impl MariaDb {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let datadir = directory.path().join("data");
        let installed = Command::new(program("mariadb-install-db", "mariadb-server"))
            // Servers in several containers may have the same process id, and name temporary files by it.
            .env("TMPDIR", directory.path())
            .arg("--no-defaults")
            .arg(format!("--datadir={}", datadir.display()))
            .args(["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let (port, log) = (free_port(), directory.path().join("server.log"));
        let process = Command::new(program("mariadbd", "mariadb-server"))
            .env("TMPDIR", directory.path())
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", datadir.display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", directory.path().join("server.sock").display()))
            .arg(format!("--pid-file={}", directory.path().join("server.pid").display()))
            .args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0"])
            .arg("--skip-name-resolve")
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut server = Server { process, signal: "-KILL", log };
        let url = format!("mysql://root@127.0.0.1:{port}");
        server.ready(async || MySqlConnection::connect(&url).await.ok()).await;
        Self { port, _server: server, _directory: directory }
    }

    /// The URL of a new database. Its default is a character set that is not UTF-8, as many still are.
    pub(crate) async fn database(&self, name: &str) -> String {
        let url = format!("mysql://root@127.0.0.1:{}", self.port);
        let mut root = MySqlConnection::connect(&url).await.unwrap();
        let sql = format!("CREATE DATABASE {name} CHARACTER SET latin1");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut root).await.unwrap();
        format!("{url}/{name}")
    }
}
