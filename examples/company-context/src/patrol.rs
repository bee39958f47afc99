//! Looks after texts that wait for too long.
//!
//! A customer is stored in the database and its job in the queue, one after the other: a process that dies
//! between the two, or a queue in the memory of one that has ended, leaves a text that waits for nothing. A
//! job's id follows from the text it is about, so whether there is one can be asked, and enqueueing it again
//! adds nothing if there is.

use std::time::Duration;

use jobq_core::{Clock, JobState, SystemClock, Timestamp};
use program::Failure;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::customer::TextId;
use crate::db::Store;
use crate::dispatch::{Dispatcher, enqueue, run_here};
use crate::job::{CondenseContext, queue_name};
use crate::queue::Opened;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);
/// How long a text may wait before it is looked at: whoever stores one enqueues its job at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many texts are looked at in one go.
const PAGE: u32 = 500;

/// What a round of the patrol has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Texts that no job was there for: they have one now.
    pub lost: u64,
    /// Texts whose job had died without a word, by crashes or for lack of time: they stay as they are.
    pub dead: u64,
}

/// Looks after the customers of a database.
#[derive(Debug)]
pub struct Patrol {
    store: Store,
    dispatcher: Dispatcher,
    /// The last customer that was looked at.
    after: i64,
}

impl Patrol {
    /// A patrol that begins with the first customer.
    #[must_use]
    pub const fn new(store: Store, dispatcher: Dispatcher) -> Self {
        Self { store, dispatcher, after: 0 }
    }

    /// Goes round for ever: at once after whatever happened before this process, and then now and then.
    /// Cancel safe.
    pub(crate) async fn run<T>(mut self) -> T {
        let clock = SystemClock::default();
        let mut since = clock.now();
        loop {
            match self.round(since).await {
                // Where one was lost there may be more.
                Ok(found) if found.lost > 0 => continue,
                Ok(_) => {}
                Err(error) => warn!(%error, "the patrol could not look"),
            }
            if self.dispatcher.queue().is_none() {
                // Whatever comes now has a caller who waits.
                return std::future::pending().await;
            }
            sleep(EVERY).await;
            since = clock.now() - PATIENCE;
        }
    }

    /// Looks at some texts that have waited since before `since`, and next time at those after them.
    ///
    /// # Errors
    ///
    /// When the database or the queue fails; doing it again goes on from there.
    pub async fn round(&mut self, since: Timestamp) -> Result<Found, Failure> {
        let page = self.store.pending(since, self.after, PAGE).await?;
        let is_all = u64::try_from(page.len()).is_ok_and(|rows| rows < u64::from(PAGE));
        let mut found = Found::default();
        for text in page {
            match &self.dispatcher {
                Dispatcher::Sync(app) => {
                    run_here(app, CondenseContext::of(text)).await;
                    found.lost += 1;
                }
                Dispatcher::Queue(queue) => self.look(queue, text, &mut found).await?,
            }
            self.after = text.customer.as_i64();
        }
        if is_all {
            self.after = 0;
        }
        Ok(found)
    }

    async fn look(&self, queue: &Opened, text: TextId, found: &mut Found) -> Result<(), Failure> {
        let job = CondenseContext::of(text);
        let known = queue.inspect.job(&queue_name()?, job.id()).await?;
        let TextId { customer, revision } = text;
        match known {
            None => {
                enqueue(queue, job).await?;
                info!(%customer, revision, "dispatched: no job was there");
                found.lost += 1;
            }
            Some(view) if view.state == JobState::Dead => {
                let last = view.history.last();
                let why = last.map_or("its job died", |failure| failure.message.as_str());
                if self.store.keep_original(text, why).await? {
                    warn!(%customer, revision, why, "the original text stays");
                    found.dead += 1;
                }
            }
            Some(_) => {}
        }
        Ok(())
    }
}
