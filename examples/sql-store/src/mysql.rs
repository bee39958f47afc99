//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::str::FromStr;
use std::time::Duration;

use sqlx::Executor;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};

use crate::error::StoreError;
use crate::place::place_of;

/// How a process connects.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "these are the choices")]
pub struct Connecting {
    /// How many connections there are at most.
    pub connections: u32,
    /// How long to wait for one.
    pub patience: Duration,
    /// What transactions see of each other.
    pub isolation: Isolation,
}

/// What transactions see of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are the choices")]
pub enum Isolation {
    /// As the server has it, which is REPEATABLE READ unless it was changed.
    OfServer,
    /// For systems that ask for every lock by name. The server's default would also lock the gaps around rows
    /// that do not exist, and so make transactions wait that have nothing to do with each other.
    ReadCommitted,
}

/// Opens the database at `mysql://USER:PASSWORD@HOST/NAME`, and runs the statements that create its tables.
///
/// # Errors
///
/// When it cannot be reached, or does not take them.
pub async fn open(
    url: &str,
    schema: &'static str,
    connecting: Connecting,
) -> Result<MySqlPool, StoreError> {
    let place = place_of(url);
    let cannot = |error| StoreError::because(format!("cannot open the database{place}"), error);
    let options = MySqlConnectOptions::from_str(url).map_err(cannot)?;
    let Connecting { connections, patience, isolation } = connecting;
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if isolation == Isolation::ReadCommitted {
                    let sql = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    connection.execute(sql).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await
        .map_err(cannot)?;
    sqlx::raw_sql(schema)
        .execute(&pool)
        .await
        .map_err(|error| StoreError::because("cannot create the tables", error))?;
    Ok(pool)
}
