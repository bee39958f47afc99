//! Notes for jobs that are not there yet.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::parents::Outcome;
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job_ref::JobRef;

/// How long a note waits for its job: far longer than it takes to enqueue jobs of several queues, also
/// when that has to be done again.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// How parents ended whose child was named to them, and is still to be enqueued.
#[derive(Debug, Default)]
pub(super) struct EarlyNotes {
    by_child: HashMap<JobId, Vec<EarlyNote>>,
    /// Until when each note is kept, and for whom, in this order.
    until: VecDeque<(Timestamp, JobId)>,
}

#[derive(Debug)]
struct EarlyNote {
    until: Timestamp,
    parent: JobRef,
    outcome: Outcome,
}

impl EarlyNotes {
    pub(super) fn keep(&mut self, child: JobId, parent: JobRef, outcome: Outcome, now: Timestamp) {
        let until = now + PATIENCE;
        self.by_child.entry(child).or_default().push(EarlyNote { until, parent, outcome });
        self.until.push_back((until, child));
    }

    /// What was kept for a job that has come.
    pub(super) fn take(&mut self, child: JobId) -> impl Iterator<Item = (JobRef, Outcome)> + use<> {
        let notes = self.by_child.remove(&child).unwrap_or_default();
        notes.into_iter().map(|note| (note.parent, note.outcome))
    }

    /// How many notes are kept.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.by_child.len().max(self.until.len())
    }

    /// Forgets what was kept in vain: at most `limit` notes. Says how many.
    pub(super) fn prune(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut pruned = 0;
        while pruned < limit
            && let Some(&(until, child)) = self.until.front()
            && until <= now
        {
            self.until.pop_front();
            if let Some(notes) = self.by_child.get_mut(&child) {
                notes.retain(|note| note.until > now);
                if notes.is_empty() {
                    self.by_child.remove(&child);
                }
            }
            pruned += 1;
        }
        pruned
    }
}
