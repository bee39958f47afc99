//! The handler of [`DeliverMessage`]: one attempt to deliver a message.
//!
//! The row says `sending` before the request goes out, and what became of it afterwards. A process that is
//! killed in between leaves the row so; the job runs again, and the receiver sees the same `Idempotency-Key`.
//!
//! How often and when a message is tried is told by its row, not by its job: it outlives a queue in memory, so
//! that `work --once` from cron waits as long as a daemon does.

use std::time::Duration;

use jobq_core::backoff::ThreadRandom;
use jobq_core::{JobContext, JobError, JobResult, Timestamp};
use jobq_worker::State;
use tracing::{info, warn};

use crate::app::App;
use crate::db::{Integration, StoreError, Taken};
use crate::jobs::{DeliverMessage, MOST_ATTEMPTS};
use crate::tally::Ending;
use crate::trouble::{Again, Trouble};

/// How long to wait for a database that is away. It uses no attempt: the receiver has nothing to do with it.
const DATABASE_AWAY: Duration = Duration::from_secs(5);
/// When a delivery that was overtaken by another one looks again what became of that.
const OVERTAKEN: Duration = Duration::from_secs(5);
/// How long a message waits for somebody to say where it goes.
const UNADDRESSED: Duration = Duration::from_secs(3 * 86_400);

/// Delivers a message.
///
/// # Errors
///
/// When the receiver does not take it, to be tried again as its row says; dead when it never will.
pub async fn deliver_message(
    job: DeliverMessage,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult {
    let run = app.tally.begin();
    let integration = app.store.active_integration(&job.destination).await.map_err(away)?;
    if let Some(at) = left_alone_until(&app, integration.as_ref())
        && app.store.put_off(job.message, at).await.map_err(away)?
    {
        return Err(JobError::snooze(at.since(app.store.now())));
    }
    let message = match app.store.take(job.message).await.map_err(away)? {
        Taken::Over => return Ok(()),
        Taken::NotBefore(at) => {
            let wait = at.since(app.store.now()).max(Duration::from_millis(1));
            return Err(JobError::snooze(wait));
        }
        Taken::Now(message) => message,
    };
    let (id, destination, attempt) = (message.id, &message.destination, message.attempts + 1);
    let delivered = match &integration {
        Some(integration) => app.courier.deliver(&message, integration, app.store.now()).await,
        None => Err(Trouble::no_active_integration(destination)),
    };
    let Err(trouble) = delivered else {
        if app.store.note_sent(id).await.map_err(away)? {
            run.ended(Ending::Sent);
            info!(id, destination, attempt, "sent");
        }
        return Ok(());
    };
    let (why, brief) = (trouble.to_string(), trouble.brief());
    if let (Some(integration), Again::After(wanted)) = (&integration, trouble.again) {
        leave_alone(&app, integration, wanted, &cx).await.map_err(away)?;
    }
    let is_attempt = trouble.again != Again::Waiting;
    let attempts = message.attempts + u64::from(is_attempt);
    let Some(wait) = wait(&app, attempts, &trouble, &cx) else {
        if !app.store.note_failed(&message, attempts, &why).await.map_err(away)? {
            return Err(JobError::snooze(OVERTAKEN));
        }
        run.ended(Ending::Failed);
        warn!(id, destination, attempt, why = brief, "failed for good");
        return Err(JobError::dead(brief));
    };
    let at = app.store.now() + wait;
    if !app.store.note_again(&message, attempts, &why, at).await.map_err(away)? {
        return Err(JobError::snooze(OVERTAKEN));
    }
    run.ended(Ending::Retried);
    info!(id, destination, attempt, why = brief, next = %at, "to be tried again");
    Err(if is_attempt { JobError::retry_after(wait, brief) } else { JobError::snooze(wait) })
}

/// When a message may be looked at again whose receiver wants to be left alone; `None` if it does not. A little
/// later than it has asked for, and not all at once.
fn left_alone_until(app: &App, integration: Option<&Integration>) -> Option<Timestamp> {
    let (until, now) = (integration?.not_before?, app.store.now());
    let rest = until.since(now);
    (!rest.is_zero()).then(|| until + rest.mul_f64(fastrand::f64() / 4.0))
}

/// Leaves a receiver alone that has asked for it: all messages to it wait. The row says so for all processes, and
/// for those to come; the lane saves the queue from asking for each message.
async fn leave_alone(
    app: &App,
    integration: &Integration,
    wanted: Duration,
    cx: &JobContext,
) -> Result<(), StoreError> {
    let wanted = wanted.min(app.policy.longest_retry_after);
    if wanted.is_zero() {
        return Ok(());
    }
    if let Err(error) = cx.throttle_lane(wanted).await {
        warn!(%error, "the queue could not be told that a receiver wants to be left alone");
    }
    app.store.leave_alone(integration.id, app.store.now() + wanted).await
}

/// How long to wait before the next attempt, after so many; `None` if there is none.
fn wait(app: &App, attempts: u64, trouble: &Trouble, cx: &JobContext) -> Option<Duration> {
    let (policy, most) = (&app.policy, u64::from(app.policy.max_attempts.min(MOST_ATTEMPTS)));
    let backoff = |attempts: u64| {
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        policy.backoff.delay(attempts, &mut ThreadRandom::default())
    };
    let is_last = attempts >= most || cx.is_last_attempt();
    match trouble.again {
        Again::Never => None,
        Again::Waiting => {
            // As long again as it has waited: nothing is asked of anybody, so that no attempt is used.
            let now = app.store.now();
            let waited = cx.id().generated_at().map_or(Duration::ZERO, |since| now.since(since));
            let next = waited.min(policy.longest_retry_after).max(backoff(1));
            (waited < UNADDRESSED).then_some(next)
        }
        _ if is_last => None,
        Again::After(wanted) => Some(wanted.min(policy.longest_retry_after).max(backoff(attempts))),
        Again::Later => Some(backoff(attempts)),
    }
}

pub(crate) fn away(error: StoreError) -> JobError {
    let cause = program::in_one_line(&error);
    warn!(%cause, "the database is away: the message waits");
    JobError::snooze(DATABASE_AWAY)
}
