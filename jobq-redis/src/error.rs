//! What Redis says when something is wrong, in words that tell what to do.

use std::sync::Arc;

use jobq_core::error::Chain;
use jobq_core::{Error, ErrorKind};
use redis::{ConnectionAddr, ConnectionInfo, RedisError};

/// A server's address without user or password.
pub(crate) fn address_of(connection: &ConnectionInfo) -> String {
    let place = match connection.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            format!("{host}:{port}")
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "an address of unknown form".to_owned(),
    };
    match connection.redis_settings().db() {
        0 => place,
        database => format!("{place}, database {database}"),
    }
}

/// What went wrong with a command, and at which server.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: RedisError,
    pub(crate) address: Arc<str>,
}

impl Fault {
    /// The same for people.
    pub(crate) fn explain(self) -> Error {
        explain(self.error, &self.address)
    }
}

/// Why something failed that several waited for, to be told to each of them.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    kind: ErrorKind,
    message: String,
    cause: Option<String>,
}

impl Failed {
    pub(crate) fn as_error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone());
        match &self.cause {
            Some(cause) => error.because(cause.clone()),
            None => error,
        }
    }
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let cause = std::error::Error::source(error).map(|cause| Chain(cause).to_string());
        Self { kind: error.kind(), message: error.to_string(), cause }
    }
}

/// What a failed command means for the connection it was sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The server answered; the connection is as good as before.
    Sound,
    /// The connection leads nowhere, or to a server that is no longer the primary.
    Broken,
}

/// Whether a connection is worth keeping after this error.
///
/// A time-out counts as broken: a link that swallows packets gives nothing else, and the client library
/// never gives up on it by itself. So does a replica's refusal: after a failover the connection still
/// leads to the former primary.
pub(crate) fn verdict(error: &RedisError) -> Verdict {
    let demoted = ["READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED"].iter().any(|it| is(error, it));
    if error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() || demoted {
        Verdict::Broken
    } else {
        Verdict::Sound
    }
}

/// Whether the server does not have the script.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    is(error, "NOSCRIPT")
}

/// Whether a cluster has lost too many of its nodes to go on.
pub(crate) fn cluster_is_down(error: &RedisError) -> bool {
    is(error, "CLUSTERDOWN")
}

/// Whether the error has this code, at its head or, as servers before 7.0 report errors of a script's
/// commands, somewhere inside.
fn is(error: &RedisError, code: &str) -> bool {
    let inside = || error.detail().is_some_and(|detail| detail.contains(&format!("-{code} ")));
    error.code() == Some(code) || inside()
}

/// The error of a command, for people.
pub(crate) fn explain(error: RedisError, address: &str) -> Error {
    if error.kind() == redis::ErrorKind::Parse {
        // Where the parser was lost says nothing more to anybody.
        let message =
            format!("what listens at {address} does not answer as Redis does: is that its port?");
        return Error::new(ErrorKind::Unavailable, message);
    }
    let (kind, message) = diagnose(&error, address);
    let told = Error::new(kind, message);
    // What the server says of a password or a database is what has just been said.
    if is_refused_login(&error) || is_no_database(&error) { told } else { told.because(error) }
}

const WRONG_PASSWORD: &str = "Redis at {address} refused the user name or password: give them in the URL, as \
    in redis://user:password@host";
const HANDOVER: &str = "Redis at {address} is handing the queue over to another node: this passes";

/// What a server says by a code, the first that applies: the codes, what a caller can act on, and the words
/// for people.
const ANSWERS: [(&[&str], ErrorKind, &str); 10] = [
    (&["WRONGPASS", "NOAUTH"], ErrorKind::Refused, WRONG_PASSWORD),
    (
        &["READONLY", "MASTERDOWN"],
        ErrorKind::Unavailable,
        "Redis at {address} is a read-only replica: give the URL of the primary; after a failover this \
         passes",
    ),
    (
        &["OOM"],
        ErrorKind::Full,
        "Redis at {address} is full: it takes nothing more until workers have drained it, or its \
         `maxmemory` is raised",
    ),
    (
        &["NOREPLICAS"],
        ErrorKind::Unavailable,
        "Redis at {address} has too few replicas to accept writes",
    ),
    (&["LOADING"], ErrorKind::Unavailable, "Redis at {address} is still loading its data"),
    (
        &["MISCONF"],
        ErrorKind::Full,
        "Redis at {address} refuses writes because it cannot save to its disk",
    ),
    (
        &["BUSY"],
        ErrorKind::Unavailable,
        "Redis at {address} is busy with somebody's script that does not end",
    ),
    (&["UNBLOCKED"], ErrorKind::Unavailable, "Redis at {address} is no longer the primary"),
    (
        &["CLUSTERDOWN"],
        ErrorKind::Unavailable,
        "the cluster of Redis at {address} is down: it serves nothing until a primary has come back or been \
         replaced",
    ),
    (&["TRYAGAIN", "ASK"], ErrorKind::Unavailable, HANDOVER),
];

/// The words of the table for a server.
fn words(text: &str, address: &str) -> String {
    text.replace("{address}", address)
}

