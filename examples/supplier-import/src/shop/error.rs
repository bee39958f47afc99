//! What can go wrong with a shop's database, told so that a person knows what to do.

use std::io;

use sqlx::mysql::MySqlDatabaseError;

/// Why the shop's database did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ShopError {
    fault: ShopFault,
    message: String,
    #[source]
    cause: Option<sqlx::Error>,
}

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShopFault {
    /// The address is malformed.
    Address,
    /// There is no such host.
    NoHost,
    /// Nobody listens there.
    Refused,
    /// It has not answered in time.
    Silent,
    /// The user or the password is wrong.
    Credentials,
    /// There is no such database, or the user may not use it.
    NoDatabase,
    /// A table is missing.
    NoTable,
    /// A table lacks a column.
    NoColumn,
    /// The user lacks a right.
    NoRight,
    /// The connection broke.
    Lost,
    /// Another transaction's locks are in the way.
    Locked,
    /// Another sync of the same shop is running.
    Busy,
    /// Anything else.
    Other,
}

impl ShopError {
    pub(super) fn new(fault: ShopFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into(), cause: None }
    }

    /// Says what an error of the server at `shown` means.
    pub(super) fn of(shown: &str, cause: sqlx::Error) -> Self {
        let (fault, message) = meaning(shown, &cause);
        Self { fault, message, cause: Some(cause) }
    }

    /// What kind of fault it is.
    #[must_use]
    pub const fn fault(&self) -> ShopFault {
        self.fault
    }

    /// Whether it may be gone the next time, without anybody's doing.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self.fault {
            ShopFault::NoHost
            | ShopFault::Refused
            | ShopFault::Silent
            | ShopFault::Lost
            | ShopFault::Locked
            | ShopFault::Busy
            | ShopFault::Other => true,
            ShopFault::Address
            | ShopFault::Credentials
            | ShopFault::NoDatabase
            | ShopFault::NoTable
            | ShopFault::NoColumn
            | ShopFault::NoRight => false,
        }
    }
}

fn meaning(shown: &str, cause: &sqlx::Error) -> (ShopFault, String) {
    match cause {
        sqlx::Error::Io(error) => of_io(shown, error),
        sqlx::Error::Database(error) => match error.try_downcast_ref::<MySqlDatabaseError>() {
            Some(error) => of_server(shown, error.number(), error.message()),
            None => (ShopFault::Other, format!("the shop's database {shown} has failed")),
        },
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            (ShopFault::Lost, format!("what answers at {shown} does not speak MySQL's protocol"))
        }
        _ => (ShopFault::Other, format!("the shop's database {shown} has failed")),
    }
}

fn of_io(shown: &str, error: &io::Error) -> (ShopFault, String) {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            ShopFault::Refused,
            format!("{shown} refuses connections: is the server running, and the port right?"),
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable => (
            ShopFault::Silent,
            format!("{shown} does not answer: is the address right, and no firewall in between?"),
        ),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => {
            (ShopFault::Lost, format!("the connection to the shop's database {shown} broke"))
        }
        // Resolvers have no kind of their own.
        _ if error.to_string().contains("lookup address") => {
            (ShopFault::NoHost, format!("there is no host of the name in {shown}"))
        }
        _ => (ShopFault::Lost, format!("the connection to the shop's database {shown} failed")),
    }
}

/// The numbers are those of MySQL and MariaDB alike.
fn of_server(shown: &str, number: u16, said: &str) -> (ShopFault, String) {
    match number {
        1045 | 1698 | 3118 => {
            (ShopFault::Credentials, format!("{shown} does not accept this user and password"))
        }
        1130 => (ShopFault::Credentials, format!("{shown} accepts no user from this host")),
        1049 => (ShopFault::NoDatabase, format!("the server has no database {shown}")),
        1044 => (ShopFault::NoDatabase, format!("this user may not use the database {shown}")),
        1146 => {
            (ShopFault::NoTable, format!("the shop {shown} lacks a table: is the prefix right?"))
        }
        1054 => (ShopFault::NoColumn, format!("a table of the shop {shown} lacks a column")),
        1142 | 1143 | 1227 | 1290 => {
            (ShopFault::NoRight, format!("this user may not do in {shown} what a sync must"))
        }
        1205 | 1213 => {
            (ShopFault::Locked, format!("the shop {shown} is locked by another transaction"))
        }
        1053 | 1077 | 1079 | 1080 | 1317 | 1927 | 3169 => {
            (ShopFault::Lost, format!("the shop's database {shown} has ended the connection"))
        }
        1040 | 1203 | 1226 => {
            (ShopFault::Refused, format!("{shown} has too many connections already"))
        }
        _ => (ShopFault::Other, format!("the shop's database {shown} says: {said}")),
    }
}
