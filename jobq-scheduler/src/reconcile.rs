//! How a group is kept in step with what its schedulers declare. It decides, and writes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use jobq_core::schedules::{Change, Entries};
use jobq_core::{ScheduleName, Timestamp};

use crate::definition::{Definition, Digest, Plan, Source};
use crate::sync::{DECLARATION, Declaration, Declared, SCHEDULE, definitions, unreadable};

/// For how long it is remembered that a schedule was removed.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// When a scheduler looks, and how much it has seen before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// The store's time.
    pub(crate) now: Timestamp,
    /// Since when it has looked so often that nobody who lives can have escaped it.
    pub(crate) since: Timestamp,
    /// For how long nobody may have declared what it removes.
    pub(crate) patience: Duration,
}

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    pub(crate) changes: Vec<Change>,
    /// Schedules that are forgotten for good, with the definition whose mark goes with them.
    pub(crate) forgotten: Vec<(ScheduleName, Definition)>,
    /// Names that code declares and an operator has taken.
    pub(crate) taken: Vec<ScheduleName>,
    /// Names that others declare differently who are no older or newer version, each with their program.
    pub(crate) contested: Vec<(ScheduleName, String)>,
    /// Entries that were written in a form that is not understood here.
    pub(crate) unreadable: Vec<String>,
    /// When there is more to do, should nothing change until then.
    pub(crate) due_at: Option<Timestamp>,
}

/// What a scheduler that declares `mine` has to change in its group, of which schedulers with `words` live.
pub(crate) fn reconcile(
    entries: &Entries,
    words: &[String],
    mine: &Declared,
    watch: Watch,
) -> Plans {
    let group = Group::of(entries, words, mine, watch);
    let mut plans = Plans::default();
    group.put_declarations(entries, words, &mut plans);
    plans.contested = group.contested();
    plans.unreadable = unreadable(entries).map(ToOwned::to_owned).collect();
    let mut known: BTreeSet<ScheduleName> = BTreeSet::new();
    for (key, name, definition) in definitions(entries) {
        let next = match (definition.removed_at, definition.source) {
            (Some(removed_at), _) => group.removed(&name, &definition, removed_at, &mut plans),
            (None, Source::Operator) => {
                if mine.plans.contains_key(&name) {
                    plans.taken.push(name.clone());
                }
                Some(definition.clone())
            }
            (None, Source::Code) => Some(group.declared(&name, &definition, &mut plans)),
        };
        match next {
            Some(next) => {
                let next = next.not_ahead_of(watch.now);
                if next != definition {
                    plans.changes.push(Change::Put(key, next.encode()));
                }
            }
            None => {
                plans.changes.push(Change::Remove(key));
                plans.forgotten.push((name.clone(), definition));
            }
        }
        known.insert(name);
    }
    for (name, plan) in mine.plans.iter().filter(|(name, _)| !known.contains(name)) {
        let key = format!("{SCHEDULE}{name}");
        // What is there and cannot be read was written by a newer version, which lives or will come back.
        if !entries.entries.contains_key(&key) {
            let definition = Definition::new(plan.clone(), Source::Code, watch.now);
            let definition = Definition { stamp: mine.stamp, ..definition };
            plans.changes.push(Change::Put(key, definition.encode()));
        }
    }
    plans
}

/// A group as one of its schedulers sees it.
struct Group<'a> {
    mine: &'a Declared,
    living: Vec<Declaration>,
    /// Whether it is known what all who live declare.
    all_are_known: bool,
    watch: Watch,
}

impl<'a> Group<'a> {
    fn of(entries: &Entries, words: &[String], mine: &'a Declared, watch: Watch) -> Self {
        let my_word = mine.word();
        let mut group = Self { mine, living: vec![mine.declaration()], all_are_known: true, watch };
        for word in words.iter().filter(|word| **word != my_word) {
            let entry = entries.entries.get(&format!("{DECLARATION}{word}"));
            match entry.and_then(|bytes| Declaration::decode(bytes)) {
                Some(declaration) => group.living.push(declaration),
                None => group.all_are_known = false,
            }
        }
        group
    }

