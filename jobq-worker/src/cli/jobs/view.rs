//! A job, as people and programs see it.

use jobq_core::inspect::JobView;
use jobq_core::{History, JobState, Payload};
use serde_json::{Value, json};

/// When the next thing happens to a job, or when the last one did.
pub(super) fn time(job: &JobView) -> Option<String> {
    let what = match job.state {
        JobState::Scheduled => "due",
        JobState::Leased => "held until",
        JobState::Dead => "died",
        JobState::Completed | JobState::Cancelled => "kept until",
        JobState::Waiting | JobState::Ready => return None,
    };
    job.at.map(|at| format!("{what} {at}"))
}

/// A job without its payload and what it has said, which may be long.
pub(super) fn as_json(job: &JobView) -> Value {
    let record = &job.record;
    json!({
        "id": record.id.to_string(),
        "queue": record.queue.as_str(),
        "kind": record.kind.as_str(),
        "state": job.state.as_str(),
        "lane": record.lane.as_ref().map(ToString::to_string),
        "priority": record.priority.level(),
        "failed_attempts": job.failed_attempts,
        "max_attempts": record.max_attempts,
        "crashes": job.crashes,
        "cancel_requested": job.cancel_requested,
        "enqueued_at": record.enqueued_at.to_string(),
        "at": job.at.map(|at| at.to_string()),
        "worker": job.held_by.map(|(worker, _)| worker.to_string()),
        "unreadable": job.unreadable,
    })
}

/// A job and what went wrong with it.
pub(in crate::cli) fn with_failures(job: &JobView) -> Value {
    let mut value = as_json(job);
    value["failures"] = failures(&job.history).into();
    value
}

/// All of a job.
pub(super) fn whole_as_json(job: &JobView) -> Value {
    let record = &job.record;
    let mut value = as_json(job);
    let seconds = |duration: std::time::Duration| duration.as_secs_f64();
    let log = job.report.log.iter().map(
        |line| json!({ "at": line.at.to_string(), "attempt": line.attempt, "text": line.text }),
    );
    let more = json!({
        "payload": decoded(record.payload.as_bytes()),
        "payload_bytes": record.payload.as_bytes().len(),
        "payload_version": record.version,
        "timeout_s": record.timeout.map(seconds),
        "retention_s": record.retention.map(seconds),
        "cost": record.cost,
        "unique_key": record.unique.map(|unique| unique.key.to_string()),
        "batch": record.batch.as_ref().map(ToString::to_string),
        "token": job.held_by.map(|(_, token)| token.as_u64()),
        "progress": job.report.progress.as_ref().map(|progress| json!({
            "done": progress.done, "total": progress.total, "message": progress.message,
        })),
        "log": log.collect::<Vec<_>>(),
        "failures": failures(&job.history),
        "result": job.result.as_deref().and_then(decoded),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

pub(super) fn failures(history: &History) -> Vec<Value> {
    let failure = |failure: &jobq_core::Failure| {
        json!({
            "kind": failure.kind.as_str(),
            "attempt": failure.attempt,
            "at": failure.at.to_string(),
            "worker": failure.worker.to_string(),
            "message": failure.message,
        })
    };
    history.failures().iter().map(failure).collect()
}

/// What was encoded, if it can be told in JSON.
pub(super) fn decoded(bytes: &[u8]) -> Option<Value> {
    let json = Payload::from_bytes(bytes.to_vec()).ok()?.to_json().ok()?;
    serde_json::from_str(&json).ok()
}
