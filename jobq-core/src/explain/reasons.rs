//! The sentences of an explanation.

use super::explanation::{Reason, moment};
use super::standing::{Block, Standing};
use crate::backend::WorkerStatus;
use crate::clock::Timestamp;
use crate::history::FailureKind;
use crate::inspect::JobView;
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::state::JobState;

/// How many jobs a sentence names.
const NAMED: usize = 5;

/// How a job ended.
pub(super) fn ended(job: &JobView, now: Timestamp) -> Vec<Reason> {
    let kept =
        job.at.map_or_else(String::new, |at| format!(", and is kept until {}", moment(at, now)));
    match job.state {
        JobState::Completed => vec![Reason::new("completed", format!("it has completed{kept}"))],
        JobState::Cancelled => vec![Reason::new("cancelled", format!("it was cancelled{kept}"))],
        _ => vec![died(job, now)],
    }
}

fn died(job: &JobView, now: Timestamp) -> Reason {
    let at = job.at.map_or_else(String::new, |at| format!(" at {}", moment(at, now)));
    let text = match job.history.last() {
        None => format!("it died{at}, and nothing is known of why"),
        Some(last) if last.kind == FailureKind::Crash => {
            format!("it died{at} as it brought down {} workers: {}", job.crashes, last.message)
        }
        Some(last) if last.kind == FailureKind::Parent => {
            format!("it died{at} without having run: {}", last.message)
        }
        Some(last) => format!(
            "it died{at} with attempt {} of {}: {}: {}",
            last.attempt, job.record.max_attempts, last.kind, last.message
        ),
    };
    Reason::new("dead", text)
}

/// Who runs a job.
pub(super) fn held(job: &JobView, workers: &[WorkerStatus], now: Timestamp) -> Vec<Reason> {
    let who = job.held_by.map_or_else(
        || "a worker".to_owned(),
        |(id, _)| match workers.iter().find(|worker| worker.id == id) {
            Some(worker) => format!("worker {} ({id})", worker.name),
            None => format!("worker {id}, which is not among the living,"),
        },
    );
    let lease =
        job.at.map_or_else(String::new, |at| format!(", and holds it until {}", moment(at, now)));
    let mut reasons = vec![Reason::new("running", format!("{who} runs it{lease}"))];
    if job.cancel_requested {
        reasons.push(Reason::new("cancel_requested", "somebody has asked it to end"));
    }
    reasons.extend(last_failure(job, now));
    reasons
}

/// What keeps a job waiting, and whether some worker would run it.
pub(super) fn waits(
    standing: &Standing,
    workers: &[WorkerStatus],
    now: Timestamp,
) -> (Vec<Reason>, bool) {
    let job = &standing.job;
    let mut reasons: Vec<Reason> =
        standing.blocks.iter().map(|block| blocked(block, standing, now)).collect();
    reasons.extend(last_failure(job, now));
    let unserved = unserved(job, workers);
    let is_served = unserved.is_none();
    reasons.extend(unserved);
    if job.state == JobState::Ready {
        reasons.extend(busy(job, workers));
        reasons.extend(ahead(standing));
    }
    if standing.blocks.is_empty() && reasons.iter().all(|reason| reason.code == "last_failure") {
        reasons.push(free(job.state));
    }
    (reasons, is_served)
}

/// That nothing keeps a job.
fn free(state: JobState) -> Reason {
    match state {
        JobState::Waiting => {
            Reason::new("told", "the jobs it waits for have ended: it is being told")
        }
        JobState::Scheduled => Reason::new("due", "it is due"),
        _ => Reason::new("next", "nothing keeps it from running: it is next"),
    }
}

fn blocked(block: &Block, standing: &Standing, now: Timestamp) -> Reason {
    let queue = &standing.job.record.queue;
    let lane = || lane_name(standing.lane.as_ref());
    let at = |until: &Timestamp| moment(*until, now);
    let (code, text) = match block {
        Block::NotDue { at: due } => ("not_due", format!("it is due at {}", at(due))),
        Block::Parents(parents) => ("parents", parents_text(parents)),
        Block::QueuePaused => {
            ("queue_paused", format!("queue {queue} is paused until somebody resumes it"))
        }
        Block::QueueConcurrency { limit } => (
            "queue_concurrency",
            format!("as many jobs of queue {queue} run as may at once: {limit}"),
        ),
        Block::QueueRate { rate, until } => (
            "queue_rate",
            format!("queue {queue} has used up its rate of {rate}: it has room at {}", at(until)),
        ),
        Block::LanePaused => {
            ("lane_paused", format!("{} is paused until somebody resumes it", lane()))
        }
        Block::LaneRests { until, failures: 0 } => {
            ("lane_rests", format!("{} was told to rest until {}", lane(), at(until)))
        }
        Block::LaneRests { until, failures } => (
            "lane_rests",
            format!("{} rests after {failures} failures in a row until {}", lane(), at(until)),
        ),
        Block::LaneConcurrency { limit, holders } => {
            let holders: Vec<String> = holders.iter().map(ToString::to_string).collect();
            let running = if holders.is_empty() {
                String::new()
            } else {
                format!(": {}", named(&holders, holders.len()))
            };
            let text = format!("as many jobs of {} run as may at once ({limit}){running}", lane());
            ("lane_concurrency", text)
        }
        Block::LaneRate { rate, until } => (
            "lane_rate",
            format!("{} has used up its rate of {rate}: it has room at {}", lane(), at(until)),
        ),
        Block::Shared { name, until: Some(until) } => {
            ("shared", format!("shared limit {name} is used up: it has room at {}", at(until)))
        }
        Block::Shared { name, until: None } => (
            "shared",
            format!("as many jobs run as shared limit {name} allows: it has room when one ends"),
        ),
        Block::CalledOff { batch } => (
            "called_off",
            format!("batch {batch} is called off: it ends as cancelled instead of being leased"),
        ),
        Block::UniqueKey { holder } => (
            "unique_key",
            format!("job {holder} runs with its unique key, and only one may at a time"),
        ),
    };
    Reason::new(code, text).until(block.until())
}

