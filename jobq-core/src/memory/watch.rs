//! Who watches which job, and how they learn of a change.

use std::collections::HashMap;

use tokio::sync::watch::{self, Receiver, Sender};

use super::queue_state::QueueState;
use super::wake::Queue;
use crate::id::JobId;
use crate::sighting::Sighting;
use crate::state::JobState;

/// The jobs of a queue that somebody watches.
///
/// Each has the end of a channel that is never sent on: dropping it tells all who hold the other end.
#[derive(Debug, Default)]
pub(super) struct Watched(HashMap<JobId, Sender<()>>);

impl Watched {
    /// Tells all who watch the job to look again.
    pub(super) fn stir(&mut self, id: JobId) {
        if !self.0.is_empty() {
            self.0.remove(&id);
        }
    }

    /// How many jobs are watched.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn join(&mut self, id: JobId) -> Receiver<()> {
        self.0.entry(id).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Forgets a job whose last watcher has left.
    fn leave(&mut self, id: JobId) {
        if self.0.get(&id).is_some_and(|bell| bell.receiver_count() == 0) {
            self.0.remove(&id);
        }
    }
}

/// What can be seen of a job, as soon as it differs from `seen`.
pub(super) async fn sight(queue: &Queue, id: JobId, seen: Option<&Sighting>) -> Sighting {
    loop {
        let looked = queue.visit(|state| {
            let sighting = state.sighting(id);
            // Under the same lock, so that no change comes between.
            if Some(&sighting) == seen { Err(state.watched.join(id)) } else { Ok(sighting) }
        });
        match looked {
            Ok(sighting) => return sighting,
            Err(bell) => {
                let mut watcher = Watcher { queue, id, bell: Some(bell) };
                watcher.told().await;
            }
        }
    }
}

/// One who watches a job until told, or until dropped.
struct Watcher<'a> {
    queue: &'a Queue,
    id: JobId,
    bell: Option<Receiver<()>>,
}

impl Watcher<'_> {
    async fn told(&mut self) {
        if let Some(bell) = &mut self.bell {
            // Never sent on, so this waits for the other end to be dropped.
            while bell.changed().await.is_ok() {}
        }
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.bell = None;
        self.queue.visit(|state| state.watched.leave(self.id));
    }
}

impl QueueState {
    fn sighting(&self, id: JobId) -> Sighting {
        let Some(job) = self.jobs.get(&id) else {
            return Sighting::default();
        };
        let state = job.place.state();
        let is_wrong = matches!(state, JobState::Dead | JobState::Scheduled);
        let failure = job.history.last().filter(|_| is_wrong);
        Sighting {
            state: Some(state),
            report: job.report.as_deref().cloned().unwrap_or_default(),
            result: job.result.clone(),
            error: failure.map(|failure| failure.message.clone()),
        }
    }
}
