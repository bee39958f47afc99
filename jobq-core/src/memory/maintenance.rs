//! What time does to the jobs of a queue: promotes, reclaims, prunes. Every call is bounded.

use super::places::Places;
use super::queue_state::{Ending, QueueState};
use super::unique::Leaving;
use crate::backend::Maintained;
use crate::clock::Timestamp;
use crate::history::{Failure, FailureKind};
use crate::id::JobId;
use crate::retention::DeadRetention;

/// What became of jobs whose lease had expired.
#[derive(Debug, Default)]
pub(super) struct Reclaimed {
    ready: usize,
    dead: usize,
    cancelled: usize,
}

impl QueueState {
    pub(super) fn maintain(
        &mut self,
        limit: usize,
        dead: DeadRetention,
        now: Timestamp,
    ) -> Maintained {
        if limit == 0 {
            return Maintained::default();
        }
        let promoted = self.promote(limit, now);
        let reclaimed = self.reclaim(limit, now);
        self.share_slots(now);
        let pruned = self.prune(limit, dead, now);
        let forgotten = self.places.ready.forget(limit, now);
        let is_more_past = self.prune_unseen(limit, now);
        let expired = reclaimed.ready + reclaimed.dead + reclaimed.cancelled;
        Maintained::new(
            promoted,
            reclaimed.ready,
            reclaimed.dead,
            pruned,
            is_more_past || [promoted, expired, pruned, forgotten].contains(&limit),
        )
    }

    /// Makes scheduled jobs ready that are due: by time, then the higher priority, then the id.
    pub(super) fn promote(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut promoted = 0;
        while promoted < limit
            && let Some(&(due, _, id)) = self.places.scheduled.first()
            && due <= now
        {
            self.move_to(id, now, |places, record| places.push_back(record, now));
            promoted += 1;
        }
        promoted
    }

    /// Takes jobs back whose lease has expired.
    pub(super) fn reclaim(&mut self, limit: usize, now: Timestamp) -> Reclaimed {
        let expired: Vec<JobId> = self
            .places
            .leased
            .iter()
            .take_while(|(expires_at, _, _)| *expires_at <= now)
            .take(limit)
            .map(|(_, _, id)| *id)
            .collect();
        let mut reclaimed = Reclaimed::default();
        // Each goes to the front, so the one that should be first comes last.
        for id in expired.into_iter().rev() {
            self.crash(id, now, &mut reclaimed);
        }
        reclaimed
    }

    /// Deletes jobs that are past their retention: at most `limit`.
    fn prune(&mut self, limit: usize, dead: DeadRetention, now: Timestamp) -> usize {
        let Places { completed, cancelled, dead: buried, .. } = &self.places;
        let too_many = buried.len().saturating_sub(dead.max_count);
        let too_old = buried
            .iter()
            .enumerate()
            .take_while(|(n, (since, _))| *n < too_many || now.since(*since) >= dead.max_age)
            .map(|(_, (_, id))| *id);
        let past = |(until, _): &&(Timestamp, JobId)| *until <= now;
        let ended = completed.iter().take_while(past);
        let called_off = cancelled.iter().take_while(past);
        let pruned: Vec<JobId> =
            too_old.chain(ended.chain(called_off).map(|(_, id)| *id)).take(limit).collect();
        for id in &pruned {
            self.forget(*id, Leaving::Finished, now);
        }
        pruned.len()
    }

    /// Forgets what is past its time and is no job. Says whether there may be more.
    fn prune_unseen(&mut self, limit: usize, now: Timestamp) -> bool {
        let batches = self.prune_batches(limit, now);
        let notes = self.early.prune(limit, now);
        let guests = self.prune_guests(limit, now);
        let keys = self.keys.prune(limit, now);
        let everywhere = self.commons.keys().prune(limit, now);
        [batches, notes, guests, keys, everywhere].contains(&limit)
    }

    fn crash(&mut self, id: JobId, now: Timestamp, reclaimed: &mut Reclaimed) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let unique = job.record().unique;
        if job.is_asked_to_cancel() {
            reclaimed.cancelled += 1;
            self.end(id, Ending::Cancelled, now);
            return self.key_lease_ended(unique, id, now);
        }
        let attempt = job.failed_attempts.saturating_add(1);
        if let Some(lease) = job.holder() {
            let kind = FailureKind::Crash;
            let failure = Failure::new(kind, attempt, now, lease.worker, "lease expired");
            job.history.push(failure);
        }
        job.crashes = job.crashes.saturating_add(1);
        if job.crashes >= job.record().max_crashes {
            reclaimed.dead += 1;
            self.bury(id, now);
        } else if self.key_waits_again(id, now) {
            reclaimed.ready += 1;
            self.move_to(id, now, |places, record| places.push_front(record, now));
        } else {
            reclaimed.cancelled += 1;
            self.end(id, Ending::Cancelled, now);
        }
        self.key_lease_ended(unique, id, now);
    }
}
