//! Jobs that wait for a worker, in the order in which they will be leased.

use std::collections::BTreeMap;

use crate::id::JobId;
use crate::priority::Priority;

/// Jobs by priority, and within one in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Line(BTreeMap<Position, JobId>);

/// A place in a line, by which a job in the middle can be taken out without a search. What goes first
/// is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

/// Below the level there is room for this many pushes to the front, and as many to the back.
const MIDDLE: u64 = 1 << 59;

impl Position {
    const fn middle(priority: Priority) -> Self {
        Self(Self::first(priority).0 | MIDDLE)
    }

    const fn first(priority: Priority) -> Self {
        Self(((Priority::HIGHEST.level() - priority.level()) as u64) << 60)
    }

    const fn last(priority: Priority) -> Self {
        Self(Self::first(priority).0 | ((1 << 60) - 1))
    }

    fn priority(self) -> Priority {
        let below_highest = u8::try_from(self.0 >> 60).unwrap_or(u8::MAX);
        Priority::constant(Priority::HIGHEST.level().saturating_sub(below_highest))
    }
}

impl Line {
    pub(super) fn push_back(&mut self, priority: Priority, id: JobId) -> Position {
        let mut level = self.0.range(Position::first(priority)..=Position::last(priority));
        let last = level.next_back().map(|(last, _)| Position(last.0 + 1));
        let position = last.unwrap_or_else(|| Position::middle(priority));
        self.0.insert(position, id);
        position
    }

    pub(super) fn push_front(&mut self, priority: Priority, id: JobId) -> Position {
        let mut level = self.0.range(Position::first(priority)..=Position::last(priority));
        let first = level.next().map(|(first, _)| Position(first.0 - 1));
        let position = first.unwrap_or_else(|| Position::middle(priority));
        self.0.insert(position, id);
        position
    }

    /// The job that goes first.
    pub(super) fn first(&self) -> Option<(Position, JobId)> {
        self.0.first_key_value().map(|(position, id)| (*position, *id))
    }

    /// The priority of the job that goes first.
    pub(super) fn level(&self) -> Option<Priority> {
        self.first().map(|(position, _)| position.priority())
    }

    pub(super) fn remove(&mut self, position: Position) {
        self.0.remove(&position);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = JobId> {
        self.0.values().copied()
    }

    /// The first job of each priority that has one.
    pub(super) fn heads(&self) -> impl Iterator<Item = JobId> {
        let mut next = self.0.first_key_value();
        std::iter::from_fn(move || {
            let (position, id) = next?;
            next = self.0.range(Position::last(position.priority())..).next();
            Some(*id)
        })
    }

    /// How many jobs go before the one at a position. Counts them.
    pub(super) fn ahead_of(&self, position: Position) -> usize {
        self.0.range(..position).count()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> JobId {
        JobId::from_bytes([n; 16])
    }

    #[test]
    fn jobs_go_by_priority_and_then_as_they_came() {
        let mut line = Line::default();
        for (level, n) in [(0, 4), (15, 1), (0, 5), (7, 3)] {
            line.push_back(Priority::constant(level), id(n));
        }
        line.push_front(Priority::constant(7), id(2));

        assert_eq!(line.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(id));
        assert_eq!(line.heads().collect::<Vec<_>>(), [1, 2, 4].map(id));
        assert_eq!(line.level(), Some(Priority::HIGHEST));
    }

    #[test]
    fn a_job_is_taken_out_of_the_middle() {
        let mut line = Line::default();
        let positions = [1, 2, 3].map(|n| line.push_back(Priority::DEFAULT, id(n)));
        assert_eq!(line.ahead_of(positions[2]), 2);
        line.remove(positions[1]);

        assert_eq!(line.iter().collect::<Vec<_>>(), [1, 3].map(id));
        assert_eq!(line.len(), 2);
    }
}
