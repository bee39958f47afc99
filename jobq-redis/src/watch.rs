//! Waiting for what can be seen of a job to change, without asking again and again.
//!
//! Who watches leaves a note in the job's queue with the channel of this process; the script that changes
//! something uses it up and publishes the job's id there. One connection listens for the whole process. A
//! message that got lost with a connection is made up for by looking again whenever the connection is
//! made anew; a note is kept for a minute, and renewed by looking again before.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, future};
use jobq_core::{Error, ErrorKind, JobId, QueueName, Report, Result, Sighting};
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, ConnectionInfo, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backend::Store;
use crate::config::RedisConfig;
use crate::error::{address_of, explain};
use crate::first::first_of;
use crate::keys::Keys;
use crate::link::Link;
use crate::node::{silent, tuned};
use crate::past::Facts;
use crate::reply;
use crate::scripts::WATCH;

/// How long a note of a watcher is kept. After that it is left over from a process that has died.
const NOTE_KEPT: Duration = Duration::from_secs(60);
/// How often a watcher looks again though nobody told it to, which renews its note.
const LOOK_AGAIN: Duration = Duration::from_secs(20);
/// After how long a quiet connection is asked whether it still leads anywhere, or closed if nobody has
/// watched all that time.
const QUIET: Duration = Duration::from_secs(10);
/// A connection that did not last that long is not made anew at once.
const SHORT_LIVED: Duration = Duration::from_secs(1);
const BREATH: Duration = Duration::from_millis(100);

/// The watchers of this process and the connection that listens for them.
pub(crate) struct Watchers {
    channel: String,
    link: Arc<Link>,
    config: RedisConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those who are to look again when their job has changed.
    bells: HashMap<JobId, Bell>,
    listening: Option<Listening>,
}

struct Bell {
    sender: watch::Sender<()>,
    watchers: usize,
}

/// The task that listens, and whether it does by now.
struct Listening {
    task: JoinHandle<()>,
    heard: watch::Receiver<Heard>,
}

/// How far listening has got.
#[derive(Clone)]
enum Heard {
    /// Nothing can be heard yet.
    NotYet,
    /// Everything can be heard from now on.
    All,
    /// Nothing can be heard, for this reason.
    Failed(Arc<Error>),
}

impl Watchers {
    pub(crate) fn new(config: &RedisConfig, keys: &Keys, link: &Arc<Link>) -> Self {
        Self {
            channel: keys.watch_channel(),
            link: Arc::clone(link),
            config: config.clone(),
            state: Mutex::default(),
        }
    }

    /// A place among those who watch a job. Whatever is told of it from now on is not missed.
    fn join(self: &Arc<Self>, id: JobId) -> Watcher {
        let mut state = self.lock();
        let bell = state
            .bells
            .entry(id)
            .or_insert_with(|| Bell { sender: watch::channel(()).0, watchers: 0 });
        bell.watchers += 1;
        let rung = bell.sender.subscribe();
        let heard = match &state.listening {
            Some(listening) if !listening.task.is_finished() => listening.heard.clone(),
            // Nobody listens, or did in a runtime that has ended.
            _ => {
                let (sender, heard) = watch::channel(Heard::NotYet);
                let task = tokio::spawn(listen(Arc::downgrade(self), sender));
                state.listening = Some(Listening { task, heard: heard.clone() });
                heard
            }
        };
        Watcher { watchers: Arc::clone(self), id, rung, heard }
    }

    fn ring(&self, id: JobId) {
        if let Some(bell) = self.lock().bells.get(&id) {
            bell.sender.send_replace(());
        }
    }

    fn is_deserted(&self) -> bool {
        self.lock().bells.is_empty()
    }

    /// Listens at the first server that lets us.
    async fn connect(&self) -> Result<(PubSubSink, PubSubStream)> {
        let mut places = self.link.places_to_listen().await?;
        // Processes spread over the nodes of a cluster by the names of their channels.
        let name: usize = self.channel.bytes().map(usize::from).sum();
        let first = name % places.len().max(1);
        places.rotate_left(first);
        first_of(places.iter().map(|place| self.connect_to(place))).await
    }

