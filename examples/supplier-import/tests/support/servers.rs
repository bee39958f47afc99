//! Private servers on free loopback ports, stopped when dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sqlx::{Connection, MySqlConnection};
use supplier_import::private_server::PrivateMariaDb;

use super::eventually;

/// A MariaDB server with an empty database, and a user who may do anything in it.
pub(crate) struct MariaDb {
    pub(crate) server: PrivateMariaDb,
}

impl MariaDb {
    pub(crate) async fn start() -> Self {
        let server = PrivateMariaDb::start().await.unwrap();
        server
            .execute(
                "CREATE DATABASE shop CHARACTER SET utf8mb4;
                 CREATE USER app@'127.0.0.1' IDENTIFIED BY 'secret';
                 GRANT ALL ON shop.* TO app@'127.0.0.1'",
            )
            .await
            .unwrap();
        Self { server }
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("shop")
    }

    /// From now on a connection's reads take no locks, unless they ask for one.
    pub(crate) async fn read_committed(&self) {
        let sql = "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED";
        sqlx::raw_sql(sql).execute(&mut self.root().await).await.unwrap();
    }

    /// How many transactions wait for another one's lock.
    pub(crate) async fn waiting(&self) -> i64 {
        let sql = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
                   WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";
        sqlx::query_scalar(sql).fetch_one(&mut self.root().await).await.unwrap()
    }

    pub(crate) async fn root(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.server.url("shop")).await.unwrap()
    }

    /// Another empty database of the same server.
    pub(crate) async fn another(&self, name: &'static str) -> String {
        let sql = format!(
            "CREATE DATABASE {name} CHARACTER SET utf8mb4; GRANT ALL ON {name}.* TO app@'127.0.0.1'"
        );
        self.server.execute(&sql).await.unwrap();
        self.url_of(name)
    }

    pub(crate) fn url_of(&self, name: &str) -> String {
        format!("mysql://app:secret@127.0.0.1:{}/{name}", self.server.port())
    }
}

/// A Redis server that keeps nothing on disk.
pub(crate) struct Redis {
    server: Child,
    port: u16,
}

impl Redis {
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let server = Command::new(program("redis-server", "redis-server"))
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = Self { server, port };
        eventually("Redis", async || {
            if let Some(status) = started.server.try_wait().unwrap() {
                panic!("redis-server: {status}");
            }
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
        })
        .await;
        started
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
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