    /// Adds what it declares itself, and removes what the dead have.
    fn put_declarations(&self, entries: &Entries, words: &[String], plans: &mut Plans) {
        let my_word = self.mine.word();
        let mine = format!("{DECLARATION}{my_word}");
        if !entries.entries.contains_key(&mine) {
            plans.changes.push(Change::Put(mine, self.mine.declaration().encode()));
        }
        for name in entries.entries.keys() {
            let word = name.strip_prefix(DECLARATION);
            let lives = |word: &str| word == my_word || words.iter().any(|known| known == word);
            if word.is_some_and(|word| !lives(word)) {
                plans.changes.push(Change::Remove(name.clone()));
            }
        }
    }

    /// Names that somebody else uses for something else, by the look of it: two services in one group.
    fn contested(&self) -> Vec<(ScheduleName, String)> {
        let others =
            self.living.iter().skip(1).filter(|other| {
                other.stamp == self.mine.stamp || other.program != self.mine.program
            });
        let names = others.flat_map(|other| {
            let plans = self.mine.plans.iter();
            let differs = plans.filter(|(name, plan)| {
                other.names.get(name.as_str()).is_some_and(|digest| *digest != plan.digest())
            });
            differs.map(|(name, _)| (name.clone(), other.program.clone()))
        });
        names.collect()
    }

    /// What becomes of a schedule that was removed, by whomever; `None` if it is forgotten.
    fn removed(
        &self,
        name: &ScheduleName,
        known: &Definition,
        removed_at: Timestamp,
        plans: &mut Plans,
    ) -> Option<Definition> {
        let forget_at = removed_at + REMEMBERED + Duration::from_millis(1);
        match self.mine.plans.get(name) {
            Some(plan) if self.wanted(name).includes(plan) => {
                Some(self.put(plan, known, self.watch.now))
            }
            None if self.watch.now >= forget_at => None,
            None => {
                plans.is_due(forget_at);
                Some(known.clone())
            }
            Some(_) => Some(known.clone()),
        }
    }

    /// What becomes of a schedule from code.
    fn declared(&self, name: &ScheduleName, known: &Definition, plans: &mut Plans) -> Definition {
        let now = self.watch.now;
        let wanted = self.wanted(name);
        if wanted.includes(&known.plan) {
            // After a version was taken back, the stamp is that of those who are left.
            let stamp = known.stamp.min(wanted.stamp);
            return Definition { unclaimed_since: None, stamp, ..known.clone() };
        }
        let mine = self.mine.plans.get(name).filter(|plan| wanted.includes(plan));
        if let Some(plan) = mine.filter(|_| self.mine.stamp >= known.stamp) {
            return self.put(plan, known, now);
        }
        if !self.all_are_known {
            return known.clone();
        }
        let since = known.unclaimed_since.filter(|since| *since <= now).unwrap_or(now);
        let until = since.max(self.watch.since) + self.watch.patience;
        match mine {
            _ if now < until => {
                plans.is_due(until);
                Definition { unclaimed_since: Some(since), ..known.clone() }
            }
            // From when on the other one has not been run.
            Some(plan) => self.put(plan, known, since),
            None if wanted.plans.is_empty() => {
                Definition { unclaimed_since: None, removed_at: Some(now), ..known.clone() }
            }
            None => Definition { unclaimed_since: Some(since), ..known.clone() },
        }
    }

    fn put(&self, plan: &Plan, known: &Definition, since: Timestamp) -> Definition {
        let stamp = self.mine.stamp;
        Definition { source: Source::Code, stamp, ..known.changed(plan.clone(), since) }
    }

    /// What those declare under a name whose stamp is the greatest.
    fn wanted(&self, name: &ScheduleName) -> Wanted {
        let declared = self
            .living
            .iter()
            .filter_map(|one| one.names.get(name.as_str()).map(|digest| (one.stamp, *digest)));
        let stamp = declared.clone().map(|(stamp, _)| stamp).max().unwrap_or(0);
        let plans = declared.filter(|(its, _)| *its == stamp).map(|(_, digest)| digest).collect();
        Wanted { stamp, plans }
    }
}

