//! The records of all accounts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// As which CRM the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the server speaks as these two")]
pub enum Brand {
    /// See [`crm`](crate::crm).
    Tide,
    /// See [`crm`](crate::crm).
    Harbor,
}

impl fmt::Display for Brand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tide => "tide",
            Self::Harbor => "harbor",
        })
    }
}

/// An account: a CRM and a store.
pub(super) type AccountKey = (Brand, u32);

/// A record.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Remote {
    /// The sort of record: a collection of Tide, a type of Harbor.
    pub sort: String,
    /// How the store calls it. Nothing keeps two records from being called the same: that is a
    /// duplicate.
    pub reference: String,
    /// What it says.
    pub body: Value,
}

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Requests that have come.
    pub requests: u64,
    /// Records.
    pub records: u64,
    /// Records beyond the first that a store calls the same.
    pub duplicates: u64,
    /// Creations that were the same as an earlier one by their key.
    pub repeated_creations: u64,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    records: BTreeMap<(AccountKey, String), Remote>,
    /// What a key has created.
    keys: HashMap<(AccountKey, String), String>,
    last_id: u64,
    repeated_creations: u64,
}

impl Books {
    /// Adds a record, or finds the one that its key has added before. Gives its id, and whether it is new.
    pub(super) fn create(
        &mut self,
        account: AccountKey,
        key: Option<String>,
        remote: Remote,
    ) -> (String, bool) {
        if let Some(id) = key.as_ref().and_then(|key| self.keys.get(&(account, key.clone()))) {
            self.repeated_creations += 1;
            return (id.clone(), false);
        }
        self.last_id += 1;
        let id = match account.0 {
            Brand::Tide => format!("t-{:06}", self.last_id),
            Brand::Harbor => self.last_id.to_string(),
        };
        if let Some(key) = key {
            self.keys.insert((account, key), id.clone());
        }
        self.records.insert((account, id.clone()), remote);
        (id, true)
    }

    pub(super) fn get(&self, account: AccountKey, id: &str) -> Option<&Remote> {
        self.records.get(&(account, id.to_owned()))
    }

    pub(super) fn get_mut(&mut self, account: AccountKey, id: &str) -> Option<&mut Remote> {
        self.records.get_mut(&(account, id.to_owned()))
    }

    pub(super) fn edit(
        &mut self,
        brand: Brand,
        store: u32,
        id: &str,
        edit: impl FnOnce(&mut Value),
    ) -> bool {
        let remote = self.get_mut((brand, store), id);
        remote.map(|remote| edit(&mut remote.body)).is_some()
    }

    pub(super) fn called(
        &self,
        brand: Brand,
        store: u32,
        reference: &str,
    ) -> Vec<(String, Remote)> {
        self.records
            .iter()
            .filter(|((account, _), remote)| {
                *account == (brand, store) && remote.reference == reference
            })
            .map(|((_, id), remote)| (id.clone(), remote.clone()))
            .collect()
    }

    pub(super) fn forget_keys(&mut self) {
        self.keys.clear();
    }

    pub(super) fn summary(&self, requests: u64) -> Summary {
        let mut names = BTreeMap::<_, u64>::new();
        for ((account, _), remote) in &self.records {
            *names.entry((account, &remote.reference)).or_default() += 1;
        }
        Summary {
            requests,
            records: self.records.len() as u64,
            duplicates: names.values().map(|count| count - 1).sum(),
            repeated_creations: self.repeated_creations,
        }
    }
}
