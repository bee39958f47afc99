//! What schedulers declare, and how a group's entries are told apart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

use jobq_core::ScheduleName;
use jobq_core::schedules::Entries;
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, Digest, Plan, digest, encoded};

/// In a group's entries, schedules and declarations are told apart by their first letters.
pub(crate) const SCHEDULE: &str = "s:";
pub(crate) const DECLARATION: &str = "d:";

/// All that the code of one scheduler declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Grows with each deployment.
    pub(crate) stamp: u64,
    /// The name of the program.
    pub(crate) program: String,
    pub(crate) plans: BTreeMap<ScheduleName, Plan>,
}

/// What others are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declaration {
    pub(crate) stamp: u64,
    #[serde(default)]
    pub(crate) program: String,
    pub(crate) names: BTreeMap<String, Digest>,
}

impl Declaration {
    pub(crate) fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

impl Declared {
    pub(crate) fn declaration(&self) -> Declaration {
        let names = self.plans.iter().map(|(name, plan)| (name.to_string(), plan.digest()));
        let (stamp, program) = (self.stamp, self.program.clone());
        Declaration { stamp, program, names: names.collect() }
    }

    /// A number for those who declare this.
    pub(crate) fn number(&self) -> u64 {
        let digest = digest(&self.declaration());
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The word by which a scheduler that declares this is known to others.
    pub(crate) fn word(&self) -> String {
        digest(&self.declaration()).iter().fold(String::new(), |mut word, byte| {
            // To write into a text cannot fail.
            let _ = write!(word, "{byte:02x}");
            word
        })
    }
}

/// Whether one of those who live declares a schedule, or may, as it is not known what it declares.
pub(crate) fn is_declared(entries: &Entries, words: &[String], name: &ScheduleName) -> bool {
    words.iter().any(|word| {
        let bytes = entries.entries.get(&format!("{DECLARATION}{word}"));
        let declaration = bytes.and_then(|bytes| Declaration::decode(bytes));
        declaration.is_none_or(|declaration| declaration.names.contains_key(name.as_str()))
    })
}

/// Those of the entries that should be definitions and cannot be read.
pub(crate) fn unreadable(entries: &Entries) -> impl Iterator<Item = &str> {
    let schedules = entries.entries.iter().filter(|(key, _)| key.starts_with(SCHEDULE));
    let unreadable = schedules.filter(|(_, bytes)| Definition::decode(bytes).is_err());
    unreadable.map(|(key, _)| key.as_str())
}

/// All definitions among entries that can be read, those that were removed too.
pub(crate) fn definitions(
    entries: &Entries,
) -> impl Iterator<Item = (String, ScheduleName, Definition)> {
    definitions_after(entries, None)
}

/// Those of them whose names come after one.
pub(crate) fn definitions_after<'a>(
    entries: &'a Entries,
    after: Option<&ScheduleName>,
) -> impl Iterator<Item = (String, ScheduleName, Definition)> + use<'a> {
    let after = after.map_or_else(|| SCHEDULE.to_owned(), |name| format!("{SCHEDULE}{name}"));
    let later = (Bound::Excluded(after), Bound::Unbounded);
    entries.entries.range(later).filter_map(|(key, bytes)| {
        let name = ScheduleName::new(key.strip_prefix(SCHEDULE)?).ok()?;
        Some((key.clone(), name, Definition::decode(bytes).ok()?))
    })
}
