//! Sentinels: they watch a server and its replicas, and know which of them is the master.
//!
//! They are asked whenever a connection is made, and not between. A connection to a server that is the
//! master no longer breaks, or is given up when it answers that it is a replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jobq_core::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, Value};

use crate::config::RedisConfig;
use crate::error::{address_of, explain};
use crate::first::first_of;
use crate::node::{connect, silent};
use crate::reply;
use crate::topology::at;

/// The sentinels of one master.
pub(crate) struct Sentinels {
    all: Vec<ConnectionInfo>,
    master: Arc<str>,
    server: ConnectionInfo,
    config: RedisConfig,
    /// Which one is asked first. One that was wrong comes last.
    first: AtomicUsize,
}

impl Sentinels {
    pub(crate) fn new(
        all: Vec<ConnectionInfo>,
        master: Arc<str>,
        server: ConnectionInfo,
        config: RedisConfig,
    ) -> Self {
        Self { all, master, server, config, first: AtomicUsize::new(0) }
    }

    /// Where the master is, by the first sentinel that knows.
    pub(crate) async fn find(&self) -> Result<ConnectionInfo> {
        let first = self.first.load(Ordering::Relaxed) % self.all.len().max(1);
        let (later, sooner) = self.all.split_at(first);
        first_of(sooner.iter().chain(later).map(|sentinel| self.ask(sentinel))).await
    }

    /// What was found is no master that answers: another one is asked first the next time.
    pub(crate) fn doubt(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, sentinel: &ConnectionInfo) -> Result<ConnectionInfo> {
        let address = format!("{} (Sentinel)", address_of(sentinel));
        let asking = async {
            let connected = connect(sentinel, &self.config).await;
            let mut connection = connected.map_err(|error| password_refused(error, sentinel))?;
            redis::cmd("SENTINEL")
                .arg("GET-MASTER-ADDR-BY-NAME")
                .arg(&*self.master)
                .query_async::<Value>(&mut connection)
                .await
                .map_err(|error| {
                    if error.to_string().contains("unknown command") {
                        return Error::new(
                            ErrorKind::Refused,
                            format!(
                                "Redis at {} is no Sentinel: its port is another one, 26379 as a rule",
                                address_of(sentinel)
                            ),
                        );
                    }
                    password_refused(explain(error, &address), sentinel)
                })
        };
        let limit = self.config.connect_timeout + self.config.response_timeout;
        let answer =
            tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(silent(&address)))?;
        if matches!(answer, Value::Nil) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "the Sentinel at {} knows no master {:?}: give the name that its `sentinel \
                     monitor` line has",
                    address_of(sentinel),
                    self.master
                ),
            ));
        }
        let mut parts = reply::list(answer)?.into_iter();
        let mut next = || reply::text(parts.next().unwrap_or(Value::Nil));
        let (host, port) = (next()?, next()?);
        let port = port.parse().map_err(|_| crate::error::malformed("a port that is none"))?;
        Ok(at(&self.server, &host, port))
    }
}

/// The same error, but a refusal says where the passwords of sentinels go.
fn password_refused(error: Error, sentinel: &ConnectionInfo) -> Error {
    if error.kind() != ErrorKind::Refused {
        return error;
    }
    let message = format!(
        "the Sentinel at {} refused the user name or password: give them as options at the end of the \
         URL, ?sentinel_username=…&sentinel_password=…; those before the @ are the server's",
        address_of(sentinel)
    );
    Error::new(ErrorKind::Refused, message).because(error)
}
