//! The jobs that wait for a worker, in the order in which they will be leased.

use std::collections::BTreeMap;

use crate::id::JobId;
use crate::priority::Priority;

const LEVELS: usize = Priority::HIGHEST.level() as usize + 1;

/// One line of jobs for each priority.
///
/// A place in a line is a number: one more than the last at the back, one less than the first at the
/// front. So a job in the middle can be taken out by its number, without a search.
#[derive(Debug)]
pub(super) struct ReadyJobs {
    lines: [BTreeMap<i64, JobId>; LEVELS],
    count: usize,
}

impl ReadyJobs {
    pub(super) fn push_back(&mut self, priority: Priority, id: JobId) -> i64 {
        let line = self.line(priority);
        let position = line.last_key_value().map_or(0, |(last, _)| last + 1);
        line.insert(position, id);
        self.count += 1;
        position
    }

    pub(super) fn push_front(&mut self, priority: Priority, id: JobId) -> i64 {
        let line = self.line(priority);
        let position = line.first_key_value().map_or(0, |(first, _)| first - 1);
        line.insert(position, id);
        self.count += 1;
        position
    }

    /// Takes out the job that goes first.
    pub(super) fn pop(&mut self) -> Option<JobId> {
        let line = self.lines.iter_mut().rfind(|line| !line.is_empty())?;
        let (_, id) = line.pop_first()?;
        self.count -= 1;
        Some(id)
    }

    pub(super) fn remove(&mut self, priority: Priority, position: i64) {
        if self.line(priority).remove(&position).is_some() {
            self.count -= 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = JobId> {
        self.lines.iter().rev().flat_map(BTreeMap::values).copied()
    }

    /// The first job of each priority that has one.
    pub(super) fn heads(&self) -> impl Iterator<Item = JobId> {
        self.lines.iter().filter_map(|line| line.values().next().copied())
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    fn line(&mut self, priority: Priority) -> &mut BTreeMap<i64, JobId> {
        &mut self.lines[usize::from(priority.level())]
    }
}

impl Default for ReadyJobs {
    fn default() -> Self {
        Self { lines: std::array::from_fn(|_| BTreeMap::new()), count: 0 }
    }
}