fn diagnose(error: &RedisError, address: &str) -> (ErrorKind, String) {
    if is_no_database(error) {
        let (server, database) =
            address.split_once(", database ").unwrap_or((address, "of that number"));
        return (
            ErrorKind::InvalidInput,
            format!("Redis at {server} has no database {database}: see its `databases`"),
        );
    }
    if is_refused_login(error) {
        return (ErrorKind::Refused, words(WRONG_PASSWORD, address));
    }
    let named = error.detail().and_then(command_in);
    // By its code, or by its words where a script was refused: Redis 7.0 gives these no code.
    if is(error, "NOPERM") || error.to_string().contains("executing the script can't") {
        let what =
            named.map_or_else(|| "do what jobq needs".to_owned(), |name| format!("use {name}"));
        let message = format!("the Redis user at {address} may not {what}: check its ACL");
        return (ErrorKind::Refused, message);
    }
    if lacks_command(error) {
        let what = named.map_or_else(
            || "a command that jobq needs".to_owned(),
            |name| format!("the command {name}"),
        );
        return (
            ErrorKind::Refused,
            format!("Redis at {address} does not have {what}: it was renamed, or a proxy hides it"),
        );
    }
    let said = |codes: &[&str]| codes.iter().any(|code| is(error, code));
    if let Some((_, kind, text)) = ANSWERS.iter().find(|(codes, ..)| said(codes)) {
        return (*kind, words(text, address));
    }
    if said(&["MOVED", "CROSSSLOT"]) {
        return (ErrorKind::Refused, cluster_refusal(address));
    }
    let unavailable = if error.is_connection_refusal() {
        format!("nothing listens at {address}: is Redis running there?")
    } else if error.is_timeout() {
        format!("Redis at {address} did not answer in time")
    } else if error.is_io_error() || error.is_unrecoverable_error() {
        format!("the connection to Redis at {address} failed: {error}")
    } else {
        let message = format!("Redis at {address} answered with an error: {error}");
        return (ErrorKind::Corrupt, message);
    };
    (ErrorKind::Unavailable, unavailable)
}

/// Whether the server does not know a command, or does not let scripts know it.
fn lacks_command(error: &RedisError) -> bool {
    let is_told = |text: &str| {
        let text = text.to_lowercase();
        text.contains("unknown command") || text.contains("unknown redis command")
    };
    error.detail().is_some_and(is_told)
}

/// The command that a refusal names between its first quotes.
fn command_in(detail: &str) -> Option<String> {
    let name = detail.split(['\'', '`']).nth(1)?;
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || byte == b'|';
    (!name.is_empty() && name.len() < 40 && name.bytes().all(is_name)).then(|| name.to_uppercase())
}

fn is_refused_login(error: &RedisError) -> bool {
    is(error, "WRONGPASS")
        || is(error, "NOAUTH")
        || error.kind() == redis::ErrorKind::AuthenticationFailed
}

fn is_no_database(error: &RedisError) -> bool {
    // By its own words, or by those of the client library when it is at the end of its login.
    let told = error.to_string();
    told.contains("DB index is out of range") || told.contains("refused to switch database")
}

/// The error of a connection that could not be made by TLS, for people.
pub(crate) fn explain_tls(error: RedisError, address: &str) -> Error {
    // A server without TLS takes the greeting for a command that goes on, or answers it in plain text.
    if error.is_timeout() || error.to_string().contains("InvalidContentType") {
        let message = format!(
            "what listens at {address} speaks no TLS, or did not answer in time: is it redis:// there?"
        );
        return Error::new(ErrorKind::Unavailable, message);
    }
    explain(error, address)
}

/// The error for a queue of a cluster that is at none of the nodes that were told to have it.
pub(crate) fn handing_over(address: &str) -> Error {
    Error::new(ErrorKind::Unavailable, words(HANDOVER, address))
}

/// The refusal of a server in cluster mode whose URL is that of a single one.
pub(crate) fn cluster_refusal(address: &str) -> String {
    let host = address.split(',').next().unwrap_or(address);
    format!(
        "Redis at {address} runs in cluster mode: give the URL in the form redis+cluster://{host}, \
         with further nodes after commas"
    )
}

/// The refusal of a single server whose URL is that of a cluster.
pub(crate) fn no_cluster(address: &str) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "Redis at {address} does not run in cluster mode: give the URL in the form \
             redis://{address}"
        ),
    )
}

/// The error for an answer that has not the form it must have.
pub(crate) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("Redis gave an answer of unexpected form: {what}"))
}

/// The error for what is stored in a form that this version does not know.
pub(crate) fn newer(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{what}, which a newer jobq wrote: upgrade this one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_with_others_is_told_all_causes() {
        let unavailable = |text: &str| Error::new(ErrorKind::Unavailable, text);
        let middle = unavailable("cannot connect").because("no route to host");
        let error = unavailable("cannot reach 10.0.0.1").because(middle);

        let told = Failed::from(&error).as_error();
        assert_eq!(Chain(&told).to_string(), Chain(&error).to_string());
    }
}
