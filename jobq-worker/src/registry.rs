//! Which function runs which kind of job, and what is around it.

use std::collections::HashMap;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jobq_core::{
    Backoff, Error, IntoOutcome, Job, JobContext, JobError, Kind, OlderPayload, Outcome, Result,
};

#[cfg(feature = "cli")]
use jobq_core::{JobId, JobRecord, Payload};
use tokio::task::{JoinError, JoinHandle};

use crate::config::QueueConfig;
use crate::extract::HandlerScope;
use crate::handler::{BlockingHandler, Handler, Running};
use crate::layer::{DynLayer, Layer, Layers};
use crate::state::States;

/// Handlers, the states they share, and the layers around them: all that a worker needs to know of an
/// application.
///
/// Nothing is checked as it is added: mistakes are reported together when a worker starts.
#[derive(Default)]
#[must_use = "a registry does nothing by itself"]
pub struct Registry {
    entries: Vec<Entry>,
    by_kind: HashMap<&'static str, usize>,
    states: States,
    layers: Vec<Arc<dyn DynLayer>>,
    faults: Vec<String>,
}

impl Registry {
    /// No handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs jobs of type `J` by an async function. `J` is its first argument; the others are
    /// [extractors](crate::FromContext).
    pub fn handle<J: Job, A, H: Handler<J, A>>(self, handler: H) -> Self {
        let start = move |scope: &HandlerScope<'_>| Ok(handler.call(decode::<J>(scope)?, scope)?);
        self.add::<J>(false, H::check, Box::new(start))
    }

    /// Runs jobs of type `J` by a plain function, on a thread where it may block. `J` is its first
    /// argument; the others are [extractors](crate::FromContext).
    ///
    /// A blocking function cannot be stopped from outside: one that may take long should look at
    /// [`JobContext::is_cancelled`] now and then, and return
    /// `Err(`[`JobError::cancelled()`](JobError::cancelled)`)` then. What becomes of the job is
    /// [decided by the reason](jobq_core::outcome#when-it-is-asked-to-stop): at a shutdown it is given back.
    pub fn handle_blocking<J: Job, A, H: BlockingHandler<J, A>>(self, handler: H) -> Self {
        let handler = Arc::new(handler);
        let start = move |scope: &HandlerScope<'_>| {
            let call = Arc::clone(&handler).prepare(decode::<J>(scope)?, scope)?;
            Ok(on_blocking_thread(call))
        };
        self.add::<J>(true, H::check, Box::new(start))
    }

    /// Says that jobs of the type that was added last come from any queue: that its type names one that a
    /// worker does not serve is no mistake then.
    #[cfg(feature = "cli")]
    pub(crate) fn of_any_queue(mut self) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.has_home = false;
        }
        self
    }

    /// Shares a value with all handlers that ask for it by [`State<T>`](crate::State): one for each type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.states.insert(value) {
            let name = std::any::type_name::<T>();
            self.faults.push(format!("two states of type {name}"));
        }
        self
    }

    /// Wraps a layer around every attempt. The first one added is the outermost.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// The kinds that have a handler, in the order in which they were added.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.kind)
    }

    /// The record of a job of one of the registered kinds, with the choices of its type; `None` for an
    /// unknown kind.
    #[cfg(feature = "cli")]
    pub(crate) fn record(
        &self,
        kind: &str,
        id: JobId,
        payload: &Payload,
    ) -> Option<Result<JobRecord>> {
        let entry = self.entries.get(*self.by_kind.get(kind)?)?;
        Some((entry.record)(id, payload))
    }

    /// The queues that the handlers' job types name, each once, in the order in which they were added.
    pub(crate) fn queues(&self) -> Vec<&'static str> {
        let mut queues = Vec::new();
        for entry in &self.entries {
            if !queues.contains(&entry.queue) {
                queues.push(entry.queue);
            }
        }
        queues
    }

    fn add<J: Job>(mut self, blocking: bool, check: Check, start: Start) -> Self {
        if let Err(fault) = Kind::new(J::KIND) {
            self.faults.push(fault.to_string());
        }
        if self.by_kind.insert(J::KIND, self.entries.len()).is_some() {
            self.faults.push(format!("two handlers for kind {:?}", J::KIND));
        }
        self.entries.push(Entry {
            kind: J::KIND,
            queue: J::QUEUE,
            has_home: true,
            version: J::VERSION,
            backoff: J::BACKOFF,
            blocking,
            check,
            start,
            #[cfg(feature = "cli")]
            record: |id, payload| JobRecord::of(id, &payload.decode::<J>()?),
        });
        self
    }

    /// Adds all mistakes, and gives the form that is only read from now on.
    pub(crate) fn finish(mut self, faults: &mut Vec<String>) -> Handlers {
        faults.append(&mut self.faults);
        if self.entries.is_empty() {
            faults.push("no handler is registered: add `.handle(…)`".to_owned());
        }
        for entry in &self.entries {
            let mut missing = Vec::new();
            (entry.check)(&self.states, &mut missing);
            let kind = entry.kind;
            faults.extend(
                missing.into_iter().map(|what| format!("the handler for kind {kind:?}: {what}")),
            );
        }
        Handlers {
            entries: self.entries,
            by_kind: self.by_kind,
            states: self.states,
            layers: self.layers.into(),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.kinds().collect();
        f.debug_struct("Registry").field("kinds", &kinds).finish_non_exhaustive()
    }
}

