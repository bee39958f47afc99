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
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use super::driver::StoreError;

/// How often the server is asked whether it is still there; it closes connections that are silent for long.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How long to wait before the next try while the server is away.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Held as long as this value lives.
#[derive(Debug)]
pub(crate) enum Sole {
    /// There is nobody else.
    Nobody,
    File(#[expect(dead_code, reason = "held, not read")] File),
    Server {
        task: JoinHandle<()>,
        lost: watch::Receiver<bool>,
    },
}

impl Sole {
    /// Of a database in a file: the lock is on a file beside it, for SQLite has locks of its own on it.
    pub(crate) fn of_file(database: &Path) -> Result<Option<Self>, StoreError> {
        // The same file by another name is the same database.
        let database = database.canonicalize().unwrap_or_else(|_| database.to_path_buf());
        let mut name = OsString::from(&database);
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

    /// Of a database of a server: a lock with the database's name, by a connection of its own. When the server
    /// is started anew it is taken again.
    pub(crate) async fn of_server(
        options: &MySqlConnectOptions,
    ) -> Result<Option<Self>, StoreError> {
        let Some(connection) = take(options).await? else { return Ok(None) };
        let lost = watch::Sender::new(false);
        let (told, options) = (lost.subscribe(), options.clone());
        let task = tokio::spawn(async move {
            hold(connection, &options).await;
            lost.send_replace(true);
        });
        Ok(Some(Self::Server { task, lost: told }))
    }

    /// Waits until another process has it, after the server was away. Cancel safe.
    pub(crate) async fn lost(&self) {
        if let Self::Server { lost, .. } = self {
            let mut lost = lost.clone();
            // The task ends by itself only when it has lost it.
            let _ = lost.wait_for(|lost| *lost).await;
        } else {
            std::future::pending::<()>().await;
        }
    }
}

async fn take(options: &MySqlConnectOptions) -> Result<Option<MySqlConnection>, StoreError> {
    let mut connection = options.connect().await?;
    let sql = "SELECT GET_LOCK(CONCAT('crm-relay.', LEFT(DATABASE(), 50)), 0)";
    let taken: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    Ok((taken == Some(1)).then_some(connection))
}

/// Holds the lock until another process has it.
async fn hold(mut connection: MySqlConnection, options: &MySqlConnectOptions) {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        let Err(error) = connection.ping().await else { continue };
        warn!(%error, "the database was away: another process may take over the work");
        connection = loop {
            match take(options).await {
                Ok(Some(connection)) => break connection,
                Ok(None) => return,
                Err(error) => {
                    debug!(%error, "the database is still away");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        };
    }
}

impl Drop for Sole {
    fn drop(&mut self) {
        if let Self::Server { task, .. } = self {
            task.abort();
        }
    }
}
