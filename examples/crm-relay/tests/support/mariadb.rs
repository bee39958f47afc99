//! A private MariaDB server on a free loopback port, stopped when dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sqlx::{Connection, MySqlConnection, Row};
use tempfile::TempDir;

use super::eventually;

/// A MariaDB server with an empty database.
pub(crate) struct MariaDb {
    server: Child,
    port: u16,
    _datadir: TempDir,
}

impl MariaDb {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let datadir = dir.path().join("data");
        let log = dir.path().join("server.log");
        // A server that starts deletes the temporary tables in its directory for them, also another's.
        let installed = Command::new(program("mariadb-install-db", "mariadb-server"))
            .env("TMPDIR", dir.path())
            .arg("--no-defaults")
            .arg(format!("--datadir={}", datadir.display()))
            .args(["--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .unwrap();
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let port = free_port();
        let server = Command::new(program("mariadbd", "mariadb-server"))
            .env("TMPDIR", dir.path())
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", datadir.display()))
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", dir.path().join("server.sock").display()))
            .arg(format!("--pid-file={}", dir.path().join("server.pid").display()))
            .args(["--innodb-buffer-pool-size=32M", "--skip-name-resolve"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self { server, port, _datadir: dir };
        let mut connection = eventually("MariaDB", async || {
            if let Some(status) = started.server.try_wait().unwrap() {
                panic!("mariadbd: {status}\n{}", std::fs::read_to_string(&log).unwrap());
            }
            MySqlConnection::connect(&format!("mysql://root@127.0.0.1:{port}")).await.ok()
        })
        .await;
        sqlx::raw_sql(
            "CREATE DATABASE crm CHARACTER SET utf8mb4;
             CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret';
             GRANT ALL ON crm.* TO app@'127.0.0.1'",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        started
    }

    pub(crate) fn url(&self) -> String {
        format!("mysql://app:secret@127.0.0.1:{}/crm", self.port)
    }

    /// How many statements it has run, without those that begin and end transactions.
    pub(crate) async fn statements(&self) -> i64 {
        let sql = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
                   WHERE variable_name = 'COM_STMT_EXECUTE'";
        // As text, so that asking does not count.
        let row = sqlx::raw_sql(sql).fetch_one(&mut self.root().await).await.unwrap();
        row.get(0)
    }

    pub(crate) async fn root(&self) -> MySqlConnection {
        MySqlConnection::connect(&format!("mysql://root@127.0.0.1:{}", self.port)).await.unwrap()
    }

    /// Another empty database of the same server.
    pub(crate) async fn another(&self, name: &'static str) -> String {
        let mut connection = self.root().await;
        let sql = format!(
            "CREATE DATABASE {name} CHARACTER SET utf8mb4; GRANT ALL ON {name}.* TO app@'127.0.0.1'"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        format!("mysql://app:secret@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where a server's program is. A test that needs it must not pass without it.
fn program(name: &str, package: &str) -> String {
    let places = std::env::var("PATH").unwrap_or_default();
    places
        .split(':')
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"])
        .map(|place| format!("{place}/{name}"))
        .find(|path| Path::new(path).is_file())
        .unwrap_or_else(|| {
            panic!("this test needs {name}: install it, on Debian with `apt-get install {package}`")
        })
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}
