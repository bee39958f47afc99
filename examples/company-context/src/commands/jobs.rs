//! What people do with the jobs in Redis: look, retry, flush.

use std::process::ExitCode;

use jobq_core::inspect::{JobView, RequeueOutcome};
use jobq_core::{JobId, JobState};
use program::{Failure, in_one_line, report};
use serde_json::{Value, json};

use super::open;
use crate::cli::{FailedArgs, FlushArgs, MonitorArgs, RetryArgs};
use crate::job::{CondenseContext, queue_name};
use crate::monitor::status;
use crate::queue::Opened;

/// How many jobs one step moves.
const STEP: usize = 100;
/// How much of an error is listed for people.
const ERROR_WIDTH: usize = 80;

pub(super) async fn monitor(args: &MonitorArgs) -> Result<ExitCode, Failure> {
    let queue = Opened::redis(&args.redis.redis).await?;
    let status = status(&open(&args.database.url()).await?, Some(&queue)).await?;
    let waiting = status.queue.map_or(0, |jobs| jobs.waiting);
    let is_alert = waiting > args.threshold;
    if args.json {
        let mut line = json!(status);
        line["threshold"] = args.threshold.into();
        line["alert"] = is_alert.into();
        report::json(&line);
    } else {
        report::line(&status.text());
        if is_alert {
            report::line(&format!("ALERT: {waiting} jobs wait, more than {}", args.threshold));
        }
    }
    Ok(if is_alert { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) async fn failed(args: &FailedArgs) -> Result<(), Failure> {
    let queue = Opened::redis(&args.redis.redis).await?;
    let name = queue_name()?;
    let dead = queue.inspect.jobs(&name, JobState::Dead, 0, args.limit).await?;
    if args.json {
        report::json(&dead.iter().map(as_json).collect::<Vec<_>>());
        return Ok(());
    }
    for job in &dead {
        report::line(&as_text(job));
    }
    let all = queue.inspect.queue(&name).await?.dead;
    let more = all.saturating_sub(u64::try_from(dead.len()).unwrap_or(u64::MAX));
    if dead.is_empty() {
        report::line("no failed jobs");
    } else if more > 0 {
        report::line(&format!("and {more} more: raise --limit to see them"));
    }
    Ok(())
}

fn as_text(job: &JobView) -> String {
    let id = job.record.id;
    let about = job.record.payload.decode::<CondenseContext>().map_or_else(
        |_| "unreadable".to_owned(),
        |job| format!("customer {}, text {}", job.customer, job.revision),
    );
    let died = job.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let error = job.history.last().map_or("", |failure| failure.message.as_str());
    let error: String = error.chars().take(ERROR_WIDTH).collect();
    format!("{id}  {about}  {died}  {error}")
}

fn as_json(job: &JobView) -> Value {
    let about = job.record.payload.decode::<CondenseContext>().ok();
    json!({
        "id": job.record.id.to_string(),
        "customer": about.map(|job| job.customer),
        "revision": about.map(|job| job.revision),
        "failed_attempts": job.failed_attempts,
        "crashes": job.crashes,
        "failed_at": job.at.map(|at| at.to_string()),
        "errors": job.history.failures().iter().map(|it| it.message.as_str()).collect::<Vec<_>>(),
    })
}

pub(super) async fn retry(args: &RetryArgs) -> Result<ExitCode, Failure> {
    // First of all: a mistake in one must not leave the others half done.
    let ids = args.jobs.iter().filter(|job| *job != "all").map(|job| job.parse::<JobId>());
    let ids: Vec<JobId> =
        ids.collect::<Result<_, _>>().map_err(|error| Failure::usage(in_one_line(&error)))?;
    let queue = Opened::redis(&args.redis.redis).await?;
    let is_all = args.jobs.iter().any(|job| job == "all");
    let left = if is_all { retry_all(&queue).await? } else { retry_some(&queue, &ids).await? };
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives how many were left where they are.
async fn retry_some(queue: &Opened, ids: &[JobId]) -> Result<usize, Failure> {
    let mut left = 0;
    for (id, outcome) in ids.iter().zip(queue.inspect.requeue(&queue_name()?, ids).await?) {
        left += usize::from(outcome != RequeueOutcome::Requeued);
        report::line(&format!("{id}  {}", sentence(outcome)));
    }
    Ok(left)
}

/// Moves as many jobs as there were at the start: jobs that die again meanwhile are left alone.
async fn retry_all(queue: &Opened) -> Result<usize, Failure> {
    let name = queue_name()?;
    let mut to_see = queue.inspect.queue(&name).await?.dead;
    let (mut moved, mut left) = (0_u64, 0);
    while to_see > 0 {
        let step = usize::try_from(to_see).unwrap_or(STEP).min(STEP);
        let dead = queue.inspect.jobs(&name, JobState::Dead, left, step).await?;
        if dead.is_empty() {
            break;
        }
        let ids: Vec<JobId> = dead.iter().map(|job| job.record.id).collect();
        for (id, outcome) in ids.iter().zip(queue.inspect.requeue(&name, &ids).await?) {
            to_see = to_see.saturating_sub(1);
            if outcome == RequeueOutcome::Requeued {
                moved += 1;
            } else {
                left += 1;
                report::line(&format!("{id}  {}", sentence(outcome)));
            }
        }
    }
    report::line(&format!("{moved} jobs put back, {left} left"));
    Ok(left)
}

fn sentence(outcome: RequeueOutcome) -> String {
    match outcome {
        RequeueOutcome::Requeued => "put back".to_owned(),
        RequeueOutcome::Conflict(other) => {
            format!("left: job {other} condenses a newer text of the customer")
        }
        RequeueOutcome::NotDead => "left: it has not failed".to_owned(),
        RequeueOutcome::NotFound => "not found".to_owned(),
        _ => "left".to_owned(),
    }
}

/// Deletes as many jobs as there were at the start.
pub(super) async fn flush(args: &FlushArgs) -> Result<(), Failure> {
    let queue = Opened::redis(&args.redis.redis).await?;
    let name = queue_name()?;
    let mut to_see = queue.inspect.queue(&name).await?.dead;
    let mut deleted = 0;
    while to_see > 0 {
        let step = usize::try_from(to_see).unwrap_or(STEP).min(STEP);
        let dead = queue.inspect.jobs(&name, JobState::Dead, 0, step).await?;
        if dead.is_empty() {
            break;
        }
        let ids: Vec<JobId> = dead.iter().map(|job| job.record.id).collect();
        let outcomes = queue.inspect.delete(&name, JobState::Dead, &ids).await?;
        let gone = |it: &&jobq_core::inspect::DeleteOutcome| {
            **it == jobq_core::inspect::DeleteOutcome::Deleted
        };
        deleted += outcomes.iter().filter(gone).count();
        to_see = to_see.saturating_sub(u64::try_from(ids.len()).unwrap_or(u64::MAX));
    }
    report::line(&format!("{deleted} failed jobs deleted"));
    Ok(())
}