struct Wanted {
    stamp: u64,
    plans: Vec<Digest>,
}

impl Wanted {
    fn includes(&self, plan: &Plan) -> bool {
        self.plans.contains(&plan.digest())
    }
}

impl Plans {
    fn is_due(&mut self, at: Timestamp) {
        self.due_at = Some(self.due_at.map_or(at, |due_at| due_at.min(at)));
    }
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
        Declared { stamp, plans: named.collect(), ..Declared::default() }
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Of one that has looked for long.
    fn watch(now: Timestamp) -> Watch {
        Watch { now, since: Timestamp::EPOCH, patience: PATIENCE }
    }

    /// Lets one scheduler put right what it has to, while others live; says how many changes it made.
    fn sync(entries: &mut Entries, mine: &Declared, living: &[&Declared], now: Timestamp) -> usize {
        let words: Vec<_> = living.iter().map(|one| one.word()).collect();
        let changes = reconcile(entries, &words, mine, watch(now)).changes;
        for change in &changes {
            match change {
                Change::Put(name, bytes) => entries.entries.insert(name.clone(), bytes.clone()),
                Change::Remove(name) => entries.entries.remove(name),
            };
        }
        changes.len()
    }

    fn names(entries: &Entries) -> Vec<String> {
        let present = definitions(entries).filter(|(_, _, it)| it.is_run());
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
        assert_eq!(names(&entries), ["b"], "a waits for the newer version");
    }

    #[test]
    fn what_nobody_declares_rests_and_is_removed_when_that_has_lasted() {
        let (old, new) = (declared(1, &[("a", "@daily")]), declared(2, &[]));
        let mut entries = Entries::default();
        sync(&mut entries, &old, &[&old], NOW);
        let definition = |entries: &Entries| definitions(entries).next().unwrap().2;
        let before = definition(&entries);

        sync(&mut entries, &new, &[&new], NOW);
        assert_eq!(definition(&entries).unclaimed_since, Some(NOW));
        let plans = reconcile(&entries, &[new.word()], &new, watch(NOW + PATIENCE / 2));
        assert_eq!((plans.changes.len(), plans.due_at), (0, Some(NOW + PATIENCE)));
        sync(&mut entries, &old, &[&old, &new], NOW + PATIENCE / 2);
        assert_eq!(definition(&entries), before, "who comes back finds it as it was");

        sync(&mut entries, &new, &[&new], NOW + PATIENCE);
        let late = Watch { since: NOW + PATIENCE * 2, ..watch(NOW + PATIENCE * 2) };
        let plans = reconcile(&entries, &[new.word()], &new, late);
        assert_eq!(plans.changes, [], "who has only just come has to see it for himself");
        sync(&mut entries, &new, &[&new], NOW + PATIENCE * 2);
        assert_eq!(definition(&entries).removed_at, Some(NOW + PATIENCE * 2));
    }

    #[test]
    fn a_newer_version_that_is_gone_is_waited_for() {
        let (old, new) = (declared(1, &[("a", "@daily")]), declared(2, &[("a", "@hourly")]));
        let mut entries = Entries::default();
        sync(&mut entries, &new, &[&new], NOW);
        let definition = |entries: &Entries| definitions(entries).next().unwrap().2;
        let before = definition(&entries);

        sync(&mut entries, &old, &[&old], NOW + PATIENCE);
        assert_eq!(names(&entries), [""; 0], "neither is run meanwhile");
        sync(&mut entries, &new, &[&old, &new], NOW + PATIENCE * 2 - Duration::from_millis(1));
        assert_eq!(definition(&entries), before);
        sync(&mut entries, &old, &[&old], NOW + PATIENCE * 2);
        sync(&mut entries, &old, &[&old], NOW + PATIENCE * 3);
        let after = definition(&entries);
        assert_eq!(
            (after.plan == old.plans[&ScheduleName::new("a").unwrap()], after.stamp),
            (true, 1)
        );
        assert_eq!(after.since, NOW + PATIENCE * 2, "from when the newer one was gone");
    }

