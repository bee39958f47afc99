//! What one process at a time may have, for each database: a queue in memory is seen by its own process
//! alone, and two of them would deliver the same messages.
//!
//! A lock of the operating system, or of the server: it ends with its process, however that ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinHandle;
use tracing::error;

use super::driver::StoreError;

/// How often the server is told that this process lives: it closes connections that are silent for long.
const PING_EVERY: Duration = Duration::from_secs(60);

/// Held as long as this value lives.
#[derive(Debug)]
pub(crate) enum Sole {
    /// There is nobody else.
    Nobody,
    File(#[expect(dead_code, reason = "held, not read")] File),
    Server(JoinHandle<()>),
}

impl Sole {
    /// Of a database in a file: the lock is on a file beside it, for SQLite has locks of its own on it.
    pub(crate) fn of_file(database: &Path) -> Result<Option<Self>, StoreError> {
        let mut name = OsString::from(database);
        name.push(".worker");
        let cannot = |error| {
            let name = Path::new(&name).display();
            StoreError::because(format!("cannot lock {name}"), sqlx::Error::Io(error))
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self::File(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// Of a database of a server: a lock with the database's name, by a connection of its own.
    pub(crate) async fn of_server(
        options: &MySqlConnectOptions,
    ) -> Result<Option<Self>, StoreError> {
        let mut connection = options.connect().await?;
        let sql = "SELECT GET_LOCK(CONCAT('crm-relay.', LEFT(DATABASE(), 50)), 0)";
        let taken: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        if taken != Some(1) {
            return Ok(None);
        }
        Ok(Some(Self::Server(tokio::spawn(hold(connection)))))
    }
}

async fn hold(mut connection: MySqlConnection) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        if let Err(error) = connection.ping().await {
            error!(%error, "the database may have let another process work beside this one");
            return;
        }
    }
}

impl Drop for Sole {
    fn drop(&mut self) {
        if let Self::Server(connection) = self {
            connection.abort();
        }
    }
}