    async fn connect_to(&self, place: &ConnectionInfo) -> Result<(PubSubSink, PubSubStream)> {
        let (limit, address) =
            (self.config.connect_timeout + self.config.response_timeout, address_of(place));
        let connecting = async {
            let client = Client::open(tuned(place, &self.config))?;
            let (mut sink, stream) = client.get_async_pubsub().await?.split();
            sink.subscribe(&self.channel).await?;
            Ok((sink, stream))
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected.map_err(|error| explain(error, &address)),
            Err(_) => Err(silent(&address)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches a job, until dropped.
struct Watcher {
    watchers: Arc<Watchers>,
    id: JobId,
    rung: watch::Receiver<()>,
    heard: watch::Receiver<Heard>,
}

impl Watcher {
    /// Whether changes can be heard of.
    fn is_ready(&self) -> bool {
        matches!(*self.heard.borrow(), Heard::All)
    }

    /// Waits until changes can be heard of.
    async fn ready(&mut self) -> Result<()> {
        match self.heard.wait_for(|heard| !matches!(heard, Heard::NotYet)).await.as_deref() {
            Ok(Heard::Failed(error)) => return Err(Error::new(error.kind(), error.to_string())),
            Ok(_) => {}
            Err(_) => return Err(over()),
        }
        // Whoever listened may have gone with its runtime.
        self.heard.has_changed().map(drop).map_err(|_| over())
    }

    /// Waits until there may be something new to see.
    async fn told(&mut self) {
        let rung = pin!(self.rung.changed());
        // Another connection, or none: what was said meanwhile was not heard.
        let heard = pin!(self.heard.changed());
        let _ = tokio::time::timeout(LOOK_AGAIN, future::select(rung, heard)).await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.watchers.lock();
        if let Some(bell) = state.bells.get_mut(&self.id) {
            bell.watchers -= 1;
            if bell.watchers == 0 {
                state.bells.remove(&self.id);
            }
        }
    }
}

/// Listens until nobody has watched for a while. Who watches is told when that has begun, and when it
/// fails.
async fn listen(watchers: Weak<Watchers>, heard: watch::Sender<Heard>) {
    loop {
        let Some(strong) = watchers.upgrade() else { return };
        match strong.connect().await {
            Ok((sink, stream)) => {
                drop(strong);
                heard.send_replace(Heard::All);
                let since = Instant::now();
                if hear(&watchers, sink, stream).await {
                    return;
                }
                heard.send_replace(Heard::NotYet);
                if let Some(watchers) = watchers.upgrade() {
                    watchers.link.doubt();
                }
                if since.elapsed() < SHORT_LIVED {
                    tokio::time::sleep(BREATH).await;
                }
            }
            // The next one to watch tries again.
            Err(error) => {
                strong.lock().listening = None;
                heard.send_replace(Heard::Failed(Arc::new(error)));
                return;
            }
        }
    }
}

/// Passes on what is heard on a connection; says whether it ended because nobody watches any more.
async fn hear(watchers: &Weak<Watchers>, mut sink: PubSubSink, mut stream: PubSubStream) -> bool {
    let mut was_deserted = false;
    loop {
        let Some(patience) = watchers.upgrade().map(|it| it.config.response_timeout) else {
            return true;
        };
        match tokio::time::timeout(QUIET, stream.next()).await {
            Ok(Some(message)) => {
                let id = <[u8; 16]>::try_from(message.get_payload_bytes());
                if let (Ok(id), Some(watchers)) = (id, watchers.upgrade()) {
                    watchers.ring(JobId::from_bytes(id));
                }
            }
            Ok(None) => return false,
            Err(_) => {
                let Some(watchers) = watchers.upgrade() else { return true };
                let is_deserted = watchers.is_deserted();
                if is_deserted && was_deserted {
                    let mut state = watchers.lock();
                    // Somebody may have come since.
                    if state.bells.is_empty() {
                        state.listening = None;
                        return true;
                    }
                }
                was_deserted = is_deserted;
                match tokio::time::timeout(patience, sink.ping::<Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => return false,
                }
            }
        }
    }
}

impl Store {
    /// What can be seen of a job, as soon as it differs from `seen`.
    pub(crate) async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        let Some(seen) = seen else { return self.look(queue, id, None).await };
        let mut watcher = self.watchers.join(id);
        // Who would have to wait until changes can be heard of looks first whether there is one already.
        if !watcher.is_ready() {
            let sighting = self.look(queue, id, None).await?;
            if sighting != *seen {
                return Ok(sighting);
            }
        }
        loop {
            watcher.ready().await?;
            watcher.rung.mark_unchanged();
            let sighting = self.look(queue, id, Some(NOTE_KEPT)).await?;
            if sighting != *seen {
                // It changed before this look, so the note will not be used up by that.
                let _ = self.look(queue, id, Some(Duration::ZERO)).await;
                return Ok(sighting);
            }
            watcher.told().await;
        }
    }

    /// Looks at a job, and leaves a note there for so long; takes it away if that is no time.
    async fn look(
        &self,
        queue: &QueueName,
        id: JobId,
        note_kept: Option<Duration>,
    ) -> Result<Sighting> {
        let channel = note_kept.map_or("", |_| self.watchers.channel.as_str());
        let mut call = self.call(&WATCH, queue);
        call.arg(self.now())
            .arg(id.as_bytes().as_slice())
            .arg(channel)
            .arg(note_kept.unwrap_or_default().as_millis().to_string());
        sighting(id, self.link.run(&WATCH, &call).await?)
    }
}

pub(crate) fn sighting(id: JobId, answer: Value) -> Result<Sighting> {
    let mut seen = Sighting::default();
    if matches!(answer, Value::Nil) {
        return Ok(seen);
    }
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || reply::bytes(parts.next().unwrap_or(Value::Nil));
    seen.state = Some(String::from_utf8_lossy(&next()?).parse()?);
    let report = next()?;
    if !report.is_empty() {
        seen.report = rmp_serde::from_slice::<Report>(&report).map_err(|cause| {
            Error::new(ErrorKind::Corrupt, format!("the report of job {id} is unreadable"))
                .because(cause)
        })?;
    }
    seen.result = Some(next()?).filter(|result| !result.is_empty());
    let facts = Facts::decode(&next()?)?;
    seen.error = facts.history.last().map(|failure| failure.message.clone());
    Ok(seen)
}

fn over() -> Error {
    Error::new(ErrorKind::Unavailable, "the runtime that listened for changes of jobs has ended")
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers").field("channel", &self.channel).finish_non_exhaustive()
    }
}