/// A registry that is complete.
pub(crate) struct Handlers {
    entries: Vec<Entry>,
    by_kind: HashMap<&'static str, usize>,
    pub(crate) states: States,
    pub(crate) layers: Layers,
}

impl Handlers {
    /// The handler for a payload; `None` if the kind is unknown or the version newer than ours.
    pub(crate) fn find(&self, kind: &Kind, version: u32) -> Option<usize> {
        let index = *self.by_kind.get(kind.as_str())?;
        (version <= self.entries.get(index)?.version).then_some(index)
    }

    pub(crate) fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.kind)
    }

    /// The kinds, each with the queue that its job type names.
    pub(crate) fn kinds_and_queues(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.entries.iter().map(|entry| (entry.kind, entry.queue))
    }

    /// The kinds whose jobs usually come from other queues than these, each with the one it names.
    pub(crate) fn unserved(
        &self,
        queues: &[QueueConfig],
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_served = |name| queues.iter().any(|queue| queue.name.as_str() == name);
        let unserved =
            self.entries.iter().filter(move |entry| entry.has_home && !is_served(entry.queue));
        unserved.map(|entry| (entry.kind, entry.queue))
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.kinds()).finish()
    }
}

type Check = fn(&States, &mut Vec<String>);
type Start = Box<dyn Fn(&HandlerScope<'_>) -> Result<Running, Unstarted> + Send + Sync>;

/// One handler.
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    queue: &'static str,
    /// Whether jobs of the type usually come from that queue.
    has_home: bool,
    version: u32,
    pub(crate) backoff: Backoff,
    /// Whether it runs on a thread of its own, and cannot be stopped by dropping its future.
    pub(crate) blocking: bool,
    check: Check,
    start: Start,
    #[cfg(feature = "cli")]
    record: fn(JobId, &Payload) -> Result<JobRecord>,
}

impl Entry {
    /// Decodes the job and calls the function, which does not run before it is polled.
    pub(crate) fn start(
        &self,
        context: &JobContext,
        states: &States,
    ) -> Result<Running, Unstarted> {
        (self.start)(&HandlerScope::new(context, states))
    }
}

/// Why a handler could not be started.
pub(crate) enum Unstarted {
    /// The payload does not fit the job's type.
    Undecodable(Error),
    /// An extractor failed.
    Refused(Outcome),
}

impl From<JobError> for Unstarted {
    fn from(error: JobError) -> Self {
        Self::Refused(Err::<(), _>(error).into_outcome())
    }
}

fn decode<J: Job>(scope: &HandlerScope<'_>) -> Result<J, Unstarted> {
    let record = &scope.context().lease().job;
    let decoded = if record.version < J::VERSION {
        J::upcast(OlderPayload::new(record.version, record.payload.clone()))
    } else {
        record.payload.decode()
    };
    decoded.map_err(Unstarted::Undecodable)
}

fn on_blocking_thread(call: Box<dyn FnOnce() -> Outcome + Send>) -> Running {
    Box::pin(async move {
        match AbortOnDrop(tokio::task::spawn_blocking(call)).await {
            Ok(outcome) => outcome,
            // Caught further out, like the panic of an async handler.
            Err(ended) if ended.is_panic() => resume_unwind(ended.into_panic()),
            // The runtime is shutting down and never ran it: say nothing about the job.
            Err(_) => std::future::pending().await,
        }
    })
}

/// A blocking call that is not made any more if it has not begun when this is dropped.
struct AbortOnDrop(JoinHandle<Outcome>);

impl Future for AbortOnDrop {
    type Output = Result<Outcome, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
