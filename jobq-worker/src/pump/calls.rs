//! Calls to the backend that are under way.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jobq_core::{
    Backend, Cancellation, Error, ErrorKind, Exchanged, LeaseRef, LeaseRequest, LimitScope,
    LimitSource, Limits, QueueName, Result, WorkerId,
};
use tokio::time::{Instant, sleep};

use super::settlements::Settlements;

/// How many calls are under way at once. With two, the backend works on one while the worker handles the
/// answer of the other: that doubles the throughput, and a third adds nothing.
const IN_FLIGHT: usize = 2;

/// The answer to a call.
#[derive(Debug)]
pub(crate) enum Answer {
    Exchanged {
        queue: usize,
        settlements: Settlements,
        asked: usize,
        sent_at: Instant,
        result: Result<Exchanged>,
    },
    Forfeited {
        queue: usize,
        result: Result<usize>,
    },
    Pinged(Result<()>),
    LimitsSet(Result<()>),
}

type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The calls under way.
#[derive(Default)]
pub(crate) struct Calls {
    slots: [Option<Call>; IN_FLIGHT],
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slots.iter().all(Option::is_some)
    }

    /// Begins a call. There must be a free slot.
    pub(crate) fn begin(&mut self, call: Call) {
        let free = self.slots.iter_mut().find(|slot| slot.is_none());
        debug_assert!(free.is_some(), "no free slot for a call");
        if let Some(slot) = free {
            *slot = Some(call);
        }
    }

    /// Collects the answers that have come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, answers: &mut Vec<Answer>) -> Poll<()> {
        for slot in &mut self.slots {
            if let Some(call) = slot
                && let Poll::Ready(answer) = call.as_mut().poll(cx)
            {
                *slot = None;
                answers.push(answer);
            }
        }
        if answers.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// How long an answer is waited for once the worker is about to end: long for a backend that is well,
/// and short enough to try again a few times.
const HURRIED: Duration = Duration::from_secs(1);

/// Whom to call, and how long to wait for an answer: a call without a limit would stop the pump for good
/// when a reply is lost.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) patience: Duration,
    pub(crate) hurry: Cancellation,
}

impl Caller {
    /// Settles jobs and asks for more.
    pub(crate) fn exchange(
        self,
        queue: usize,
        name: QueueName,
        settlements: Settlements,
        request: Option<LeaseRequest>,
    ) -> Call {
        Box::pin(async move {
            let sent_at = Instant::now();
            let call = self.backend.exchange(&name, &settlements.list, request);
            let result = self.within_patience(call).await;
            let asked = request.map_or(0, |request| request.limit);
            Answer::Exchanged { queue, settlements, asked, sent_at, result }
        })
    }

    /// Gives back the leases that the worker does not know of.
    pub(crate) fn forfeit(
        self,
        queue: usize,
        name: QueueName,
        worker: WorkerId,
        keep: Vec<LeaseRef>,
    ) -> Call {
        Box::pin(async move {
            let call = self.backend.forfeit(&name, worker, &keep);
            let result = self.within_patience(call).await;
            Answer::Forfeited { queue, result }
        })
    }

    /// Sets the limits of a scope.
    pub(crate) fn set_limits(self, scope: LimitScope, limits: Limits) -> Call {
        Box::pin(async move {
            let call = self.backend.set_limits(&scope, LimitSource::Code, &limits);
            Answer::LimitsSet(self.within_patience(call).await)
        })
    }

    /// Finds out whether the backend can be reached.
    pub(crate) fn ping(self) -> Call {
        Box::pin(async move { Answer::Pinged(self.within_patience(self.backend.ping()).await) })
    }

    async fn within_patience<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let hurried = async {
            self.hurry.requested().await;
            sleep(HURRIED).await;
        };
        tokio::select! {
            // Most answers are there before anything else has to be set up.
            biased;
            answer = call => return answer,
            () = sleep(self.patience) => {}
            () = hurried => {}
        }
        Err(Error::new(ErrorKind::Unavailable, "the backend gave no answer in time"))
    }
}
