//! The one job of this system: sync one record, one way.

use jobq_core::Job;
use serde::{Deserialize, Serialize};

use crate::entity::{Direction, Entity};
use crate::ids::{RecordId, RecordKey, StoreId};

/// Syncs one record one way, with one request to the CRM.
///
/// While an equal one waits, a second one adds nothing. Each store is a lane: the queue's limits for each
/// lane are the limits of each store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.sync_record",
    queue = "crm-sync",
    max_attempts = 3,
    max_crashes = 10,
    timeout = "60s",
    backoff = "exponential(2s..10m)",
    unique(store, entity, record, direction),
    unique_mode = "until_started",
    lane = store
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct SyncRecord {
    /// Whose record it is, and whose budget of requests it takes from.
    pub store: StoreId,
    /// What it is.
    pub entity: Entity,
    /// Its number.
    pub record: RecordId,
    /// Which way.
    pub direction: Direction,
}

impl SyncRecord {
    /// The job that syncs a record.
    #[must_use]
    pub const fn new(key: RecordKey, direction: Direction) -> Self {
        Self { store: key.store, entity: key.entity, record: key.record, direction }
    }

    /// The record it is about.
    #[must_use]
    pub const fn key(&self) -> RecordKey {
        RecordKey { store: self.store, entity: self.entity, record: self.record }
    }
}

/// Why a record is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each has its priority")]
pub enum Reason {
    /// It was made a moment ago.
    Created,
    /// It was changed a moment ago.
    Updated,
    /// Everything is synced.
    FullSync,
    /// Somebody asked for it.
    Asked,
}

impl Reason {
    /// What goes first: the highest.
    #[must_use]
    pub const fn priority(self, entity: Entity) -> u8 {
        match self {
            Self::Created => 10,
            Self::Updated => 5,
            Self::FullSync => 0,
            Self::Asked => entity.priority(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(record: u64, direction: Direction) -> SyncRecord {
        let (store, record) = (StoreId::new(7).unwrap(), RecordId::new(record).unwrap());
        SyncRecord { store, entity: Entity::Customer, record, direction }
    }

    #[test]
    fn the_key_is_of_store_entity_record_and_direction() {
        let key = |job: SyncRecord| job.unique_key().unwrap().unwrap();

        assert_eq!(key(job(1, Direction::ToCrm)), key(job(1, Direction::ToCrm)));
        assert_ne!(key(job(1, Direction::ToCrm)), key(job(1, Direction::FromCrm)));
        assert_ne!(key(job(1, Direction::ToCrm)), key(job(2, Direction::ToCrm)));
    }

    #[test]
    fn the_lane_is_the_store() {
        let lane = job(1, Direction::ToCrm).lane_key().unwrap().unwrap();

        assert_eq!(lane.as_str(), "7");
    }

    #[test]
    fn what_has_just_happened_goes_before_what_is_synced_as_a_whole() {
        let priorities = |reason: Reason| Entity::ALL.map(|entity| reason.priority(entity));

        assert_eq!(priorities(Reason::Created), [10; 4]);
        assert_eq!(priorities(Reason::Updated), [5; 4]);
        assert_eq!(priorities(Reason::FullSync), [0; 4]);
        assert_eq!(priorities(Reason::Asked), [5, 2, 10, 10]);
    }
}
