//! Everything a worker logs: its `tracing` events, and the span around every attempt. `docs/health.md` lists
//! them for people, and is tested against this. Metrics are listed in [`meters`](crate::meters).

use std::time::Duration;

pub(crate) use jobq_core::error::Chain;
use jobq_core::{
    Error, JobContext, JobId, Lease, LimitScope, Limits, Metadata, Next, QueueName, StopReason,
    Token,
};
use tokio::time::Instant;
use tracing::{Span, debug, error, field, info, info_span, warn};

use crate::given_limits;
use crate::pump::Away;
use crate::runtime::Runtime;
use crate::summary::{EndReason, Summary};

const TARGET: &str = "jobq";

pub(crate) fn attempt_span(context: &JobContext) -> Span {
    let span = info_span!(
        target: TARGET,
        "job",
        job = %context.id(),
        kind = context.kind().as_str(),
        queue = context.queue_name().as_str(),
        attempt = context.attempt(),
        traceparent = field::Empty,
    );
    if !span.is_disabled()
        && let Some(parent) = context.metadata().get(Metadata::TRACEPARENT)
    {
        span.record("traceparent", parent);
    }
    span
}

pub(crate) fn started(runtime: &Runtime) {
    let queues: Vec<_> = runtime.config.queues.iter().map(|queue| queue.name.as_str()).collect();
    info!(
        target: TARGET,
        worker = %runtime.worker,
        name = runtime.config.name,
        queues = ?queues,
        kinds = ?runtime.handlers,
        concurrency = runtime.config.concurrency,
        "worker started"
    );
    for (kind, queue) in runtime.handlers.unserved(&runtime.config.queues) {
        warn!(target: TARGET, kind, queue, "kind goes to a queue that this worker does not serve");
    }
}

pub(crate) fn draining(reason: EndReason, running: usize) {
    info!(target: TARGET, %reason, running, "worker draining");
}

pub(crate) fn stopped(summary: &Summary) {
    info!(
        target: TARGET,
        reason = %summary.reason,
        processed = summary.processed,
        failed = summary.failed,
        lost = summary.lost,
        unsettled = summary.unsettled,
        elapsed_ms = millis(summary.elapsed),
        "worker stopped"
    );
}

pub(crate) fn backend_unreachable(error: &Error) {
    warn!(target: TARGET, error = %Chain(error), "backend unreachable");
}

pub(crate) fn backend_reachable(after: Duration) {
    info!(target: TARGET, after_ms = millis(after), "backend reachable again");
}

pub(crate) fn queue_unreachable(queue: &QueueName, error: &Error) {
    warn!(target: TARGET, %queue, error = %Chain(error), "queue unreachable");
}

pub(crate) fn queue_refused(queue: &QueueName, error: &Error) {
    warn!(target: TARGET, %queue, error = %Chain(error), "queue cannot be served");
}

pub(crate) fn queue_back(queue: &QueueName, away: &Away, now: Instant) {
    let after_ms = millis(now - away.began_at);
    if away.refusal.is_some() {
        info!(target: TARGET, %queue, after_ms, "queue served again");
    } else {
        info!(target: TARGET, %queue, after_ms, "queue reachable again");
    }
}

pub(crate) fn wait_refused(error: &Error) {
    warn!(target: TARGET, error = %Chain(error), "no waiting for jobs: queues are looked at instead");
}

pub(crate) fn limits_set(scope: &LimitScope, limits: &Limits) {
    info!(target: TARGET, %scope, limits = given_limits::shown(limits), "limits set");
}

pub(crate) fn maintenance_failed(call: &'static str, error: &Error) {
    warn!(target: TARGET, call, error = %Chain(error), "maintenance failed");
}

/// What became of an attempt.
pub(crate) fn attempt_ended(lease: &Lease, next: &Next) {
    let job = lease.job.id;
    let kind = lease.job.kind.as_str();
    match next {
        Next::Retry { after, failure } => info!(
            target: TARGET,
            %job,
            kind,
            attempt = failure.attempt,
            after_ms = millis(*after),
            failure = failure.kind.as_str(),
            error = failure.message,
            "job failed, will be retried"
        ),
        Next::Dead { failure } => error!(
            target: TARGET,
            %job,
            kind,
            attempt = failure.attempt,
            failure = failure.kind.as_str(),
            error = failure.message,
            "job dead"
        ),
        _ => debug!(target: TARGET, %job, kind, next = outcome_word(next), "job done"),
    }
}

pub(crate) fn discarded(lease: &Lease, reason: &str) {
    let kind = lease.job.kind.as_str();
    info!(target: TARGET, job = %lease.job.id, kind, reason, "job discarded");
}

pub(crate) fn no_handler(lease: &Lease) {
    let (kind, version) = (lease.job.kind.as_str(), lease.job.version);
    warn!(target: TARGET, kind, version, "no handler for the job: put off");
}

/// The backend will never take this settlement: its job runs again once its lease has expired.
pub(crate) fn settlement_refused(lease: &Lease, error: &Error) {
    let kind = lease.job.kind.as_str();
    error!(target: TARGET, job = %lease.job.id, kind, error = %Chain(error), "settlement refused");
}

/// How a lease was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HowLost {
    /// The backend said so when it was to be renewed.
    Renewal,
    /// It could not be renewed for too long.
    Unrenewed,
    /// The backend said so when it was to be settled.
    Settlement,
}

pub(crate) fn lease_lost(job: JobId, token: Token, how: HowLost) {
    let how = match how {
        HowLost::Renewal => "refused at renewal",
        HowLost::Unrenewed => "could not be renewed",
        HowLost::Settlement => "refused at settlement",
    };
    warn!(target: TARGET, %job, %token, how, "lease lost");
}

pub(crate) fn stuck(lease: &Lease, reason: Option<StopReason>) {
    let kind = lease.job.kind.as_str();
    error!(target: TARGET, job = %lease.job.id, kind, ?reason, "handler stuck");
}

#[cfg(feature = "health")]
pub(crate) fn health_served(address: std::net::SocketAddr) {
    info!(target: TARGET, %address, "health served");
}

#[cfg(feature = "health")]
pub(crate) fn systemd_untold(socket: &std::ffi::OsStr, error: &std::io::Error) {
    warn!(target: TARGET, ?socket, %error, "systemd cannot be told");
}

#[cfg(feature = "health")]
pub(crate) fn systemd_missed(word: &str, error: &std::io::Error) {
    debug!(target: TARGET, word, %error, "systemd was not told");
}

/// The word for what becomes of a job, in events and metrics.
pub(crate) const fn outcome_word(next: &Next) -> &'static str {
    match next {
        Next::Complete { .. } => "completed",
        Next::Retry { .. } => "retried",
        Next::Snooze { .. } => "snoozed",
        Next::Release => "released",
        Next::Dead { .. } => "dead",
        Next::Cancel => "cancelled",
        _ => "other",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
