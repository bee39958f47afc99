//! One pass over what is there: `work --once`.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use program::Failure;
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::patrol::Patrol;
use crate::queue::OpenQueue;
use crate::tally::Pass;

/// How long jobs are waited for that another relay is moving: one that was killed lets go of them by then.
const OTHERS: Duration = Duration::from_secs(6);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How many jobs are moved at once at most.
const BATCH: u32 = 250;

/// How a pass is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Once {
    /// How many messages are worked on at once.
    pub concurrency: usize,
    /// After what time the messages of a process that died are worked on elsewhere.
    pub lease: Duration,
    /// How many messages are taken at most.
    pub limit: Option<u64>,
}

impl Default for Once {
    fn default() -> Self {
        Self { concurrency: 16, lease: Duration::from_secs(10), limit: None }
    }
}

/// Works on what is there, and says what became of it.
///
/// A message whose next attempt is not due stays `pending`: its row says when it is, and a later pass takes
/// it. So a pass never waits for a receiver's `Retry-After`, and a receiver is never asked too early, however
/// often passes are made.
///
/// With a queue in memory, one process at a time should do this for a database.
///
/// # Errors
///
/// When the database or the queue fails.
pub async fn once(
    app: &App,
    queue: &OpenQueue,
    how: Once,
    stop: impl Future<Output = ()>,
) -> Result<Pass, Failure> {
    let before = app.tally.total();
    // Nobody comes by later.
    Patrol::new(app.store.clone(), queue.clone()).look_at_all().await?;
    fill(app, queue, how.limit).await?;
    let worker = queue.message_worker(app.clone(), how.concurrency, how.lease);
    let worker = match how.limit {
        Some(limit) => worker.max_jobs(limit),
        None => worker,
    };
    worker.stop_when_empty().run_until(stop).await?;
    Ok(app.tally.total() - before)
}

/// Moves what a pass can need to the queue: all there is, or for each of the two queues as many jobs as the pass has
/// messages. What is left in the database costs the next pass nothing.
async fn fill(app: &App, queue: &OpenQueue, limit: Option<u64>) -> Result<(), Failure> {
    let relay = app.store.relay(Arc::clone(&queue.backend));
    let deadline = Instant::now() + OTHERS;
    let Some(limit) = limit.and_then(|limit| u32::try_from(limit).ok()) else {
        loop {
            relay.run_once().await?;
            if app.store.unmoved().await? == 0 || Instant::now() >= deadline {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    let relay = relay.batch(limit.min(BATCH));
    let empty = async {
        while Instant::now() < deadline && app.store.unmoved().await.is_ok_and(|left| left > 0) {
            sleep(LOOK_AGAIN).await;
        }
    };
    let mut empty = std::pin::pin!(empty);
    // The relay asks it after each batch.
    let enough = std::future::poll_fn(|cx| {
        if relay.moved() >= 2 * u64::from(limit) {
            Poll::Ready(())
        } else {
            empty.as_mut().poll(cx)
        }
    });
    relay.run_until(enough).await?;
    Ok(())
}
