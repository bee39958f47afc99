//! The numbers of stores and records.

use std::fmt;
use std::str::FromStr;

use program::{InputFault, shown};
use serde::{Deserialize, Serialize};

use crate::entity::Entity;

/// The number of a store, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct StoreId(u32);

impl StoreId {
    /// The store with this number.
    ///
    /// # Errors
    ///
    /// For 0.
    pub fn new(number: u32) -> Result<Self, InputFault> {
        if number == 0 { Err(no_store("0")) } else { Ok(Self(number)) }
    }

    /// Its number.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

fn no_store(text: &str) -> InputFault {
    InputFault::new(
        "invalid_store",
        format!("{text:?} is no number of a store: a whole number from 1"),
    )
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for StoreId {
    type Err = InputFault;

    fn from_str(text: &str) -> Result<Self, InputFault> {
        text.parse().map_err(|_| no_store(&shown(text))).and_then(Self::new)
    }
}

impl TryFrom<u32> for StoreId {
    type Error = InputFault;

    fn try_from(number: u32) -> Result<Self, InputFault> {
        Self::new(number)
    }
}

impl From<StoreId> for u32 {
    fn from(store: StoreId) -> Self {
        store.0
    }
}

/// The number of a record within its store and entity, from 1 to what a `BIGINT` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct RecordId(u64);

impl RecordId {
    /// The record with this number.
    ///
    /// # Errors
    ///
    /// For 0, and above what the tables hold.
    pub fn new(number: u64) -> Result<Self, InputFault> {
        if number == 0 || i64::try_from(number).is_err() {
            return Err(no_record(&number.to_string()));
        }
        Ok(Self(number))
    }

    /// Its number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

fn no_record(text: &str) -> InputFault {
    InputFault::new(
        "invalid_record",
        format!("{text:?} is no number of a record: a whole number from 1"),
    )
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RecordId {
    type Err = InputFault;

    fn from_str(text: &str) -> Result<Self, InputFault> {
        text.parse().map_err(|_| no_record(&shown(text))).and_then(Self::new)
    }
}

impl TryFrom<u64> for RecordId {
    type Error = InputFault;

    fn try_from(number: u64) -> Result<Self, InputFault> {
        Self::new(number)
    }
}

impl From<RecordId> for u64 {
    fn from(record: RecordId) -> Self {
        record.0
    }
}

/// Names one record of all: a store, an entity and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a name is made of its parts")]
pub struct RecordKey {
    /// Whose it is.
    pub store: StoreId,
    /// What it is.
    pub entity: Entity,
    /// Its number.
    pub record: RecordId,
}

impl RecordKey {
    /// What the CRM is told to make a repeated creation the same one: it depends on the record alone, so
    /// it is the same for every attempt, every job and every program.
    #[must_use]
    pub fn idempotency_key(self) -> String {
        format!("crm-sync/{}/{}/{}", self.store, self.entity, self.record)
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of store {}", self.entity, self.record, self.store)
    }
}

/// How our records are called in a CRM that has a field for it: `customer/42`.
#[must_use]
pub fn reference(entity: Entity, record: RecordId) -> String {
    format!("{entity}/{record}")
}

/// The record that a [reference](reference()) names, if it is one of this entity.
#[must_use]
pub fn referenced(entity: Entity, reference: &str) -> Option<RecordId> {
    reference.strip_prefix(entity.as_str())?.strip_prefix('/')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_name_nothing_are_refused() {
        for text in ["0", "-1", "x", "", "4294967296", "1.5"] {
            assert_eq!(text.parse::<StoreId>().unwrap_err().code(), "invalid_store", "{text:?}");
        }
        for text in ["0", "-1", "x", "", "9223372036854775808"] {
            assert_eq!(text.parse::<RecordId>().unwrap_err().code(), "invalid_record", "{text:?}");
        }
        assert_eq!("9223372036854775807".parse::<RecordId>().unwrap().as_u64(), i64::MAX as u64);
    }

    #[test]
    fn references_are_read_back_for_their_entity_alone() {
        let record = RecordId::new(42).unwrap();
        let text = reference(Entity::Customer, record);

        assert_eq!(text, "customer/42");
        assert_eq!(referenced(Entity::Customer, &text), Some(record));
        assert_eq!(referenced(Entity::Product, &text), None);
        assert_eq!(referenced(Entity::Customer, "customer/-1"), None);
    }
}
