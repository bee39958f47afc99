//! Sentinels: they watch a server and its replicas, and know which of them is the master.
//!
//! They are asked whenever a connection is made, at most once a second while all is well, and whether it
//! still leads to the master: when that was silent for half a second, and once a second meanwhile
//! (`tenure.rs`). A server that is the master no longer may not know it yet, nor may a sentinel: so all are asked,
//! and one alone only for a yes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use jobq_core::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, Pipeline, Value};
use tokio::time::{timeout, timeout_at};

use crate::config::RedisConfig;
use crate::error::{Failed, address_of, explain};
use crate::first::{nobody, telling};
use crate::joint::Joint;
use crate::node::{connect, silent};
use crate::reply;
use crate::topology::at;
use crate::word::{Word, agreeing, believed, is_same_place};

/// The sentinels of one master.
pub(crate) struct Sentinels {
    all: Vec<ConnectionInfo>,
    master: Arc<str>,
    server: ConnectionInfo,
    config: RedisConfig,
    /// Which one is asked alone. One that does not say yes is so no more.
    turn: AtomicUsize,
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

/// Where the master was at a moment.
pub(crate) struct Found {
    pub(crate) server: ConnectionInfo,
    /// When that was asked.
    pub(crate) as_of: Instant,
}

/// How long what was found is good, as long as nobody doubts it: enqueues that wait, each with a look at
/// where, must not cost a question each.
const FOUND_FOR: Duration = Duration::from_secs(1);
/// How long it is good even so, and a failure to find: while all is down, calls come in numbers.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the others are waited for when most say the same, and before they do when one has answered.
const STRAGGLERS: Duration = Duration::from_millis(100);
const COMPANY: Duration = Duration::from_millis(400);
/// How long one alone is waited for.
const GLANCE: Duration = Duration::from_millis(300);
/// How long they are waited for, before a server is believed without: sentinels that are away must not stop a
/// server that is there.
const PATIENCE: Duration = Duration::from_secs(1);

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
            turn: AtomicUsize::new(0),
            known: Mutex::default(),
            asking: Joint::default(),
        }
    }

    /// Where the master is, or was up to a second ago.
    pub(crate) async fn find(self: &Arc<Self>) -> Result<Found> {
        let told = self.known().good();
        let told = match told {
            Some(told) => told,
            None => self.ask_all().await,
        };
        told.found()
    }

    /// The same, by an answer to a question that was put after `moment`. Only a failure may be older, a
    /// little.
    pub(crate) async fn find_since(self: &Arc<Self>, moment: Instant) -> Result<Found> {
        let told = self.known().good();
        let mut told = match told {
            Some(told) if told.outcome.is_err() || told.asked_at >= moment => told,
            _ => self.ask_all().await,
        };
        if told.asked_at < moment && told.outcome.is_ok() {
            // It was under way already. The next one begins after it.
            told = self.ask_all().await;
        }
        told.found()
    }

    /// Whether they name another server than this one, asked from now on. If they say nothing in time, no.
    pub(crate) async fn deny(self: &Arc<Self>, server: &ConnectionInfo) -> bool {
        let found = timeout(PATIENCE, self.find_since(Instant::now())).await;
        matches!(found, Ok(Ok(found)) if !is_same_place(&found.server, server))
    }

    /// Whether one of them, asked alone, says that this is the master: all that a server costs that is well.
    pub(crate) async fn nods(&self, server: &ConnectionInfo) -> bool {
        let turn = self.turn.load(Ordering::Relaxed) % self.all.len().max(1);
        let Some(sentinel) = self.all.get(turn) else { return false };
        let word = timeout(GLANCE, self.ask(sentinel)).await;
        let nods = matches!(word, Ok(Ok(word)) if is_same_place(&word.server, server));
        if !nods {
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
        nods
    }

    /// What was found is no master that answers.
    pub(crate) fn doubt(&self) {
        self.known().doubted_at = Some(Instant::now());
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_all(self: &Arc<Self>) -> Told {
        let told = self.asking.outcome(|| {
            let sentinels = Arc::clone(self);
            async move {
                let asked_at = Instant::now();
                let outcome = sentinels.words().await.map(|words| {
                    let known = sentinels.known();
                    let before = known.told.as_ref().and_then(|told| told.outcome.as_ref().ok());
                    believed(&words, before).map(|word| word.server.clone())
                });
                let outcome = outcome.and_then(|server| server.ok_or_else(nobody));
                let outcome = outcome.map_err(|error| Failed::from(&error));
                let told = Told { asked_at, told_at: Instant::now(), outcome };
                sentinels.known().told = Some(told.clone());
                told
            }
        });
        told.await
    }

    /// What those say who answer, until most say the same if they do. Nobody is waited for long.
    async fn words(&self) -> Result<Vec<Word>> {
        let mut asked: FuturesUnordered<_> = self.all.iter().map(|it| self.ask(it)).collect();
        let (mut words, mut failure) = (Vec::new(), nobody());
        let mut until = tokio::time::Instant::now() + self.limit();
        while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
            match answer {
                Ok(word) => words.push(word),
                Err(error) => failure = telling(failure, error),
            }
            let more = if agreeing(&words) > self.all.len() / 2 {
                STRAGGLERS
            } else if words.is_empty() {
                continue;
            } else {
                COMPANY
            };
            until = until.min(tokio::time::Instant::now() + more);
        }
        if words.is_empty() { Err(failure) } else { Ok(words) }
    }

    /// How long a sentinel may take.
    fn limit(&self) -> Duration {
        self.config.connect_timeout + self.config.response_timeout
    }

    async fn ask(&self, sentinel: &ConnectionInfo) -> Result<Word> {
        let address = format!("{} (Sentinel)", address_of(sentinel));
        let asking = async {
            let connected = connect(sentinel, &self.config).await;
            let mut connection = connected.map_err(|error| password_refused(error, sentinel))?;
            let mut questions = Pipeline::with_capacity(2);
            for question in ["GET-MASTER-ADDR-BY-NAME", "MASTER"] {
                questions.cmd("SENTINEL").arg(question).arg(&*self.master);
            }
            let answers = connection.send_packed_commands(&questions, 0, 2).await;
            let mut answers = answers
                .map(Vec::into_iter)
                .map_err(|error| password_refused(explain(error, &address), sentinel))?;
            let mut next = || answers.next().unwrap_or(Value::Nil).extract_error();
            let (place, facts) = (next(), next());
            let place = place.map_err(|error| {
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
            })?;
            // A user of theirs who may not ask for this goes without.
            let facts = facts.ok().and_then(|facts| reply::text_pairs(facts).ok());
            let epoch = facts.and_then(|facts| facts.get("config-epoch")?.parse::<u64>().ok());
            Ok::<_, Error>((place, epoch))
        };
        let answer = timeout(self.limit(), asking).await;
        let (answer, epoch) = answer.unwrap_or_else(|_| Err(silent(&address)))?;
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
        Ok(Word { server: at(&self.server, &host, port), epoch })
    }
}

impl Told {
    fn found(self) -> Result<Found> {
        let as_of = self.asked_at;
        self.outcome.map(|server| Found { server, as_of }).map_err(|failed| failed.as_error())
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
    // Other refusals, such as a right that is missing, say what to do themselves.
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
