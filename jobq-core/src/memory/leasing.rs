//! Which jobs a worker is given, and when it should come again if that is less than it asked for.

use std::sync::Arc;
use std::time::Duration;

use super::lanes::First;
use super::queue_state::{Ending, QueueState};
use crate::clock::Timestamp;
use crate::id::Token;
use crate::lease::{Lease, LeaseRequest};
use crate::limits::Rate;

/// How many lanes one exchange finds held up at most, and how many it takes back. Each takes about a
/// microsecond.
pub(super) const LOOKED_AT_ONCE: usize = 1_000;

/// Why no further job is leased.
pub(super) enum Stop {
    /// The worker has all it asked for.
    Satisfied,
    /// No job is left that may be leased.
    Exhausted,
    /// The queue has no room, perhaps until a certain time.
    Full(Option<Timestamp>),
    /// There may be more, but the call has looked at enough.
    CutShort,
}

impl QueueState {
    /// Leases jobs, and says when there may be more if these are fewer than were asked for.
    pub(super) fn lease(
        &mut self,
        request: LeaseRequest,
        now: Timestamp,
    ) -> (Vec<Arc<Lease>>, Option<Duration>) {
        let limits = self.limits.merged();
        self.note_leases();
        let commons = Arc::clone(&self.commons);
        // Held until all is leased: nobody else takes what there was room for.
        let mut shared = limits.shared.as_ref().map(|name| (name, commons.shared()));
        self.places.ready.take_back_due(LOOKED_AT_ONCE, now);
        let room = request.limit.min(self.places.ready.in_order());
        let mut leases = Vec::with_capacity(room);
        let mut looks = 0;
        let stop = loop {
            if leases.len() == request.limit {
                break Stop::Satisfied;
            }
            let is_shared_full = shared.as_ref().is_some_and(|(name, all)| all.is_full(name));
            if is_shared_full || self.is_full(limits.concurrency) {
                break Stop::Full(None);
            }
            let (first, cost) = match self.find_next(&mut looks, now) {
                Ok(found) => found,
                Err(stop) => break stop,
            };
            let until = shared.as_ref().and_then(|(name, all)| all.full_until(name, cost, now));
            if let Some(until) = until.or_else(|| self.full_until(limits.rate, cost, now)) {
                break Stop::Full(Some(until));
            }
            if self.is_called_off(first.id) {
                self.end(first.id, Ending::Cancelled, now);
                looks += 1;
                continue;
            }
            if let Some(unique) = self.unique_of(first.id)
                && !self.start_key(&unique, first.id)
            {
                self.hold_back(&unique, first.id, now);
                looks += 1;
                continue;
            }
            if let Some((name, all)) = &mut shared {
                all.take(name, self.notes.owner(), cost, now);
            }
            leases.extend(self.serve(&first, limits.rate, request, now));
        };
        self.pace.count(leases.len(), now);
        let next_in = match stop {
            Stop::Satisfied => None,
            Stop::CutShort => Some(Duration::ZERO),
            Stop::Exhausted => self.next_in(self.places.ready.next_back(), now),
            Stop::Full(until) => self.next_in(until, now),
        };
        (leases, next_in)
    }

    /// The first job whose lane is not held up, and its cost. Lanes that are, leave the order.
    pub(super) fn find_next(
        &mut self,
        looks: &mut usize,
        now: Timestamp,
    ) -> Result<(First, u32), Stop> {
        loop {
            if *looks >= LOOKED_AT_ONCE {
                return Err(Stop::CutShort);
            }
            let first = self.places.ready.first().ok_or(Stop::Exhausted)?;
            let job = self.jobs.get(&first.id).ok_or(Stop::Exhausted)?;
            let cost = job.record().cost;
            match self.places.ready.obstacle(&first.lane, cost, now) {
                None => return Ok((first, cost)),
                Some(obstacle) => self.places.ready.hold_up(&first.lane, obstacle.until()),
            }
            *looks += 1;
        }
    }

    /// How many jobs might be leased at once if somebody asked, as far as can be told without a look at
    /// each lane.
    pub(super) fn leasable(&self) -> usize {
        let ready = self.places.ready.in_order();
        let limit = self.limits.pick(|limits| limits.concurrency);
        if ready > 0 && self.is_full(limit) { 0 } else { ready }
    }

    fn serve(
        &mut self,
        first: &First,
        rate: Option<Rate>,
        request: LeaseRequest,
        now: Timestamp,
    ) -> Option<Arc<Lease>> {
        let job = self.jobs.get_mut(&first.id)?;
        let cost = job.record().cost;
        self.places.ready.serve(first, cost, now);
        if let Some(rate) = rate {
            self.rate.take(rate, cost, now);
        }
        self.last_token += 1;
        let token = Token::from_u64(self.last_token);
        let expires_at = now + request.duration;
        let lease = job.lease_to(request.worker, token, expires_at);
        job.place = self.places.lease(&lease.job, expires_at, token);
        self.watched.stir(first.id);
        Some(lease)
    }

    /// Whether as many jobs of the queue are leased as may be.
    pub(super) fn is_full(&self, concurrency: Option<u32>) -> bool {
        let limit = concurrency.and_then(|limit| usize::try_from(limit).ok());
        limit.is_some_and(|limit| self.places.leased.len() >= limit)
    }

    /// When the queue has room for the cost; `None` if it has now.
    pub(super) fn full_until(
        &self,
        rate: Option<Rate>,
        cost: u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.rate.full_until(rate?, cost, now)
    }

    fn next_in(&self, room_at: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
        let times = [self.places.next_due(), self.places.next_expiry(), room_at];
        let next = times.into_iter().flatten().min()?;
        Some(next.since(now))
    }
}