    #[test]
    fn what_an_operator_has_removed_is_the_codes_again() {
        let mine = declared(1, &[("a", "@daily")]);
        let plan = declared(0, &[("a", "@hourly")]).plans.into_values().next().unwrap();
        let theirs = Definition::new(plan, Source::Operator, NOW);
        let mut entries = Entries::default();
        entries.entries.insert("s:a".into(), theirs.encode());
        let plans = reconcile(&entries, &[mine.word()], &mine, watch(NOW));
        assert_eq!(plans.taken.len(), 1);

        let removed = Definition { removed_at: Some(NOW), ..theirs };
        entries.entries.insert("s:a".into(), removed.encode());
        sync(&mut entries, &mine, &[&mine], NOW + PATIENCE);
        let (_, _, definition) = definitions(&entries).next().unwrap();
        assert_eq!((definition.source, definition.removed_at), (Source::Code, None));
        assert_eq!(definition.since, NOW + PATIENCE);
    }

    #[test]
    fn a_definition_that_is_ahead_of_the_clock_is_brought_back() {
        let mine = declared(1, &[("a", "@daily")]);
        let mut entries = Entries::default();
        sync(&mut entries, &mine, &[&mine], NOW + REMEMBERED);
        assert_eq!(sync(&mut entries, &mine, &[&mine], NOW), 1);

        assert_eq!(definitions(&entries).next().unwrap().2.since, NOW);
    }

    #[test]
    fn two_services_in_one_group_are_noticed_and_two_versions_are_not() {
        let program = |stamp, cron, program: &str| Declared {
            program: program.to_owned(),
            ..declared(stamp, &[("prune", cron)])
        };
        let mine = program(1, "@daily", "shop");
        let contested = |other: Declared| {
            let mut entries = Entries::default();
            sync(&mut entries, &other, &[&other], NOW);
            let plans = reconcile(&entries, &[other.word()], &mine, watch(NOW));
            let told = plans.contested.into_iter().map(|(name, other)| format!("{name}: {other}"));
            told.collect::<Vec<_>>()
        };

        assert_eq!(contested(program(2, "@hourly", "billing")), ["prune: billing"]);
        assert_eq!(contested(program(1, "@hourly", "shop")), ["prune: shop"]);
        assert_eq!(contested(program(2, "@hourly", "shop")), Vec::<String>::new());
        assert_eq!(contested(program(2, "@daily", "billing")), Vec::<String>::new());
    }

    #[test]
    fn what_was_removed_is_remembered_for_a_day() {
        let (old, new) = (declared(1, &[("a", "@daily")]), declared(2, &[]));
        let mut entries = Entries::default();
        sync(&mut entries, &old, &[&old], NOW);
        sync(&mut entries, &new, &[&new], NOW);
        sync(&mut entries, &new, &[&new], NOW + PATIENCE);
        assert_eq!(definitions(&entries).count(), 1);
        assert_eq!(sync(&mut entries, &new, &[&new], NOW + PATIENCE + REMEMBERED), 0);

        let later = NOW + PATIENCE + REMEMBERED + Duration::from_millis(1);
        let plans = reconcile(&entries, &[new.word()], &new, watch(later));
        assert_eq!((plans.changes.len(), plans.forgotten.len()), (1, 1));
    }

    #[test]
    fn an_entry_that_is_not_understood_is_left_alone() {
        let mine = declared(1, &[("a", "@daily")]);
        let mut entries = Entries::default();
        entries.entries.insert("s:a".into(), b"from the future".to_vec());
        sync(&mut entries, &mine, &[&mine], NOW);

        assert_eq!(entries.entries["s:a"], b"from the future");
        let plans = reconcile(&entries, &[mine.word()], &mine, watch(NOW));
        assert_eq!(plans.unreadable, ["s:a"]);
        assert_eq!(sync(&mut entries, &mine, &[&mine], NOW), 0);
    }
}
