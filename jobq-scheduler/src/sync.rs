//! How a group is kept in step with what its schedulers declare. It decides, and writes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;
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

#[cfg(test)]
mod tests {
    use jobq_core::{JobId, JobRecord, Kind, Payload, QueueName};

    use super::*;
    use crate::schedule::Schedule;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn declared(stamp: u64, schedules: &[(&str, &str)]) -> Declared {
        let plan = |cron: &str| {
            let (queue, kind) = (QueueName::new("q").unwrap(), Kind::new("k").unwrap());
            let payload = Payload::encode(&()).unwrap();
            let record = JobRecord::new(JobId::from_bytes([0; 16]), queue, kind, payload);
            Schedule::cron(cron).record(record).plan().unwrap()
        };
        let named =
            schedules.iter().map(|(name, cron)| (ScheduleName::new(name).unwrap(), plan(cron)));
        Declared { stamp, plans: named.collect() }
    }

    /// Lets one scheduler put right what it has to, while others live; says how many changes it made.
    fn sync(entries: &mut Entries, mine: &Declared, living: &[&Declared], now: Timestamp) -> usize {
        let words: Vec<_> = living.iter().map(|one| one.word()).collect();
        let changes = reconcile(entries, &words, mine, now).changes;
        for change in &changes {
            match change {
                Change::Put(name, bytes) => entries.entries.insert(name.clone(), bytes.clone()),
                Change::Remove(name) => entries.entries.remove(name),
            };
        }
        changes.len()
    }

    fn names(entries: &Entries) -> Vec<String> {
        let present = definitions(entries).filter(|(_, _, it)| it.removed_at.is_none());
        present.map(|(_, name, _)| name.to_string()).collect()
    }

    #[test]
    fn nothing_is_removed_while_it_is_not_known_what_somebody_declares() {
        let (old, new) =
            (declared(1, &[("a", "@daily"), ("b", "@daily")]), declared(2, &[("a", "@daily")]));
        let mut entries = Entries::default();
        sync(&mut entries, &old, &[&old], NOW);
        let starting = declared(1, &[("b", "@daily"), ("c", "@daily")]);

        sync(&mut entries, &new, &[&new, &starting], NOW);
        assert_eq!(names(&entries), ["a", "b"]);
        sync(&mut entries, &new, &[&new], NOW);
        assert_eq!(names(&entries), ["a"]);
    }

    #[test]
    fn who_has_done_it_has_nothing_more_to_do() {
        let (old, new) =
            (declared(1, &[("a", "@daily"), ("b", "@daily")]), declared(2, &[("a", "@hourly")]));
        let mut entries = Entries::default();
        for living in [&[&old][..], &[&old, &new], &[&new], &[&new, &old], &[&old]] {
            for mine in living {
                sync(&mut entries, mine, living, NOW);
            }
            for mine in living {
                assert_eq!(sync(&mut entries, mine, living, NOW), 0);
            }
        }
        assert_eq!(names(&entries), ["a", "b"]);
    }

    #[test]
    fn what_was_removed_is_remembered_for_a_day() {
        let (old, new) = (declared(1, &[("a", "@daily")]), declared(2, &[]));
        let mut entries = Entries::default();
        sync(&mut entries, &old, &[&old], NOW);
        sync(&mut entries, &new, &[&new], NOW);
        assert_eq!(definitions(&entries).count(), 1);
        assert_eq!(sync(&mut entries, &new, &[&new], NOW + REMEMBERED), 0);

        let later = NOW + REMEMBERED + Duration::from_millis(1);
        let plans = reconcile(&entries, &[new.word()], &new, later);
        assert_eq!((plans.changes.len(), plans.forgotten.len()), (1, 1));
    }

    #[test]
    fn an_entry_that_is_not_understood_is_left_alone() {
        let mine = declared(1, &[("a", "@daily")]);
        let mut entries = Entries::default();
        entries.entries.insert("s:a".into(), b"from the future".to_vec());
        sync(&mut entries, &mine, &[&mine], NOW);

        assert_eq!(entries.entries["s:a"], b"from the future");
        assert_eq!(sync(&mut entries, &mine, &[&mine], NOW), 0);
    }
}
