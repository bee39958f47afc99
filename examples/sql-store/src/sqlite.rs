//! SQLite: one file, no server.

use std::fs::OpenOptions;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

use crate::error::StoreError;

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// The connections of a process to a database.
///
/// SQLite has one writer at a time, so a process has one connection that writes: its transactions queue up in
/// order, in place of trying again and again for the lock.
#[derive(Clone, Debug)]
pub struct Pools {
    /// For what only reads.
    pub readers: SqlitePool,
    /// For what writes: one connection.
    pub writer: SqlitePool,
    options: SqliteConnectOptions,
}

impl Pools {
    /// Opens the database at `sqlite://FILE`, and runs the statements that create its tables. A file that is not
    /// there is created for its owner alone.
    ///
    /// What is committed survives a power cut.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or is no database.
    pub async fn open(url: &str, schema: &'static str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::because(format!("cannot open the database {url}"), error);
        let options = SqliteConnectOptions::from_str(url)
            .map_err(cannot)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        create_private(options.get_filename());
        let writer = one(&options).await.map_err(cannot)?;
        sqlx::raw_sql(schema)
            .execute(&writer)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        let readers =
            pool().max_connections(READERS).connect_with(options.clone()).await.map_err(cannot)?;
        Ok(Self { readers, writer, options })
    }

    /// Another connection that writes, for what may hold the lock while it waits for something else.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub async fn another_writer(&self) -> Result<SqlitePool, StoreError> {
        one(&self.options)
            .await
            .map_err(|error| StoreError::because("cannot open the database once more", error))
    }

    /// Begins a transaction that is going to write.
    ///
    /// # Errors
    ///
    /// When another process writes for too long.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        // IMMEDIATE takes the lock at once: a transaction that only later wants to write would fail if
        // another process had written meanwhile.
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// The file; `None` for a database in memory.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        file_of(self.options.get_filename())
    }
}

/// A database in memory has a name of this form.
fn file_of(name: &Path) -> Option<&Path> {
    (!name.to_string_lossy().starts_with("file:")).then_some(name)
}

async fn one(options: &SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    pool().max_connections(1).connect_with(options.clone()).await
}

/// A pool that closes a connection whose transaction could not be ended. When the disk is full, SQLite rolls
/// back by itself; sqlx's own ROLLBACK then fails, and no other transaction could begin on that connection.
fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_release(|connection, _| {
        Box::pin(async move {
            // Behind the rollback that is under way.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

/// Creates a file that is not there for its owner alone: there may be secrets in it. SQLite gives the files
/// beside it the same permissions. What goes wrong here, it tells better.
fn create_private(name: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Some(file) = file_of(name) {
        drop(options.open(file));
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;
    use crate::rows::bound;
    use crate::values;

    #[tokio::test]
    async fn a_disk_that_was_full_is_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("texts.db").display());
        let pools =
            Pools::open(&url, "CREATE TABLE IF NOT EXISTS texts (text TEXT)").await.unwrap();
        let add = async |text: String| -> sqlx::Result<()> {
            let mut transaction = pools.begin().await?;
            let add = bound::<Sqlite>("INSERT INTO texts (text) VALUES (?)", values![text]);
            add.execute(&mut *transaction).await?;
            transaction.commit().await
        };
        pools.writer.execute("PRAGMA max_page_count = 1").await.unwrap();

        let full = add("x".repeat(1_000_000)).await.unwrap_err();
        let again = add("x".repeat(1_000_000)).await;

        assert!(full.to_string().contains("full"), "{full}");
        // SQLite keeps the limit with the connection: another one has none.
        again.unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_new_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;

        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("texts.db");
        Pools::open(&format!("sqlite://{}", file.display()), "CREATE TABLE t (n)").await.unwrap();

        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
