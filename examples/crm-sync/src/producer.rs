//! How records come to be synced: the hooks that a store's program calls, and everything at once.

use std::time::Duration;

use jobq_core::{Enqueued, Queue, Rate};
use program::{Failure, InputFault};
use serde::Serialize;

use crate::db::{Account, Store};
use crate::entity::{Direction, Entity};
use crate::ids::{RecordKey, StoreId};
use crate::job::{Reason, SyncRecord};
use crate::limits::{DEFAULT_RATE, rate_of};
use crate::queue::Opened;

/// How many records are read and enqueued at a time.
const PAGE: u32 = 1_000;

/// Enqueues what is to be synced. Clones are the same.
#[derive(Clone, Debug)]
pub struct Producer {
    store: Store,
    queue: Opened,
}

/// What became of syncing all records of a store and entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FullSync {
    /// The store.
    pub store: StoreId,
    /// What is synced.
    pub entity: Entity,
    /// Which way.
    pub direction: Direction,
    /// How many records were enqueued.
    pub enqueued: u64,
    /// How many were waiting already.
    pub already_waiting: u64,
    /// How many requests the store's CRM allows.
    pub rate: String,
    /// How long the enqueued ones take at this rate, in minutes, rounded up.
    pub estimated_minutes: u64,
}

impl Producer {
    /// A producer for the stores in a database, into a queue.
    #[must_use]
    pub const fn new(store: Store, queue: Opened) -> Self {
        Self { store, queue }
    }

    /// A record was made: it goes to the CRM before everything else.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub async fn created(&self, key: RecordKey) -> Result<Enqueued, Failure> {
        self.sync(SyncRecord::new(key, Direction::ToCrm), Reason::Created).await
    }

    /// A record was changed: it goes to the CRM before what is synced as a whole.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub async fn updated(&self, key: RecordKey) -> Result<Enqueued, Failure> {
        self.sync(SyncRecord::new(key, Direction::ToCrm), Reason::Updated).await
    }

    /// Enqueues a record for a reason. While an equal job waits, nothing is added, and the answer names
    /// that job; it keeps its priority.
    ///
    /// # Errors
    ///
    /// When there is no such store, or the database or the queue fails. Whether there is such a record is
    /// found out when it is synced.
    pub async fn sync(&self, job: SyncRecord, reason: Reason) -> Result<Enqueued, Failure> {
        self.account(job.store).await?;
        let priority = reason.priority(job.entity);
        Ok(self.queue.backend.enqueue(job).priority(priority).await?)
    }

    /// Enqueues all records of an entity, of one store or of all, at the lowest priority.
    ///
    /// # Errors
    ///
    /// When there is no such store, or the database or the queue fails; what was enqueued until then
    /// stays, and doing it again adds none of it twice while it waits.
    pub async fn full_sync(
        &self,
        store: Option<StoreId>,
        entity: Entity,
        direction: Direction,
    ) -> Result<Vec<FullSync>, Failure> {
        let stores = match store {
            Some(store) => vec![self.account(store).await?],
            None => self.store.accounts().await?,
        };
        let mut done = Vec::with_capacity(stores.len());
        for account in stores {
            done.push(self.full_sync_of(account.store, entity, direction).await?);
        }
        Ok(done)
    }

    async fn full_sync_of(
        &self,
        store: StoreId,
        entity: Entity,
        direction: Direction,
    ) -> Result<FullSync, Failure> {
        let (mut enqueued, mut already_waiting, mut after) = (0, 0, 0);
        loop {
            let page = self.store.records_after((store, entity), direction, after, PAGE).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.as_u64();
            let jobs: Vec<SyncRecord> = page
                .into_iter()
                .map(|record| SyncRecord::new(RecordKey { store, entity, record }, direction))
                .collect();
            let priority = Reason::FullSync.priority(entity);
            let sum = self.queue.backend.enqueue_all(jobs).priority(priority).await?;
            enqueued += sum.created;
            already_waiting += sum.duplicates;
        }
        let rate = rate_of(&*self.queue.inspect, store).await?.unwrap_or(DEFAULT_RATE);
        Ok(FullSync {
            store,
            entity,
            direction,
            enqueued,
            already_waiting,
            rate: rate.to_string(),
            estimated_minutes: minutes(enqueued, rate),
        })
    }

    pub(crate) async fn account(&self, store: StoreId) -> Result<Account, Failure> {
        let found = self.store.account(store).await?;
        found.ok_or_else(|| {
            InputFault::new("unknown_store", format!("there is no store {store} in crm_stores"))
                .into()
        })
    }
}

/// How many minutes so many requests take, rounded up.
fn minutes(requests: u64, rate: Rate) -> u64 {
    const MINUTE: u128 = Duration::from_secs(60).as_millis();
    let ms = u128::from(requests) * rate.per.as_millis();
    u64::try_from(ms.div_ceil(u128::from(rate.count.max(1)) * MINUTE)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_sync_takes_what_the_limit_makes_it_take() {
        let minutes = |requests, rate: &str| minutes(requests, rate.parse().unwrap());

        assert_eq!([100, 1_000, 10_000].map(|n| minutes(n, "100/min")), [1, 10, 100]);
        assert_eq!(minutes(1_001, "100/min"), 11);
        assert_eq!(minutes(1_200, "20/s"), 1);
        assert_eq!(minutes(0, "100/min"), 0);
        assert_eq!(minutes(u64::MAX, "1/366d"), u64::MAX);
    }
}
