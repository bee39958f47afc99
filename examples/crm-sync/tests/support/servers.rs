//! A private MariaDB server on a free loopback port, stopped when dropped. Redis has `TestServer`.

use private_mariadb::PrivateMariaDb;
use sqlx::MySqlConnection;
/// A MariaDB server with an empty database.
pub(crate) struct MariaDb(PrivateMariaDb);

impl MariaDb {
    pub(crate) async fn start() -> Self {
        let server = PrivateMariaDb::start().await.unwrap();
        server.database("crm").await.unwrap();
        Self(server)
    }

    pub(crate) fn url(&self) -> String {
        self.0.app_url("crm")
    }

    /// Another empty database of the same server.
    pub(crate) async fn another(&self, name: &str) -> String {
        self.0.database(name).await.unwrap()
    }

    /// How many transactions wait for another one's lock.
    pub(crate) async fn waiting(&self) -> i64 {
        self.0.counter("INNODB_ROW_LOCK_CURRENT_WAITS").await.unwrap()
    }

    /// A connection that may do anything.
    pub(crate) async fn root(&self) -> MySqlConnection {
        self.0.root().await.unwrap()
    }
}
