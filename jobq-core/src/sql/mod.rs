//! Jobs and SQL transactions: an outbox for programs that enqueue, an inbox for those that handle.
//!
//! A program that writes a row and enqueues a job for it can die in between: then the row has no job, or
//! the job no row. With the [outbox] both are written by one transaction of the program's own
//! database, and a [relay](outbox::Relay) moves the job to its queue afterwards. The [inbox] is the other end: it
//! makes what a handler writes happen once, however often its job runs.
//!
//! ```
//! use jobq_core::sql::{create_tables, inbox, outbox};
//! use jobq_core::{Job, JobContext, JobResult, MemoryBackend};
//! use serde::{Deserialize, Serialize};
//! use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};
//!
//! #[derive(Serialize, Deserialize, Job)]
//! #[job(queue = "billing")]
//! struct SendInvoice { id: i64 }
//!
//! async fn place_order(db: &SqlitePool, id: i64) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut tx = db.begin().await?;
//!     sqlx::query("INSERT INTO orders (id) VALUES (?)").bind(id).execute(&mut *tx).await?;
//!     outbox::enqueue(&mut *tx, SendInvoice { id }).priority(10).await?;
//!     tx.commit().await?; // both, or neither
//!     Ok(())
//! }
//!
//! async fn send_invoice(job: SendInvoice, db: &SqlitePool, cx: JobContext) -> JobResult<i64> {
//!     let mut tx = db.begin().await?;
//!     if let Some(number) = inbox::enter(&mut *tx, &cx).await? {
//!         return Ok(number); // an earlier run has written it
//!     }
//!     let invoice = sqlx::query("INSERT INTO invoices (order_id) VALUES (?)").bind(job.id);
//!     let number = invoice.execute(&mut *tx).await?.last_insert_rowid();
//!     inbox::finish(&mut *tx, &cx, &number).await?;
//!     tx.commit().await?;
//!     Ok(number)
//! }
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! let db = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! sqlx::raw_sql("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(&db).await?;
//! create_tables(&mut *db.acquire().await?).await?;
//! place_order(&db, 7).await?;
//!
//! let relay = outbox::Relay::new(db, MemoryBackend::new());
//! assert_eq!(relay.run_once().await?.enqueued, 1);
//! # let _ = send_invoice;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! What is promised and what is not, the tables, and how to run it: `docs/outbox.md` in the repository.
//!
//! One feature for each database: `sql-sqlite`, `sql-mysql` (MySQL 8.0 and MariaDB 10.6, or newer) and
//! `sql-postgres`. This is the one module whose signatures hold types of a dependency: sqlx's connections
//! and pools, which its users bring along.
//!
//! # What it does not do
//!
//! It opens no connection of its own beside the pool it is given, and begins or ends no transaction of
//! the caller.

mod connection;
mod dialect;
mod failure;
pub mod inbox;
#[cfg(feature = "sql-mysql")]
mod mysql;
pub mod outbox;
#[cfg(feature = "sql-postgres")]
mod postgres;
mod relay;
#[cfg(feature = "sql-sqlite")]
mod sqlite;

pub use connection::SqlConnection;
use failure::failed;

use crate::error::Result;

/// The tables of the outbox and the inbox in SQLite, for a program's own migrations.
#[cfg(feature = "sql-sqlite")]
pub const SQLITE_SCHEMA: &str = include_str!("schema/sqlite.sql");
/// The tables of the outbox and the inbox in MySQL and MariaDB, for a program's own migrations.
#[cfg(feature = "sql-mysql")]
pub const MYSQL_SCHEMA: &str = include_str!("schema/mysql.sql");
/// The tables of the outbox and the inbox in PostgreSQL, for a program's own migrations.
#[cfg(feature = "sql-postgres")]
pub const POSTGRES_SCHEMA: &str = include_str!("schema/postgres.sql");

/// Creates the tables of the outbox and the inbox, unless they are there. Several programs may do so at
/// once.
///
/// MySQL and MariaDB commit a transaction that creates a table: give it a connection outside of one.
///
/// # Errors
///
/// [`Unavailable`](crate::ErrorKind::Unavailable) with the database's own error as its source.
pub async fn create_tables<C: SqlConnection>(connection: &mut C) -> Result<()> {
    connection
        .create_tables()
        .await
        .map_err(|error| failed("create the tables of the outbox and the inbox", error))
}
