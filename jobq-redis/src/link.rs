//! One multiplexed connection under supervision: made when needed, given up when it leads nowhere.
//!
//! Concurrent calls share it and are pipelined by it, so a single connection carries the hot path; a
//! pool would cost a check of the connection with every call. The client library's own manager is not
//! used because it keeps a connection that swallows packets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, RedisError, Value};
use tokio::sync::watch;

use crate::clock::ServerClock;
use crate::config::RedisConfig;
use crate::error::{Verdict, explain, is_unknown_script, verdict};
use crate::scripts::{EXCHANGE, SETTLE, Script};
use crate::server;

pub(crate) struct Link {
    client: Client,
    config: RedisConfig,
    address: String,
    live: RwLock<Option<Live>>,
    connecting: Mutex<Option<watch::Receiver<Option<Connected>>>>,
    /// When the server last answered.
    answered_at: Mutex<Instant>,
    pub(crate) clock: ServerClock,
}

/// What became of connecting, for all who wait for it.
type Connected = Result<Live, Failed>;

/// Why connecting failed, to be told to each of them.
struct Failed {
    kind: ErrorKind,
    message: String,
    cause: Option<String>,
}

/// How long a connection that has answered is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

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
            connecting: Mutex::new(None),
            answered_at: Mutex::new(Instant::now()),
            clock: ServerClock::default(),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs a command. On failure it may or may not have had its effect.
    pub(crate) async fn send(self: &Arc<Self>, command: &Cmd) -> Result<Value> {
        self.try_send(command).await?.map_err(|error| explain(error, &self.address))
    }

    /// Runs a script, by its digest or, if the server does not know it, by its text.
    pub(crate) async fn run(self: &Arc<Self>, script: &Script, call: &Cmd) -> Result<Value> {
        match self.try_send(call).await? {
            Err(error) if is_unknown_script(&error) => self.send(&script.call_whole(call)).await,
            answer => answer.map_err(|error| explain(error, &self.address)),
        }
    }

    /// Runs a command that may be repeated: a second time if the connection failed. A third time would
    /// only hide an outage.
    pub(crate) async fn send_again(self: &Arc<Self>, command: &Cmd) -> Result<Value> {
        match self.send(command).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => self.send(command).await,
            answer => answer,
        }
    }

    /// Makes sure of the connection if it has been quiet for a while: it may have died unnoticed, and a
    /// call that must not be sent twice should not be the one to find out.
    pub(crate) async fn freshen(self: &Arc<Self>) -> Result<()> {
        let quiet = self.answered_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        if quiet > TRUSTED_FOR {
            self.send_again(&redis::cmd("PING")).await?;
        }
        Ok(())
    }

    /// The outer error is of connecting, the inner one of the command.
    async fn try_send(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, RedisError>> {
        let mut live = self.live().await?;
        let answer = live.connection.send_packed_command(command).await;
        let answer = answer.and_then(Value::extract_error);
        match &answer {
            Err(error) if verdict(error) == Verdict::Broken => self.give_up(&live),
            _ => *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now(),
        }
        Ok(answer)
    }

    async fn live(self: &Arc<Self>) -> Result<Live> {
        loop {
            if let Some(live) = self.current() {
                return Ok(live);
            }
            let mut outcome = self.connecting();
            match outcome.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(Ok(live))) => return Ok(live.clone()),
                Ok(Some(Err(failed))) => return Err(failed.as_error()),
                // The runtime in which it was being made has ended: make another in this one.
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// The connection that is being made. One for all callers, in a task of its own: a caller that
    /// stops polling must not keep the others waiting.
    fn connecting(self: &Arc<Self>) -> watch::Receiver<Option<Connected>> {
        let mut connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*connecting
            && outcome.has_changed().is_ok()
            && outcome.borrow().is_none()
        {
            return outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        *connecting = Some(outcome.clone());
        let link = Arc::clone(self);
        tokio::spawn(async move {
            let limit = link.config.connect_timeout + link.config.response_timeout;
            let connected = match tokio::time::timeout(limit, link.connect()).await {
                Ok(Ok(connection)) => {
                    let live = Live { connection, identity: Arc::new(()) };
                    *link.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                    Ok(live)
                }
                Ok(Err(error)) => Err(Failed::from(&error)),
                Err(_) => Err(Failed {
                    kind: ErrorKind::Unavailable,
                    message: format!("Redis at {} did not answer in time", link.address),
                    cause: None,
                }),
            };
            sender.send_replace(Some(connected));
        });
        outcome
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
        self.read_clock(&mut connection).await;
        // The two that travel together must be known beforehand: one that has to be sent again, by its
        // text, would come after the other. A user who may not load scripts loses only this order.
        for script in [&SETTLE, &EXCHANGE] {
            let _ = connection.send_packed_command(&script.load()).await;
        }
        Ok(connection)
    }
}

impl Link {
    /// Learns how far this machine's clock is off the server's. A user who may not ask goes without.
    async fn read_clock(&self, connection: &mut MultiplexedConnection) {
        let time = redis::cmd("TIME").query_async::<(u64, u64)>(connection).await;
        if let Ok((seconds, micros)) = time {
            self.clock.adjust(Timestamp::from_millis(seconds * 1_000 + micros / 1_000));
        }
    }
}

impl Failed {
    fn as_error(&self) -> Error {
        let error = Error::new(self.kind, self.message.clone());
        match &self.cause {
            Some(cause) => error.because(cause.clone()),
            None => error,
        }
    }
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        Self { kind: error.kind(), message: error.to_string(), cause }
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
