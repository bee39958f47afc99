//! The databases that the tests run on: SQLite in a file, and servers of their own.

pub(crate) mod mariadb;
pub(crate) mod postgres;

use std::future::Future;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::str::FromStr;
use std::time::{Duration, Instant};

use jobq_core::sql::{SqlConnection, create_tables};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Database, MySql, Pool, Postgres, Sqlite};

/// A database, in words that are the same for all.
pub(crate) trait TestDb: Database<Connection: SqlConnection> {
    /// How often to try what hangs on who is faster, this program or the database: one that has answered
    /// before it is waited for is no await. SQLite often has, a server seldom.
    const ROUNDS: usize;

    fn open(url: &str) -> impl Future<Output = Pool<Self>> + Send;

    /// Runs statements as they are, and says how many rows the last one changed.
    fn run(
        connection: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// The numbers in the first column.
    fn numbers(
        connection: &mut Self::Connection,
        sql: String,
    ) -> impl Future<Output = Vec<i64>> + Send;
}

/// How many connections a pool of a test has.
const CONNECTIONS: u32 = 6;

macro_rules! test_db {
    ($database:ident, $rounds:literal, $url:ident => $pool:expr) => {
        impl TestDb for $database {
            const ROUNDS: usize = $rounds;

            async fn open($url: &str) -> Pool<Self> {
                $pool.await.unwrap()
            }

            async fn run(
                connection: &mut Self::Connection,
                sql: String,
            ) -> Result<u64, sqlx::Error> {
                let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
                Ok(done.rows_affected())
            }

            async fn numbers(connection: &mut Self::Connection, sql: String) -> Vec<i64> {
                let query = sqlx::query_scalar(AssertSqlSafe(sql));
                query.fetch_all(connection).await.unwrap()
            }
        }
    };
}

test_db!(Sqlite, 5, url => SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(
    SqliteConnectOptions::from_str(url)
        .unwrap()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30)),
));
test_db!(MySql, 3, url => MySqlPoolOptions::new().max_connections(CONNECTIONS).connect(url));
test_db!(Postgres, 3, url => PgPoolOptions::new().max_connections(CONNECTIONS).connect(url));

/// A database of the test's own, with the tables of the outbox, orders, and what was done about them.
#[derive(Debug)]
pub(crate) struct Place<DB: Database> {
    pub(crate) pool: Pool<DB>,
}

impl<DB: Database> Clone for Place<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone() }
    }
}

impl<DB: TestDb> Place<DB> {
    pub(crate) async fn at(url: &str) -> Self {
        let place = Self { pool: DB::open(url).await };
        let mut connection = place.connection().await;
        create_tables(&mut *connection).await.unwrap();
        let orders = "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY);
                      CREATE TABLE effects (order_id BIGINT NOT NULL, token BIGINT NOT NULL)";
        DB::run(&mut connection, orders.to_owned()).await.unwrap();
        drop(connection);
        place
    }

    /// A connection that ends when it is dropped, as that of a process does that is killed.
    pub(crate) async fn mortal_connection(&self) -> sqlx::pool::PoolConnection<DB> {
        let mut connection = self.connection().await;
        connection.close_on_drop();
        connection
    }

    pub(crate) async fn connection(&self) -> sqlx::pool::PoolConnection<DB> {
        self.pool.acquire().await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) -> u64 {
        DB::run(&mut *self.connection().await, sql.to_owned()).await.unwrap()
    }

    pub(crate) async fn numbers(&self, sql: &str) -> Vec<i64> {
        DB::numbers(&mut *self.connection().await, sql.to_owned()).await
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        self.numbers(&format!("SELECT COUNT(*) FROM {from}")).await[0]
    }
}

/// The URL of an SQLite database in a directory.
pub(crate) fn sqlite_url(directory: &Path) -> String {
    format!("sqlite://{}", directory.join("test.db").display())
}

/// A server's process, stopped when dropped.
#[derive(Debug)]
struct Server {
    process: Child,
    /// The signal that stops it.
    signal: &'static str,
    log: PathBuf,
}

impl Server {
    /// Waits until it takes connections, or says why it never will.
    async fn ready<T>(&mut self, mut connect: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(connection) = connect().await {
                return connection;
            }
            let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(status) = self.process.try_wait().unwrap() {
                panic!("the server ended with {status}\n{}", log());
            }
            assert!(Instant::now() < deadline, "waited a minute for the server\n{}", log());
            // Before it takes connections a server has no way to say that it does.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args([self.signal, &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// Where a server's program is. A test that needs it must not pass without it.
fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = path.split(':').map(PathBuf::from).collect();
    places.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    // Debian keeps PostgreSQL's programs by version.
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        places.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    places.into_iter().map(|place| place.join(name)).find(|path| path.is_file()).unwrap_or_else(
        || panic!("this test needs {name}: install it, on Debian with `apt-get install {package}`"),
    )
}

fn free_port() -> u16 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}
