//! Sentinels: they watch a server and its replicas, and know which of them is the master.
//!
//! They are asked whenever a connection is made, at most once a second while all is well, and whether it
//! still leads to the master: when that was silent for half a second, and once a second meanwhile
//! (`tenure.rs`). A server that is the master no longer may not know it yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, Value};

use crate::config::RedisConfig;
use crate::error::{Failed, address_of, explain};
use crate::first::first_of;
use crate::joint::Joint;
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
    known: Mutex<Known>,
    asking: Joint<Told>,
}

#[derive(Default)]
struct Known {
    told: Option<Told>,
    doubted_at: Option<Instant>,
}

/// What they said, or why they said nothing.
#[derive(Clone)]
struct Told {
    asked_at: Instant,
    told_at: Instant,
    outcome: Result<ConnectionInfo, Failed>,
}

/// How long what was found is good, as long as nobody doubts it: enqueues that wait, each with a look at
/// where, must not cost a question each.
const FOUND_FOR: Duration = Duration::from_secs(1);
/// How long it is good even so, and a failure to find: while all is down, calls come in numbers.
const PAUSE: Duration = Duration::from_millis(100);

impl Sentinels {
    pub(crate) fn new(
        all: Vec<ConnectionInfo>,
        master: Arc<str>,
        server: ConnectionInfo,
        config: RedisConfig,
    ) -> Self {
        Self {
            all,
            master,
            server,
            config,
            first: AtomicUsize::new(0),
            known: Mutex::default(),
            asking: Joint::default(),
        }
    }

    /// Where the master is, by the first sentinel that knows.
    pub(crate) async fn find(self: &Arc<Self>) -> Result<ConnectionInfo> {
        let told = self.known().good();
        let told = match told {
            Some(told) => told,
            None => self.ask_any().await,
        };
        told.outcome.map_err(|failed| failed.as_error())
    }

    /// The same, by an answer to a question that was put after `moment`. Only a failure may be older, a
    /// little.
    pub(crate) async fn find_since(self: &Arc<Self>, moment: Instant) -> Result<ConnectionInfo> {
        let told = self.known().good();
        let mut told = match told {
            Some(told) if told.outcome.is_err() || told.asked_at >= moment => told,
            _ => self.ask_any().await,
        };
        if told.asked_at < moment && told.outcome.is_ok() {
            // It was under way already. The next one begins after it.
            told = self.ask_any().await;
        }
        told.outcome.map_err(|failed| failed.as_error())
    }

    /// What was found is no master that answers: another one is asked first the next time.
    pub(crate) fn doubt(&self) {
        let mut known = self.known();
        // Many may find the same thing out.
        if known.told.as_ref().is_some_and(|told| !known.is_doubted(told)) {
            self.first.fetch_add(1, Ordering::Relaxed);
        }
        known.doubted_at = Some(Instant::now());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_any(self: &Arc<Self>) -> Told {
        let told = self.asking.outcome(|| {
            let sentinels = Arc::clone(self);
            async move {
                let asked_at = Instant::now();
                let first = sentinels.first.load(Ordering::Relaxed) % sentinels.all.len().max(1);
                let (later, sooner) = sentinels.all.split_at(first);
                let asked = sooner.iter().chain(later).map(|sentinel| sentinels.ask(sentinel));
                let outcome = first_of(asked).await.map_err(|error| Failed::from(&error));
                let told = Told { asked_at, told_at: Instant::now(), outcome };
                sentinels.known().told = Some(told.clone());
                told
            }
        });
        told.await
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

impl Known {
    /// What was told last, if that is good enough to connect by.
    fn good(&self) -> Option<Told> {
        let told = self.told.as_ref()?;
        let good_for =
            if told.outcome.is_err() || self.is_doubted(told) { PAUSE } else { FOUND_FOR };
        (told.told_at.elapsed() < good_for).then(|| told.clone())
    }

    /// An answer to a question from before a doubt is doubted, even if it came after.
    fn is_doubted(&self, told: &Told) -> bool {
        self.doubted_at.is_some_and(|doubted_at| told.asked_at <= doubted_at)
    }
}

/// The same error, but a refused password says where the passwords of sentinels go.
fn password_refused(error: Error, sentinel: &ConnectionInfo) -> Error {
    // The address is ours and no part of a password, so the words of `explain` are the only ones.
    if !error.to_string().contains("refused the user name or password") {
        return error;
    }
    let message = format!(
        "the Sentinel at {} refused the user name or password: give them as options at the end of the \
         URL, ?sentinel_username=…&sentinel_password=…; those before the @ are the server's",
        address_of(sentinel)
    );
    Error::new(ErrorKind::Refused, message).because(error)
}
