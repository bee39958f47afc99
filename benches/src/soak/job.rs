//! The jobs of the soak: each carries its fate, so that its end is known before it begins.

use std::time::Duration;

use jobq_core::{Job, JobContext, JobError, JobResult, JobState};
use jobq_worker::State;
use serde::{Deserialize, Serialize};

use super::observer::Observer;

/// The queues of the soak: what each is for says its name.
pub(crate) const PLAIN: &str = "plain";
pub(crate) const LANES: &str = "lanes";
pub(crate) const RATED: &str = "rated";
pub(crate) const BATCHES: &str = "batches";
pub(crate) const TICKS: &str = "ticks";
/// Jobs that bring their workers down: not for the worker whose memory is watched.
pub(crate) const DEADLY: &str = "deadly";
pub(crate) const QUEUES: [&str; 6] = [PLAIN, LANES, RATED, BATCHES, TICKS, DEADLY];

/// How many crashes an abort may cause before its job is put aside.
pub(crate) const ABORTS: u32 = 2;

/// What jobs say that panic because they are meant to.
pub(crate) const PANIC: &str = "this one panics";

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fate {
    Succeed,
    /// Works for so many ms, saving how far it has come.
    Work(u32),
    /// Fails in its first attempts.
    FailFirst(u32),
    PanicFirst(u32),
    /// Comes back later, once.
    Snooze,
    Discard,
    /// Fails in each attempt; it has two.
    FailAlways,
    /// Never ends by itself; it has two attempts of 300 ms.
    HangAlways,
    DieAtOnce,
    /// Aborts its process.
    Abort,
}

impl Fate {
    /// How it ends, unless it is cancelled.
    pub(crate) const fn end(self) -> JobState {
        match self {
            Self::FailAlways | Self::HangAlways | Self::DieAtOnce | Self::Abort => JobState::Dead,
            _ => JobState::Completed,
        }
    }

    /// How many attempts fail before that, if that is certain.
    pub(crate) const fn failures(self) -> Option<u32> {
        match self {
            Self::FailFirst(count) | Self::PanicFirst(count) => Some(count),
            Self::FailAlways | Self::HangAlways => Some(2),
            Self::DieAtOnce => None,
            _ => Some(0),
        }
    }

    /// What its enqueue asks for.
    pub(crate) const fn max_attempts(self) -> u32 {
        match self {
            Self::FailAlways | Self::HangAlways => 2,
            _ => 5,
        }
    }

    pub(crate) fn timeout(self) -> Option<Duration> {
        (self == Self::HangAlways).then_some(Duration::from_millis(300))
    }
}

/// A job that does what its fate says.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(
    kind = "soak.work",
    queue = "plain",
    max_crashes = 255,
    retention = "2h",
    backoff = "exponential(100ms..2s)"
)]
pub(crate) struct Work {
    pub(crate) fate: Fate,
    /// Jobs that must have ended well before this one starts.
    pub(crate) parents: Vec<String>,
    /// The unique key it holds.
    pub(crate) key: Option<u32>,
}

/// A job that aborts its process.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(kind = "soak.abort", queue = "deadly", max_crashes = 2, retention = "2h")]
pub(crate) struct Abort;

/// What a schedule enqueues.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(kind = "soak.tick", queue = "ticks", max_crashes = 255, backoff = "exponential(100ms..2s)")]
pub(crate) struct Tick;

pub(crate) async fn work(job: Work, cx: JobContext, State(observer): State<Observer>) -> JobResult {
    observer.started(&cx).await;
    if cx.queue_name().as_str() == RATED {
        observer.leased(&cx).await;
    }
    let outcome = meet(job, &cx, &observer).await;
    observer.held(&cx).await;
    outcome
}

/// Does what its fate says.
async fn meet(job: Work, cx: &JobContext, observer: &Observer) -> JobResult {
    observer.look_at_parents(cx, &job.parents).await;
    if let Some(key) = job.key {
        observer.hold(cx, key).await;
    }
    match job.fate {
        Fate::Succeed => {}
        Fate::Work(ms) => toil(cx, ms).await?,
        Fate::FailFirst(count) if cx.attempt() <= count => {
            return Err(JobError::retry("this one fails"));
        }
        Fate::PanicFirst(count) if cx.attempt() <= count => {
            std::panic::panic_any(PANIC);
        }
        Fate::FailFirst(_) | Fate::PanicFirst(_) => {}
        Fate::Snooze if observer.is_first_snooze(cx).await => {
            return Err(JobError::snooze(Duration::from_millis(700)));
        }
        Fate::Snooze => {}
        Fate::Discard => return Err(JobError::discard("no longer wanted")),
        Fate::FailAlways => return Err(JobError::retry("this one always fails")),
        Fate::HangAlways => std::future::pending().await,
        Fate::DieAtOnce => return Err(JobError::dead("beyond help")),
        Fate::Abort => std::process::abort(),
    }
    observer.ended(cx).await;
    if let Some(key) = job.key {
        observer.let_go(cx, key).await;
    }
    Ok(())
}

/// Works in steps, and goes on where an earlier run of it has saved.
async fn toil(cx: &JobContext, ms: u32) -> JobResult {
    const STEP_MS: u32 = 250;
    let mut done: u32 = cx.saved()?.unwrap_or(0);
    while done < ms {
        let step = STEP_MS.min(ms - done);
        tokio::time::sleep(Duration::from_millis(step.into())).await;
        done += step;
        // A report that does not arrive is repeated by the next one.
        let _ = cx.save(&done).await;
        let _ = cx.progress(u64::from(done), u64::from(ms), "at work").await;
    }
    Ok(())
}

pub(crate) async fn abort(_: Abort, cx: JobContext, State(observer): State<Observer>) {
    observer.started(&cx).await;
    std::process::abort();
}

pub(crate) async fn tick(_: Tick, cx: JobContext, State(observer): State<Observer>) {
    observer.ticked(&cx).await;
}
