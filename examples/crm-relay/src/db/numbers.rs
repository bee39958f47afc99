//! How the messages stand, in numbers.

use std::collections::BTreeMap;

use jobq_core::Timestamp;
use serde::Serialize;
use sql_store::{StoreError, values};

use super::store::Store;
use crate::message::{InboxStatus, OutboxStatus, instant};

/// How many of the last errors are shown.
const ERRORS: u32 = 10;

/// How the messages stand. The names are a promise.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Messages that came in.
    pub inbox: Numbers,
    /// Messages that go out.
    pub outbox: Numbers,
    /// Jobs that were not yet handed to their queue.
    pub relay: RelayNumbers,
    /// The newest errors of messages that have failed, or are tried again.
    pub last_errors: Vec<LastError>,
}

/// How the messages of a table stand.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Numbers {
    /// How many have each status; all words are there.
    pub by_status: BTreeMap<&'static str, u64>,
    /// For how long the oldest pending one has waited, in seconds; nothing if none does.
    pub oldest_pending_seconds: Option<u64>,
}

/// Jobs that were not yet handed to their queue.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct RelayNumbers {
    /// How many.
    pub waiting: u64,
    /// For how long the oldest has waited, in seconds.
    pub oldest_seconds: u64,
    /// How many no queue will ever take.
    pub set_aside: u64,
}

/// An error of a message.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LastError {
    /// `inbox` or `outbox`.
    pub table: &'static str,
    /// The message's number.
    pub id: i64,
    /// Where it comes from, or goes.
    pub party: String,
    /// How it stands.
    pub status: String,
    /// What went wrong.
    pub error: String,
    /// When.
    #[serde(serialize_with = "instant")]
    pub at: Timestamp,
}

impl Store {
    /// How the messages stand.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn metrics(&self) -> Result<Metrics, StoreError> {
        let inbox = [
            "SELECT status, COUNT(*) FROM crm_inbox GROUP BY status",
            "SELECT MIN(received_at) FROM crm_inbox WHERE status = 'pending'",
        ];
        let outbox = [
            "SELECT status, COUNT(*) FROM crm_outbox GROUP BY status",
            "SELECT MIN(created_at) FROM crm_outbox WHERE status = 'pending'",
        ];
        let backlog = self.driver.backlog().await?;
        Ok(Metrics {
            inbox: self.numbers(inbox, &InboxStatus::ALL.map(InboxStatus::as_str)).await?,
            outbox: self.numbers(outbox, &OutboxStatus::ALL.map(OutboxStatus::as_str)).await?,
            relay: RelayNumbers {
                waiting: backlog.jobs,
                oldest_seconds: backlog.oldest.as_secs(),
                set_aside: backlog.set_aside,
            },
            last_errors: self.last_errors().await?,
        })
    }

    async fn numbers(
        &self,
        [counts, oldest]: [&'static str; 2],
        words: &[&'static str],
    ) -> Result<Numbers, StoreError> {
        let found = self.driver.query(counts, values![]).await?;
        let count = |word: &&'static str| {
            let row = found.iter().find(|row| row.text(0) == Some(word));
            (*word, row.map_or(0, |row| row.count(1)))
        };
        let oldest = self.driver.query(oldest, values![]).await?;
        let oldest = oldest.first().and_then(|row| row.uint(0)).map(Timestamp::from_millis);
        Ok(Numbers {
            by_status: words.iter().map(count).collect(),
            oldest_pending_seconds: oldest.map(|at| self.now().since(at).as_secs()),
        })
    }

    async fn last_errors(&self) -> Result<Vec<LastError>, StoreError> {
        let mut errors = Vec::new();
        for (table, sql) in [
            (
                "inbox",
                "SELECT id, source, status, last_error, updated_at FROM crm_inbox
                 WHERE status = 'failed' ORDER BY updated_at DESC, id DESC LIMIT ?",
            ),
            (
                "outbox",
                "SELECT id, destination, status, last_error, updated_at FROM crm_outbox
                 WHERE status = 'failed' ORDER BY updated_at DESC, id DESC LIMIT ?",
            ),
            (
                "outbox",
                "SELECT id, destination, status, last_error, updated_at FROM crm_outbox
                 WHERE status = 'pending' AND last_error IS NOT NULL
                 ORDER BY updated_at DESC, id DESC LIMIT ?",
            ),
        ] {
            let found = self.driver.query(sql, values![ERRORS]).await?;
            errors.extend(found.iter().map(|row| LastError {
                table,
                id: row.int(0).unwrap_or_default(),
                party: row.string(1),
                status: row.string(2),
                error: row.string(3),
                at: Timestamp::from_millis(row.count(4)),
            }));
        }
        errors.sort_by(|a, b| b.at.cmp(&a.at).then(b.id.cmp(&a.id)));
        errors.truncate(ERRORS as usize);
        Ok(errors)
    }
}
