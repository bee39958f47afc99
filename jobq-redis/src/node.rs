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
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, Value,
};

use crate::clock::ServerClock;
use crate::config::RedisConfig;
use crate::error::{Failed, Fault, Verdict, address_of, explain, explain_tls, verdict};
use crate::joint::Joint;
use crate::scripts::{EXCHANGE, SETTLE};
use crate::sentinel::{Found, Sentinels};
use crate::server;
use crate::tenure::Tenure;

/// A server and the connection to it.
pub(crate) struct Node {
    place: Place,
    config: RedisConfig,
    address: Arc<str>,
    live: RwLock<Option<Live>>,
    connecting: Joint<Result<Live, Failed>>,
    /// When connecting last failed.
    failed_at: Mutex<Option<Instant>>,
    /// When the server last answered.
    answered_at: Mutex<Instant>,
    clock: Arc<ServerClock>,
}

/// Where a server is.
pub(crate) enum Place {
    Fixed(Box<ConnectionInfo>),
    /// It is looked up whenever a connection is made, and while there is one.
    Master(Arc<Sentinels>),
}

/// How long a connection that has answered is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long after a failure to connect the next attempt begins at the earliest. Calls wait for it.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Tells this connection from its predecessors.
    identity: Arc<()>,
    /// That of a master found by sentinels.
    tenure: Option<Arc<Tenure>>,
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
            failed_at: Mutex::default(),
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

    /// Where it is, or was up to a second ago.
    pub(crate) async fn find(&self) -> Result<Found> {
        match &self.place {
            Place::Fixed(server) => Ok(Found { server: (**server).clone(), as_of: Instant::now() }),
            Place::Master(sentinels) => sentinels.find().await,
        }
    }

    /// Whether it is still where it was found: asked again.
    pub(crate) async fn is_still_at(&self, server: &ConnectionInfo) -> bool {
        match &self.place {
            Place::Fixed(_) => true,
            Place::Master(sentinels) => !sentinels.deny(server).await,
        }
    }

    /// What was found out about where it is may be wrong.
    pub(crate) fn doubt(&self) {
        if let Place::Master(sentinels) = &self.place {
            sentinels.doubt();
        }
    }

    /// Runs a command. The outer error is of connecting, the inner one of the command.
    pub(crate) async fn try_send(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, Fault>> {
        let mut live = self.live().await?;
        let answer = live.connection.send_packed_command(command).await;
        Ok(self.heard(&live, answer.and_then(Value::extract_error)).await)
    }

    /// The same for a slot of a cluster that is being moved here.
    pub(crate) async fn try_ask(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, Fault>> {
        let mut live = self.live().await?;
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline.add_command(redis::cmd("ASKING")).add_command(command.clone());
        let answers = live.connection.send_packed_commands(&pipeline, 0, 2).await;
        let answer = answers.map(|mut answers| answers.pop().unwrap_or(Value::Nil));
        Ok(self.heard(&live, answer.and_then(Value::extract_error)).await)
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

    async fn heard(
        &self,
        live: &Live,
        answer: redis::RedisResult<Value>,
    ) -> std::result::Result<Value, Fault> {
        let answer = match &answer {
            Err(error) if verdict(error) == Verdict::Broken => {
                self.give_up(live);
                self.doubt();
                answer
            }
            _ if !self.is_confirmed(live).await => answer.and(Err(deposed())),
            _ => {
                if let Some(tenure) = &live.tenure {
                    tenure.heard();
                }
                *self.answered_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                answer
            }
        };
        answer.map_err(|error| Fault { error, address: Arc::clone(&self.address) })
    }

    /// Whether a connection still leads where it should; it is given up if not.
    async fn is_confirmed(&self, live: &Live) -> bool {
        let Some(tenure) = live.tenure.as_ref().filter(|tenure| tenure.is_in_question()) else {
            return true;
        };
        let holds = tenure.holds().await;
        if !holds {
            self.give_up(live);
        }
        holds
    }

    /// The same for one that has just been made. That may have taken so long that another has taken over.
    async fn is_confirmed_anew(live: &Live) -> bool {
        match &live.tenure {
            Some(tenure) if !tenure.is_brisk() => tenure.holds().await,
            _ => true,
        }
    }

    /// Asks from time to time, beside the calls, whether a connection in use leads where it should.
    fn ask_beside(self: &Arc<Self>, live: &Live) {
        let Some(tenure) = live.tenure.as_ref().filter(|tenure| tenure.is_due()) else { return };
        let (node, live, tenure) = (Arc::clone(self), live.clone(), Arc::clone(tenure));
        tokio::spawn(async move {
            if !tenure.goes_on().await {
                node.give_up(&live);
            }
        });
    }

    async fn live(self: &Arc<Self>) -> Result<Live> {
        if let Some(live) = self.current()
            && self.is_confirmed(&live).await
        {
            self.ask_beside(&live);
            return Ok(live);
        }
        let outcome = self.connecting.outcome(|| {
            let node = Arc::clone(self);
            async move {
                if let Some(live) = node.current() {
                    return Ok(live);
                }
                tokio::time::sleep(node.pause()).await;
                let mut connected = node.connect().await;
                if let Ok(live) = &connected
                    && !Self::is_confirmed_anew(live).await
                {
                    connected = Err(explain(deposed(), &node.address));
                }
                let failed_at = connected.is_err().then(Instant::now);
                *node.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = failed_at;
                let live = connected.map_err(|error| Failed::from(&error))?;
                *node.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
        });
        outcome.await.map_err(|failed| failed.as_error())
    }

    /// How long not to connect: callers that try again at once must not storm a server that is down, nor
    /// those who know where it is.
    fn pause(&self) -> Duration {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()))
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

    async fn connect(&self) -> Result<Live> {
        let found = match &self.place {
            Place::Fixed(_) => self.find().await?,
            Place::Master(sentinels) => sentinels.find_since(Instant::now()).await?,
        };
        let server = found.server.clone();
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
        if connected.is_err() {
            self.doubt();
        }
        let tenure = match &self.place {
            Place::Fixed(_) => None,
            Place::Master(sentinels) => Some(Arc::new(Tenure::new(Arc::clone(sentinels), found))),
        };
        connected.map(|connection| Live { connection, identity: Arc::new(()), tenure })
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
    let is_tls = matches!(server.addr(), ConnectionAddr::TcpTls { .. });
    let explain = if is_tls { explain_tls } else { explain };
    let explained = |error| explain(error, &address_of(server));
    let client = Client::open(tuned(server, config)).map_err(explained)?;
    client.get_multiplexed_async_connection_with_config(&timing).await.map_err(explained)
}

/// The error for an answer of a server that was the master, and may not have been when it gave it.
pub(crate) fn deposed() -> RedisError {
    std::io::Error::other("another server has become the master meanwhile").into()
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
