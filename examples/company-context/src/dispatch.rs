//! How a text comes to be condensed: inside the caller, or by a job in a queue.

use std::time::Duration;

use jobq_core::backoff::ThreadRandom;
use jobq_core::{Enqueued, Error, Job, Queue};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::app::App;
use crate::condense::attempt;
use crate::customer::{Customer, TextId};
use crate::job::{CondenseContext, queue_name};
use crate::queue::Opened;

/// How long a caller waits for the queue. The text is stored by then; what was not enqueued the
/// [patrol](crate::patrol) finds.
const QUEUE_PATIENCE: Duration = Duration::from_secs(2);

/// Where texts are condensed. Clones are the same.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the drivers there are")]
pub enum Dispatcher {
    /// Inside the caller, who waits for all attempts.
    Sync(App),
    /// By a worker, from a queue in memory or in Redis.
    Queue(Opened),
}

impl Dispatcher {
    /// The queue; `None` if the driver has none.
    #[must_use]
    pub const fn queue(&self) -> Option<&Opened> {
        match self {
            Self::Sync(_) => None,
            Self::Queue(queue) => Some(queue),
        }
    }

    /// Has a customer's newest text condensed. Nothing is wrong with the customer if this fails: the text
    /// is stored, and is condensed when the [patrol](crate::patrol) comes by.
    ///
    /// Cancel safe: with the sync driver what runs goes on if the caller goes away.
    pub async fn dispatch(&self, customer: &Customer) {
        let (job, id, revision) =
            (CondenseContext::of(customer.text()), customer.id, customer.revision);
        let chars = customer.original_text.chars().count();
        match self {
            Self::Sync(app) => {
                info!(customer = %id, revision, chars, "dispatched");
                let app = app.clone();
                // A panic has been told already; the text is what it was.
                let _ = tokio::spawn(async move { run_here(&app, job).await }).await;
            }
            Self::Queue(queue) => {
                let replaced = async {
                    // A request for the text before is of no use any more. That its answer finds no row
                    // does not depend on this. It comes first, lest it call off what does our work: see
                    // `attempt`.
                    let _ = call_off_older(queue, job).await;
                    enqueue(queue, job).await
                };
                match timeout(QUEUE_PATIENCE, replaced).await {
                    Ok(Ok(_)) => info!(customer = %id, revision, chars, "dispatched"),
                    Ok(Err(error)) => {
                        warn!(customer = %id, revision, chars, %error, "not dispatched yet");
                    }
                    Err(_) => {
                        let error = "the queue does not answer";
                        warn!(customer = %id, revision, chars, error, "not dispatched yet");
                    }
                }
            }
        }
    }
}

/// Enqueues a job. One that the queue knows is not added again.
///
/// # Errors
///
/// As [`jobq_core::Backend::enqueue_jobs`].
pub async fn enqueue(queue: &Opened, job: CondenseContext) -> Result<Enqueued, Error> {
    queue.backend.enqueue(job).id(job.id()).await
}

async fn call_off_older(queue: &Opened, job: CondenseContext) -> Result<(), Error> {
    if job.revision > 1 {
        let older = CondenseContext { revision: job.revision - 1, ..job };
        queue.inspect.cancel(&queue_name()?, &[older.id()]).await?;
    }
    Ok(())
}

/// All attempts of a job, one after the other, as a worker would make them.
pub(crate) async fn run_here(app: &App, job: CondenseContext) {
    let limit = CondenseContext::TIMEOUT.unwrap_or(Duration::MAX);
    for number in 1..=CondenseContext::MAX_ATTEMPTS {
        let is_last = number == CondenseContext::MAX_ATTEMPTS;
        let rest = match timeout(limit, attempt(app, job, number, is_last)).await {
            Ok(Ok(_)) => return,
            Ok(Err(fault)) if fault.is_final => return,
            Ok(Err(fault)) => fault.retry_after,
            Err(_) => None,
        };
        if !is_last {
            let backoff = || CondenseContext::BACKOFF.delay(number, &mut ThreadRandom::default());
            // A caller waits: better to try too early than to hold him for minutes.
            sleep(rest.unwrap_or_else(backoff).min(LONGEST_REST_OF_A_CALLER)).await;
        }
    }
    // Told already if the last attempt failed; not if it took too long.
    let text = TextId { customer: job.customer, revision: job.revision };
    let why = "no attempt has ended in time";
    match app.store.customer(job.customer).await {
        Ok(Some(customer)) if customer.last_error.is_none() => {
            if let Err(error) = app.store.keep_original(text, why).await {
                warn!(customer = %job.customer, %error, "the text stays pending");
            }
        }
        _ => {}
    }
}

/// How long a caller of the sync driver rests between two attempts at most.
const LONGEST_REST_OF_A_CALLER: Duration = Duration::from_secs(5);