fn lane_name(lane: Option<&LaneKey>) -> String {
    lane.map_or_else(|| "the lane of jobs without one".to_owned(), |lane| format!("lane {lane}"))
}

fn parents_text(parents: &[JobRef]) -> String {
    let names: Vec<String> = parents.iter().take(NAMED).map(ToString::to_string).collect();
    match parents {
        [] => "it waits for other jobs to end".to_owned(),
        [one] => format!("it waits for job {one} to end"),
        many => {
            format!("it waits for {} jobs to end: {}", many.len(), named(&names, many.len()))
        }
    }
}

/// The first names, and how many more there are.
fn named(names: &[String], all: usize) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>();
    match all.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What went wrong last with a job that is to run again.
fn last_failure(job: &JobView, now: Timestamp) -> Option<Reason> {
    // A dead job that was requeued starts anew.
    let last = job.history.last().filter(|_| job.failed_attempts > 0 || job.crashes > 0)?;
    let at = moment(last.at, now);
    let text = if last.kind == FailureKind::Crash {
        format!(
            "a worker that ran it was lost at {at}: {} of {}",
            job.crashes, job.record.max_crashes
        )
    } else {
        let (attempt, of) = (last.attempt, job.record.max_attempts);
        format!("attempt {attempt} of {of} failed at {at}: {}: {}", last.kind, last.message)
    };
    Some(Reason::new("last_failure", text))
}

/// Why no worker would run a job, if that is so.
fn unserved(job: &JobView, workers: &[WorkerStatus]) -> Option<Reason> {
    let (queue, kind) = (&job.record.queue, &job.record.kind);
    let serves = |worker: &&WorkerStatus| worker.queues.iter().any(|name| name == queue.as_str());
    let handles = |worker: &&WorkerStatus| worker.kinds.iter().any(|name| name == kind.as_str());
    if !workers.iter().any(|worker| serves(&worker)) {
        return Some(Reason::new("no_worker", format!("no living worker serves queue {queue}")));
    }
    if !workers.iter().filter(serves).any(|worker| handles(&worker)) {
        let text = format!("no living worker of queue {queue} handles kind {kind}");
        return Some(Reason::new("no_handler", text));
    }
    if workers.iter().filter(serves).filter(handles).all(|worker| worker.draining) {
        let text = format!("all workers of queue {queue} that handle kind {kind} are stopping");
        return Some(Reason::new("draining", text));
    }
    None
}

/// That all workers that would run a job have enough to do, if that is so.
fn busy(job: &JobView, workers: &[WorkerStatus]) -> Option<Reason> {
    let queue = job.record.queue.as_str();
    let serving: Vec<&WorkerStatus> = workers
        .iter()
        .filter(|worker| !worker.draining && worker.queues.iter().any(|name| name == queue))
        .collect();
    let running: usize = serving.iter().map(|worker| worker.running).sum();
    let is_full = |worker: &&&WorkerStatus| worker.running >= worker.concurrency;
    if serving.is_empty() || serving.iter().filter(is_full).count() < serving.len() {
        return None;
    }
    let text = format!("all workers of queue {queue} are busy: they run {running} jobs");
    Some(Reason::new("busy", text))
}

/// What goes before a job, and how fast that goes.
fn ahead(standing: &Standing) -> Option<Reason> {
    let (ahead, lanes) = (standing.ahead, standing.lanes);
    let go = |whose: &str| match ahead {
        0 => format!("it is first{whose}"),
        1 => format!("1 job{whose} goes before it"),
        more => format!("{more} jobs{whose} go before it"),
    };
    let text = match (ahead, lanes) {
        (0, 0) => return None,
        (_, 0) => go(""),
        (0, 1) => format!("{}, which takes turns with another one", go(" in its lane")),
        (0, _) => format!("{}, which takes turns with {lanes} others", go(" in its lane")),
        (_, 1) => format!("{}, and the lane takes turns with another one", go(" of its lane")),
        (..) => format!("{}, and the lane takes turns with {lanes} others", go(" of its lane")),
    };
    let rate = match standing.rate {
        Some(rate) if rate > 0.0 => format!("; of late {} a second were leased", two_digits(rate)),
        _ => String::new(),
    };
    Some(Reason::new("ahead", format!("{text}{rate}")))
}

/// A number as precise as people want it.
fn two_digits(rate: f64) -> String {
    if rate >= 10.0 { format!("{rate:.0}") } else { format!("{rate:.2}") }
}
