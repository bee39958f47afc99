//! One connection to a shop, which waits for nothing for ever and counts what it sends.

use std::future::Future;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::mysql::{MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Row};

use super::{Shop, ShopError, ShopFault};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the server waits for a lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_WAIT_S: u32 = 10;
/// How long to wait for another sync: no longer than one that has just ended takes to say goodbye.
const SYNC_LOCK_WAIT_S: u32 = 2;

/// A connection. Dropped in the middle of a transaction, it leaves nothing of it behind.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) shop: Shop,
    inner: MySqlConnection,
    statements: u64,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(shop: &Shop) -> Result<Self, ShopError> {
        let connecting = MySqlConnection::connect_with(&shop.options);
        let inner = in_time(shop, CONNECT_TIMEOUT, connecting).await?;
        let mut opened = Self { shop: shop.clone(), inner, statements: 0 };
        opened.run(&format!("SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}")).await?;
        Ok(opened)
    }

    /// Takes the right to write this shop's availability, which no other process has meanwhile. It ends
    /// with the connection.
    ///
    /// Two syncs at once could leave the shop with what the slower one had read before the faster one, and
    /// the note that it has the newer.
    pub(crate) async fn lock(&mut self) -> Result<(), ShopError> {
        let sql = format!("SELECT GET_LOCK('{}', {SYNC_LOCK_WAIT_S})", self.lock_name());
        let rows = self.rows(&sql).await?;
        let got = rows.first().and_then(|row| row.try_get::<i64, _>(0).ok());
        if got == Some(1) {
            return Ok(());
        }
        let message = format!("another sync of the shop {} is running", self.shop);
        Err(ShopError::new(ShopFault::Busy, message))
    }

    /// Says goodbye, and gives the lock back.
    pub(crate) async fn close(mut self) -> Result<u64, ShopError> {
        let sql = format!("SELECT RELEASE_LOCK('{}')", self.lock_name());
        self.rows(&sql).await?;
        let Self { shop, inner, statements } = self;
        in_time(&shop, STATEMENT_TIMEOUT, inner.close()).await?;
        Ok(statements)
    }

    /// How many statements it has sent.
    pub(crate) const fn statements(&self) -> u64 {
        self.statements
    }

    /// Runs a statement of our own making: nothing of it but numbers, checked names and [`literal`]s is from
    /// outside.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), ShopError> {
        self.statements += 1;
        // Not prepared: it is rarely the same twice, and the packet that closes a prepared statement has no
        // answer, for which the next one's would wait 40 ms (Nagle's algorithm and delayed acknowledgements).
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.inner);
        in_time(&self.shop, STATEMENT_TIMEOUT, done).await?;
        Ok(())
    }

    /// Runs a query of our own making.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<MySqlRow>, ShopError> {
        self.statements += 1;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.inner);
        in_time(&self.shop, STATEMENT_TIMEOUT, rows).await
    }

    /// What an error of a row means.
    pub(super) fn misread(&self, error: sqlx::Error) -> ShopError {
        ShopError::of(&self.shop.shown, error)
    }

    /// Names of locks are the server's, not the database's, and bounded in length.
    fn lock_name(&self) -> String {
        let shop = &self.shop;
        let name = shop.options.get_database().unwrap_or_default();
        let digest = Sha256::digest(format!("{name}/{}/{}", shop.prefix, shop.shop_id));
        let start: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("supplier-import {start}")
    }
}

/// A text as it may stand in a statement, whatever is in it and whatever the server's SQL mode says of
/// quotes and backslashes.
pub(super) fn literal(text: &str) -> String {
    if text.is_empty() {
        return "''".to_owned();
    }
    let digits: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("_utf8mb4 x'{digits}'")
}

async fn in_time<T>(
    shop: &Shop,
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ShopError> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| ShopError::of(&shop.shown, error)),
        Err(_) => Err(ShopError::new(
            ShopFault::Silent,
            format!("{shop} has not answered for {} s", limit.as_secs()),
        )),
    }
}
