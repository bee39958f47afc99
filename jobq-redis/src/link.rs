//! One multiplexed connection under supervision: made when needed, given up when it leads nowhere.
//!
//! Concurrent calls share it and are pipelined by it, so a single connection carries the hot path; a
//! pool would cost a check of the connection with every call. The client library's own manager is not
//! used because it keeps a connection that swallows packets.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jobq_core::{ErrorKind, Result};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, RedisError, Value};

use crate::config::RedisConfig;
use crate::error::{Verdict, explain, is_unknown_script, verdict};
use crate::scripts::{EXCHANGE, SETTLE, Script};
use crate::server;

pub(crate) struct Link {
    client: Client,
    config: RedisConfig,
    address: String,
    live: RwLock<Option<Live>>,
    /// Held while connecting, so that a hundred callers make one connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Tells this connection from its predecessors.
    identity: Arc<()>,
}

impl Link {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self> {
        let address = config.address();
        let client = Client::open(tuned(config)).map_err(|error| explain(error, &address))?;
        Ok(Self {
            client,
            config: config.clone(),
            address,
            live: RwLock::new(None),
            connecting: tokio::sync::Mutex::new(()),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs a command. On failure it may or may not have had its effect.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value> {
        self.try_send(command).await?.map_err(|error| explain(error, &self.address))
    }

    /// Runs a script, by its digest or, if the server does not know it, by its text.
    pub(crate) async fn run(&self, script: &Script, call: &Cmd) -> Result<Value> {
        match self.try_send(call).await? {
            Err(error) if is_unknown_script(&error) => self.send(&script.call_whole(call)).await,
            answer => answer.map_err(|error| explain(error, &self.address)),
        }
    }

    /// Runs a command that may be repeated: a second time if the connection failed. A third time would
    /// only hide an outage.
    pub(crate) async fn send_again(&self, command: &Cmd) -> Result<Value> {
        match self.send(command).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => self.send(command).await,
            answer => answer,
        }
    }

    /// Runs a script that may be repeated, as [`send_again`](Self::send_again) does.
    pub(crate) async fn run_again(&self, script: &Script, call: &Cmd) -> Result<Value> {
        match self.run(script, call).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => self.run(script, call).await,
            answer => answer,
        }
    }

    /// The outer error is of connecting, the inner one of the command.
    async fn try_send(&self, command: &Cmd) -> Result<Result<Value, RedisError>> {
        let mut live = self.live().await?;
        let answer = live.connection.send_packed_command(command).await;
        let answer = answer.and_then(Value::extract_error);
        if let Err(error) = &answer
            && verdict(error) == Verdict::Broken
        {
            self.give_up(&live);
        }
        Ok(answer)
    }

    async fn live(&self) -> Result<Live> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let _guard = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let live = Live { connection: self.connect().await?, identity: Arc::new(()) };
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
        Ok(live)
    }

    fn current(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Drops a connection, unless somebody has already put another in its place.
    fn give_up(&self, broken: &Live) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(&live.identity, &broken.identity)) {
            *live = None;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection> {
        let timing = timing(&self.config, Some(self.config.response_timeout));
        let mut connection = self
            .client
            .get_multiplexed_async_connection_with_config(&timing)
            .await
            .map_err(|error| explain(error, &self.address))?;
        server::check(&mut connection, &self.address).await?;
        // The two that travel together must be known beforehand: one that has to be sent again, by its
        // text, would come after the other. A user who may not load scripts loses only this order.
        for script in [&SETTLE, &EXCHANGE] {
            let _ = connection.send_packed_command(&script.load()).await;
        }
        Ok(connection)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The configured server, by sockets that send at once and notice a dead peer.
pub(crate) fn tuned(config: &RedisConfig) -> ConnectionInfo {
    // The library's own default leaves Nagle's algorithm on, which holds back small requests.
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(config.response_timeout + config.connect_timeout);
    config.connection.clone().set_tcp_settings(tcp)
}

/// How long connecting and answers may take; the library's own defaults are too short for scripts
/// behind a saving server, and wrong for calls that block.
pub(crate) fn timing(config: &RedisConfig, response: Option<Duration>) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(response)
}
