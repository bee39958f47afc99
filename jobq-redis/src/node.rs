//! One multiplexed connection under supervision: made when needed, given up when it leads nowhere.
//!
//! Concurrent calls share it and are pipelined by it, so a single connection carries the hot path; a
//! pool would cost a check of the connection with every call. The client library's own manager is not
//! used because it keeps a connection that swallows packets.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, Value};

use crate::clock::ServerClock;
use crate::config::RedisConfig;
use crate::error::{Failed, Fault, Verdict, address_of, explain, verdict};
use crate::joint::Joint;
use crate::scripts::{EXCHANGE, SETTLE};
use crate::sentinel::Sentinels;
use crate::server;

/// A server and the connection to it.
pub(crate) struct Node {
    place: Place,
    config: RedisConfig,
    address: Arc<str>,
    live: RwLock<Option<Live>>,
    connecting: Joint<Result<Live, Failed>>,
    /// When the server last answered.
    answered_at: Mutex<Instant>,
    clock: Arc<ServerClock>,
}

/// Where a server is.
pub(crate) enum Place {
    Fixed(Box<ConnectionInfo>),
    /// It is looked up whenever a connection is made.
    Master(Arc<Sentinels>),
}

/// How long a connection that has answered is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Tells this connection from its predecessors.
    identity: Arc<()>,
}

impl Node {
    pub(crate) fn new(place: Place, config: &RedisConfig, clock: Arc<ServerClock>) -> Self {
        let address = match &place {
            Place::Fixed(server) => address_of(server),
            Place::Master(_) => config.address(),
        };
        Self {
            place,
            config: config.clone(),
            address: Arc::from(address),
            live: RwLock::new(None),
            connecting: Joint::default(),
            answered_at: Mutex::new(Instant::now()),
            clock,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its host; empty if that is not fixed.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            Place::Fixed(server) => match server.addr() {
                ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
                _ => "",
            },
            Place::Master(_) => "",
        }
    }

    /// Where it is just now.
    pub(crate) async fn find(&self) -> Result<ConnectionInfo> {
        match &self.place {
            Place::Fixed(server) => Ok((**server).clone()),
            Place::Master(sentinels) => sentinels.find().await,
        }
    }

    /// Runs a command. The outer error is of connecting, the inner one of the command.
    pub(crate) async fn try_send(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, Fault>> {
        let mut live = self.live().await?;
        let answer = live.connection.send_packed_command(command).await;
        Ok(self.heard(&live, answer.and_then(Value::extract_error)))
    }

    /// The same for a slot of a cluster that is being moved here.
    pub(crate) async fn try_ask(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, Fault>> {
        let mut live = self.live().await?;
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(redis::cmd("ASKING")).add_command(command.clone());
        let answers = live.connection.send_packed_commands(&pipeline, 0, 2).await;
        let answer = answers.map(|mut answers| answers.pop().unwrap_or(Value::Nil));
        Ok(self.heard(&live, answer.and_then(Value::extract_error)))
    }

    /// Runs a command; on failure it may or may not have had its effect.
    pub(crate) async fn send(self: &Arc<Self>, command: &Cmd) -> Result<Value> {
        self.try_send(command).await?.map_err(Fault::explain)
    }

    /// Whether it has not answered for so long that the connection may have died unnoticed.
    pub(crate) fn is_quiet(&self) -> bool {
        let answered_at = self.answered_at.lock().unwrap_or_else(PoisonError::into_inner);
        answered_at.elapsed() > TRUSTED_FOR
    }

    fn heard(
        &self,
        live: &Live,
        answer: redis::RedisResult<Value>,
    ) -> std::result::Result<Value, Fault> {
        match &answer {
            Err(error) if verdict(error) == Verdict::Broken => self.give_up(live),
            _ => *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now(),
        }
        answer.map_err(|error| Fault { error, address: Arc::clone(&self.address) })
    }

    async fn live(self: &Arc<Self>) -> Result<Live> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let outcome = self.connecting.outcome(|| {
            let node = Arc::clone(self);
            async move {
                if let Some(live) = node.current() {
                    return Ok(live);
                }
                let connection = node.connect().await.map_err(|error| Failed::from(&error))?;
                let live = Live { connection, identity: Arc::new(()) };
                *node.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
        });
        outcome.await.map_err(|failed| failed.as_error())
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
        let server = self.find().await?;
        let connecting = async {
            let mut connection = connect(&server, &self.config).await?;
            server::check(&mut connection, &address_of(&server), &self.config).await?;
            self.read_clock(&mut connection).await;
            // The two that travel together must be known beforehand: one that has to be sent again, by
            // its text, would come after the other. A user who may not load scripts loses only this
            // order.
            for script in [&SETTLE, &EXCHANGE] {
                let _ = connection.send_packed_command(&script.load()).await;
            }
            Ok(connection)
        };
        let limit = self.config.connect_timeout + self.config.response_timeout;
        let connected = tokio::time::timeout(limit, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(silent(&address_of(&server))));
        if let (Err(_), Place::Master(sentinels)) = (&connected, &self.place) {
            sentinels.doubt();
        }
        connected
    }

    /// Learns how far this machine's clock is off the server's. A user who may not ask goes without.
    async fn read_clock(&self, connection: &mut MultiplexedConnection) {
        let time = redis::cmd("TIME").query_async::<(u64, u64)>(connection).await;
        if let Ok((seconds, micros)) = time {
            self.clock.adjust(Timestamp::from_millis(seconds * 1_000 + micros / 1_000));
        }
    }
}

/// A connection whose answers are waited for as long as configured.
pub(crate) async fn connect(
    server: &ConnectionInfo,
    config: &RedisConfig,
) -> Result<MultiplexedConnection> {
    let timing = timing(config, Some(config.response_timeout));
    let explained = |error| explain(error, &address_of(server));
    let client = Client::open(tuned(server, config)).map_err(explained)?;
    client.get_multiplexed_async_connection_with_config(&timing).await.map_err(explained)
}

/// The error for a server that has not answered in time.
pub(crate) fn silent(address: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("Redis at {address} did not answer in time"))
}

/// A server, by sockets that send at once and notice a dead peer.
pub(crate) fn tuned(server: &ConnectionInfo, config: &RedisConfig) -> ConnectionInfo {
    // The library's own default leaves Nagle's algorithm on, which holds back small requests.
    let tcp = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(config.response_timeout + config.connect_timeout);
    server.clone().set_tcp_settings(tcp)
}

/// How long connecting and answers may take; the library's own defaults are too short for scripts
/// behind a saving server, and wrong for calls that block.
pub(crate) fn timing(config: &RedisConfig, response: Option<Duration>) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(response)
}
