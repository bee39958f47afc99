//! Looks after messages that wait for too long.
//!
//! A message and its job are stored together, and the relay loses none on the way to its queue. But a queue in
//! memory ends with its process, a Redis can be emptied, and a job can die without a word, by crashes or for
//! lack of time. So each process that works looks for messages without a living job: all of them when it
//! starts, and some every minute.

use std::time::Duration;

use jobq_core::{JobState, Timestamp};
use program::Failure;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::db::{Relay, Store, Table, Unfinished};
use crate::jobs::queue_name;
use crate::queue::OpenQueue;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);
/// How long a message may wait before it is looked at: whoever stores one stores its job, too.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many messages of a table are looked at in one go.
const PAGE: u32 = 500;

/// What a round of the patrol has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Messages that no job was there for: they have one now.
    pub lost: u64,
    /// Messages whose job had died: they have failed.
    pub dead: u64,
}

/// Looks after the messages of a database.
#[derive(Debug)]
pub struct Patrol {
    store: Store,
    queue: OpenQueue,
    /// The last message of each table that was looked at.
    after: [i64; 2],
}

impl Patrol {
    /// A patrol that begins with the first messages.
    #[must_use]
    pub const fn new(store: Store, queue: OpenQueue) -> Self {
        Self { store, queue, after: [0, 0] }
    }

    /// Goes round for ever: at once after whatever happened before this process, and then now and then.
    /// Cancel safe.
    pub(crate) async fn run(mut self, relay: Relay) {
        let mut looked = self.look_at_all().await;
        loop {
            match looked {
                Ok(found) if found.lost > 0 => relay.nudge(),
                Ok(_) => {}
                Err(failure) => warn!("messages could not be looked after: {failure}"),
            }
            sleep(EVERY).await;
            looked = self.round(self.store.now() - PATIENCE).await;
        }
    }

    /// Looks at all messages that have not ended.
    ///
    /// # Errors
    ///
    /// When the database or the queue fails.
    pub async fn look_at_all(&mut self) -> Result<Found, Failure> {
        let since = self.store.now();
        let mut all = Found::default();
        self.after = [0, 0];
        loop {
            let found = self.round(since).await?;
            all.lost += found.lost;
            all.dead += found.dead;
            if self.after == [0, 0] {
                return Ok(all);
            }
        }
    }

    /// Looks at some messages that were last touched before `since`, and next time at those after them.
    ///
    /// # Errors
    ///
    /// When the database or the queue fails; doing it again goes on from there.
    pub async fn round(&mut self, since: Timestamp) -> Result<Found, Failure> {
        let mut found = Found::default();
        for (index, table) in [Table::Inbox, Table::Outbox].into_iter().enumerate() {
            let page = self.store.unfinished(table, since, self.after[index], PAGE).await?;
            let is_all = page.len() < PAGE as usize;
            let last = page.last().map_or(0, |message| message.id);
            let mut lost = Vec::new();
            for message in page {
                match self.fate(table, &message).await? {
                    Fate::Lost => lost.push(message),
                    Fate::Died(why) => {
                        found.dead += u64::from(self.fail(table, &message, &why).await?)
                    }
                    Fate::Alive => {}
                }
            }
            found.lost += lost.len() as u64;
            if !lost.is_empty() {
                info!(queue = table.queue(), messages = lost.len(), "enqueued: no job was there");
                self.store.enqueue_again(table, lost).await?;
            }
            self.after[index] = if is_all { 0 } else { last };
        }
        Ok(found)
    }

    async fn fate(&self, table: Table, message: &Unfinished) -> Result<Fate, Failure> {
        let known = self.queue.inspect.job(&queue_name(table.queue())?, message.job_id).await?;
        Ok(match known {
            None => Fate::Lost,
            Some(view) if view.state == JobState::Dead => {
                let last = view.history.last();
                Fate::Died(last.map_or_else(String::new, |failure| failure.message.clone()))
            }
            Some(view) if view.state == JobState::Cancelled => {
                Fate::Died("somebody has cancelled it".to_owned())
            }
            Some(_) => Fate::Alive,
        })
    }

    async fn fail(&self, table: Table, message: &Unfinished, why: &str) -> Result<bool, Failure> {
        let why = format!("job_died: {why}");
        let failed = match table {
            Table::Inbox => self.store.fail_inbox(message.id, &why).await?,
            Table::Outbox => self.store.fail_outbox(message.id, &why).await?,
        };
        if failed {
            warn!(queue = table.queue(), id = message.id, "failed: its job had died");
        }
        Ok(failed)
    }
}

/// What has become of a message's job.
enum Fate {
    Alive,
    Lost,
    Died(String),
}
