//! How a group is kept in step with what its schedulers declare. It decides, and writes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jobq_core::schedules::{Change, Entries};
use jobq_core::{ScheduleName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::definition::{Definition, Digest, Plan, Source, digest, encoded};

/// For how long it is remembered that a schedule was removed.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// In a group's entries, schedules and declarations are told apart by their first letters.
pub(crate) const SCHEDULE: &str = "s:";
const DECLARATION: &str = "d:";

/// All that the code of one scheduler declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Grows with each deployment.
    pub(crate) stamp: u64,
    pub(crate) plans: BTreeMap<ScheduleName, Plan>,
}

/// What others are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Declaration {
    stamp: u64,
    names: BTreeMap<String, Digest>,
}

impl Declared {
    fn declaration(&self) -> Declaration {
        let names = self.plans.iter().map(|(name, plan)| (name.to_string(), plan.digest()));
        Declaration { stamp: self.stamp, names: names.collect() }
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

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    pub(crate) changes: Vec<Change>,
    /// Schedules that are forgotten for good, with the definition whose mark goes with them.
    pub(crate) forgotten: Vec<(ScheduleName, Definition)>,
    /// Names that code declares and an operator has taken.
    pub(crate) taken: Vec<ScheduleName>,
}

/// What a scheduler that declares `mine` has to change in its group, of which schedulers with `words` live.
pub(crate) fn reconcile(
    entries: &Entries,
    words: &[String],
    mine: &Declared,
    now: Timestamp,
) -> Plans {
    let my_word = mine.word();
    let my_declaration = mine.declaration();
    let mut plans = Plans::default();
    let mut living = vec![my_declaration.clone()];
    let mut all_are_known = true;
    for word in words.iter().filter(|word| **word != my_word) {
        let entry = entries.entries.get(&format!("{DECLARATION}{word}"));
        match entry.and_then(|bytes| rmp_serde::from_slice(bytes).ok()) {
            Some(declaration) => living.push(declaration),
            None => all_are_known = false,
        }
    }

    if !entries.entries.contains_key(&format!("{DECLARATION}{my_word}")) {
        let change = Change::Put(format!("{DECLARATION}{my_word}"), encoded(&my_declaration));
        plans.changes.push(change);
    }
    for name in entries.entries.keys() {
        let word = name.strip_prefix(DECLARATION);
        let lives = |word: &str| word == my_word || words.iter().any(|known| known == word);
        if word.is_some_and(|word| !lives(word)) {
            plans.changes.push(Change::Remove(name.clone()));
        }
    }
    for (name, plan) in &mine.plans {
        let key = format!("{SCHEDULE}{name}");
        let known = entries.entries.get(&key).map(|bytes| Definition::decode(bytes));
        let definition = match known {
            None => Definition::new(plan.clone(), Source::Code, now),
            // A newer version has written it, which lives or will come back.
            Some(Err(_)) => continue,
            Some(Ok(known)) if known.source == Source::Operator => {
                plans.taken.push(name.clone());
                continue;
            }
            Some(Ok(known)) => {
                let wanted = newest(&living, name);
                let stays = known.removed_at.is_none() && wanted.contains(&known.plan.digest());
                if stays || !wanted.contains(&plan.digest()) {
                    continue;
                }
                known.changed(plan.clone(), now)
            }
        };
        plans.changes.push(Change::Put(key, definition.encode()));
    }
    for (key, name, definition) in definitions(entries) {
        match definition.removed_at {
            Some(removed_at) if now.since(removed_at) > REMEMBERED => {
                if !mine.plans.contains_key(&name) {
                    plans.changes.push(Change::Remove(key));
                    plans.forgotten.push((name, definition));
                }
            }
            Some(_) => {}
            None => {
                let declares = |one: &Declaration| one.names.contains_key(name.as_str());
                if definition.source == Source::Code
                    && all_are_known
                    && !living.iter().any(declares)
                {
                    let removed = Definition { removed_at: Some(now), ..definition };
                    plans.changes.push(Change::Put(key, removed.encode()));
                }
            }
        }
    }
    plans
}

/// All definitions among entries that can be read, those that were removed too.
pub(crate) fn definitions(
    entries: &Entries,
) -> impl Iterator<Item = (String, ScheduleName, Definition)> {
    entries.entries.iter().filter_map(|(key, bytes)| {
        let name = ScheduleName::new(key.strip_prefix(SCHEDULE)?).ok()?;
        Some((key.clone(), name, Definition::decode(bytes).ok()?))
    })
}

/// The plans of a schedule that those declare whose stamp is the greatest.
fn newest(living: &[Declaration], name: &ScheduleName) -> Vec<Digest> {
    let declared = living
        .iter()
        .filter_map(|one| one.names.get(name.as_str()).map(|digest| (one.stamp, *digest)));
    let Some(stamp) = declared.clone().map(|(stamp, _)| stamp).max() else {
        return Vec::new();
    };
    declared.filter(|(its, _)| *its == stamp).map(|(_, digest)| digest).collect()
}
