//! Private servers on free loopback ports, stopped when dropped.

use jobq_redis::TestServer;
use private_mariadb::PrivateMariaDb;
use sqlx::MySqlConnection;

/// A MariaDB server with an empty database, and a user who may do anything in it.
pub(crate) struct MariaDb {
    pub(crate) server: PrivateMariaDb,
}

impl MariaDb {
    pub(crate) async fn start() -> Self {
        let server = PrivateMariaDb::start().await.unwrap();
        server.database("shop").await.unwrap();
        Self { server }
    }

    pub(crate) fn url(&self) -> String {
        self.url_of("shop")
    }

    /// From now on a connection's reads take no locks, unless they ask for one.
    pub(crate) async fn read_committed(&self) {
        let sql = "SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED";
        self.server.execute(sql).await.unwrap();
    }

    /// How many transactions wait for another one's lock.
    pub(crate) async fn waiting(&self) -> i64 {
        self.server.counter("INNODB_ROW_LOCK_CURRENT_WAITS").await.unwrap()
    }

    pub(crate) async fn root(&self) -> MySqlConnection {
        let mut root = self.server.root().await.unwrap();
        sqlx::raw_sql("USE shop").execute(&mut root).await.unwrap();
        root
    }

    /// Another empty database of the same server.
    pub(crate) async fn another(&self, name: &'static str) -> String {
        self.server.database(name).await.unwrap()
    }

    pub(crate) fn url_of(&self, name: &str) -> String {
        self.server.app_url(name)
    }
}

/// A Redis server that keeps nothing on disk.
pub(crate) struct Redis(TestServer);

impl Redis {
    pub(crate) fn start() -> Self {
        Self(TestServer::start().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }
}
