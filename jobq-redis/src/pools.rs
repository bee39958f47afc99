//! Connections of one's own, for calls that take long: a pool for each server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime};
use jobq_core::{Error, ErrorKind, Result};
use redis::{Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, RedisResult, Value};
use tokio::time::timeout;

use crate::config::RedisConfig;
use crate::error::{address_of, explain};
use crate::link::Link;
use crate::node::{silent, timing, tuned};
use crate::sentinel::Found;
use crate::slots::Site;
use crate::tenure::{BRISK, SILENCE};
use crate::topology::{Topology, at};

/// Pools of connections that nobody else uses, without a limit to how long an answer may take: who
/// takes one watches it from outside.
pub(crate) struct Pools {
    link: Arc<Link>,
    config: RedisConfig,
    /// The most connections to one server.
    size: usize,
    by_address: Mutex<HashMap<String, Pool>>,
}

impl Pools {
    pub(crate) fn new(link: Arc<Link>, config: &RedisConfig, size: usize) -> Self {
        Self { link, config: config.clone(), size, by_address: Mutex::default() }
    }

    /// A connection to the server that has a key.
    pub(crate) async fn connection(&self, key: &str) -> Result<Lent> {
        self.lend(self.link.place_of(key).await?).await
    }

    /// A connection to a node of a cluster that another has named.
    pub(crate) async fn connection_at(&self, (host, port): &Site) -> Result<Lent> {
        let model = match &self.config.topology {
            Topology::One(server) | Topology::Sentinel { server, .. } => server,
            Topology::Cluster(nodes) => &nodes[0],
        };
        self.lend(Found { server: at(model, host, *port), as_of: Instant::now() }).await
    }

    async fn lend(&self, found: Found) -> Result<Lent> {
        let began_at = Instant::now();
        let place = &found.server;
        let address = address_of(place);
        let host = match place.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => String::new(),
        };
        let pool = self.pool(place, &address)?;
        // Each idle connection is tried for as long as an answer may take, one after the other.
        let limit = self.config.connect_timeout + self.config.response_timeout;
        let Ok(got) = timeout(limit, pool.get()).await else {
            self.link.doubt();
            pool.retain(|_, _| false);
            return Err(silent(&address));
        };
        let connection = got.map_err(|cause| {
            self.link.doubt();
            match cause {
                PoolError::Backend(error) => explain(error, &address),
                other => Error::new(
                    ErrorKind::Unavailable,
                    format!("no connection to Redis at {address}: {other}"),
                ),
            }
        })?;
        Ok(Lent { connection: Some(connection), address, host, found, began_at })
    }

    fn pool(&self, place: &ConnectionInfo, address: &str) -> Result<Pool> {
        let mut pools = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(address) {
            return Ok(pool.clone());
        }
        let broken = |cause: String| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("no connections to {address} can be made: {cause}"),
            )
        };
        let config = &self.config;
        let manager = Manager::new_with_config(tuned(place, config), timing(config, None))
            .map_err(|cause| broken(cause.to_string()))?;
        let pool = Pool::builder(manager)
            .max_size(self.size)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(config.connect_timeout))
            .recycle_timeout(Some(config.response_timeout))
            .wait_timeout(Some(config.connect_timeout))
            .build()
            .map_err(|cause| broken(cause.to_string()))?;
        // A server that is no longer asked for is one that has failed: its connections go.
        pools.retain(|_, pool| pool.status().size > 0);
        pools.insert(address.to_owned(), pool.clone());
        Ok(pool)
    }
}

/// A connection of a pool. It goes back there when it is given back, and ends when it is dropped: a
/// call that was broken off may still be under way on it.
pub(crate) struct Lent {
    connection: Option<Connection>,
    address: String,
    host: String,
    found: Found,
    began_at: Instant,
}

impl Lent {
    /// Where it leads.
    pub(crate) const fn server(&self) -> &ConnectionInfo {
        &self.found.server
    }

    /// Whether all has gone so fast that it must still be the right server. One that is silent for longer may
    /// have been so before, and have been replaced meanwhile.
    pub(crate) fn is_brisk(&self) -> bool {
        self.began_at.elapsed() <= BRISK && self.found.as_of.elapsed() <= SILENCE
    }

    /// Runs a command.
    pub(crate) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        connection.send_packed_command(command).await.and_then(Value::extract_error)
    }

    /// Runs commands one after the other, and gives the answer of each.
    pub(crate) async fn send_all(&mut self, commands: &[Cmd]) -> RedisResult<Vec<Value>> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        connection.send_packed_commands(&pipeline, 0, commands.len()).await
    }

    pub(crate) fn give_back(mut self) {
        self.connection = None;
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its host; empty for a socket of this machine.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Connection::take(connection));
        }
    }
}

fn gone() -> RedisError {
    RedisError::from((redis::ErrorKind::Client, "the connection was given back"))
}
