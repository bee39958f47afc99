//! The handler of [`DeliverMessage`]: one attempt to deliver a message.
//!
//! The row says `sending` before the request goes out, and what became of it afterwards. A process that is
//! killed in between leaves the row so; the job runs again, and the receiver sees the same `Idempotency-Key`.
//!
//! How often and when a message is tried is told by its row, not by its job: it outlives a queue in memory, so
//! that `work --once` from cron waits as long as a daemon does.

use std::time::Duration;

use jobq_core::backoff::ThreadRandom;
use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;
use tracing::{info, warn};

use crate::app::App;
use crate::db::{StoreError, Taken};
use crate::jobs::{DeliverMessage, MAX_ATTEMPTS};
use crate::message::OutboxMessage;
use crate::tally::Ending;
use crate::trouble::{Again, Trouble};

/// How long to wait for a database that is away. It uses no attempt: the receiver has nothing to do with it.
const DATABASE_AWAY: Duration = Duration::from_secs(5);
/// When a delivery that was overtaken by another one looks again what became of that.
const OVERTAKEN: Duration = Duration::from_secs(5);
/// What a receiver that wants to be left alone is left at least.
const LEAST_WAIT: Duration = Duration::from_secs(1);

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
    let message = match app.store.take(job.message).await.map_err(away)? {
        Taken::Over => return Ok(()),
        Taken::NotBefore(at) => {
            let wait = at.since(app.store.now()).max(Duration::from_millis(1));
            return Err(JobError::snooze(wait));
        }
        Taken::Now(message) => message,
    };
    let (id, destination, attempt) = (message.id, &message.destination, message.attempts);
    let trouble = match attempt_delivery(&app, &message).await.map_err(away)? {
        Ok(()) => {
            if app.store.note_sent(id).await.map_err(away)? {
                info!(id, destination, attempt, "sent");
                run.ended(Ending::Sent);
            }
            return Ok(());
        }
        Err(trouble) => trouble,
    };
    let (why, brief) = (trouble.to_string(), trouble.brief());
    let Some(wait) = wait(&app, &message, &trouble, &cx) else {
        if !app.store.note_failed(&message, &why).await.map_err(away)? {
            return Err(JobError::snooze(OVERTAKEN));
        }
        warn!(id, destination, attempt, why = brief, "failed for good");
        run.ended(Ending::Failed);
        return Err(JobError::dead(brief));
    };
    let at = app.store.now() + wait;
    if !app.store.note_again(&message, &why, at).await.map_err(away)? {
        return Err(JobError::snooze(OVERTAKEN));
    }
    info!(id, destination, attempt, why = brief, next = %at, "to be tried again");
    run.ended(Ending::Retried);
    Err(JobError::retry_after(wait, brief))
}

async fn attempt_delivery(
    app: &App,
    message: &OutboxMessage,
) -> Result<Result<(), Trouble>, StoreError> {
    Ok(match app.store.active_integration(&message.destination).await? {
        Some(integration) => app.courier.deliver(message, &integration, app.store.now()).await,
        None => Err(Trouble::no_active_integration(&message.destination)),
    })
}

/// How long to wait before the next attempt; `None` if there is none.
fn wait(
    app: &App,
    message: &OutboxMessage,
    trouble: &Trouble,
    cx: &JobContext,
) -> Option<Duration> {
    let most = u64::from(app.policy.max_attempts.min(MAX_ATTEMPTS));
    if message.attempts >= most || cx.is_last_attempt() {
        return None;
    }
    match trouble.again {
        Again::Never => None,
        Again::After(wanted) => Some(wanted.min(app.policy.longest_retry_after).max(LEAST_WAIT)),
        Again::Later => {
            let attempt = u32::try_from(message.attempts).unwrap_or(u32::MAX);
            Some(app.policy.backoff.delay(attempt, &mut ThreadRandom::default()))
        }
    }
}

pub(crate) fn away(error: StoreError) -> JobError {
    let cause = crate::failure::Failure::failed(&error);
    warn!(%cause, "the database is away: the message waits");
    JobError::snooze(DATABASE_AWAY)
}
