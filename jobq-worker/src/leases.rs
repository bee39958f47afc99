//! The table of leases that this worker holds: shared by the pump, the attempts, and the renewer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobq_core::{Cancellation, Extended, JobId, Lease, LeaseRef, StopReason, Token};
use tokio::time::Instant;

/// All leases from the moment they arrive until their settlement is acknowledged.
///
/// A lease whose handler has ended stays in it, so that it is renewed while its settlement cannot be
/// delivered, and kept when the worker forfeits what it does not know of.
#[derive(Debug)]
pub(crate) struct LeaseTable {
    slots: Mutex<Slots>,
    duration: Duration,
}

#[derive(Debug, Default)]
struct Slots {
    entries: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    held: Option<HeldLease>,
}

/// Where a lease is in the table. A key that outlives its lease finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseKey {
    index: u32,
    generation: u32,
}

/// A lease in the table.
#[derive(Debug)]
pub(crate) struct HeldLease {
    pub(crate) lease: Arc<Lease>,
    /// The worker's number of the queue.
    pub(crate) queue: usize,
    pub(crate) cancellation: Cancellation,
    /// When the lease may be taken at the earliest, by the local clock: counted from the instant at
    /// which the request was *sent*, so it is never later than what the backend thinks.
    pub(crate) deadline: Instant,
    /// Until when the handler may go on at most, fixed when it was told that the lease is lost: a later
    /// renewal must not take that back.
    drop_by: Option<Instant>,
    /// When the attempt's timeout strikes; `None` before it has begun.
    pub(crate) timeout_at: Option<Instant>,
    /// When the watchdog first saw that the handler was asked to stop.
    pub(crate) asked_to_stop_at: Option<Instant>,
    /// Whether its handler is over, or given up.
    pub(crate) ended: bool,
}

impl HeldLease {
    pub(crate) fn new(lease: Arc<Lease>, queue: usize, deadline: Instant) -> Self {
        Self {
            lease,
            queue,
            cancellation: Cancellation::new(),
            deadline,
            drop_by: None,
            timeout_at: None,
            asked_to_stop_at: None,
            ended: false,
        }
    }

    /// Until when its handler may go on. `left` is what must remain of the lease then.
    fn drop_at(&self, left: Duration) -> Instant {
        let drop_at = self.deadline.checked_sub(left).unwrap_or(self.deadline);
        self.drop_by.map_or(drop_at, |by| by.min(drop_at))
    }

    /// Tells the handler that the lease is lost. Says whether it is the first request to stop.
    fn give_up(&mut self, left: Duration) -> bool {
        self.drop_by = Some(self.drop_at(left));
        self.cancellation.request(StopReason::LeaseLost)
    }
}

/// What the local clock says about leases that could not be renewed.
const CANCEL_AT: f64 = 0.7;
const DROP_AT: f64 = 0.9;

impl LeaseTable {
    pub(crate) fn new(duration: Duration) -> Self {
        Self { slots: Mutex::default(), duration }
    }

    /// Adds leases; the keys are in their order.
    pub(crate) fn insert(&self, leases: impl IntoIterator<Item = HeldLease>) -> Vec<LeaseKey> {
        let mut slots = self.lock();
        leases.into_iter().map(|held| slots.insert(held)).collect()
    }

    /// Takes leases out that are settled.
    pub(crate) fn remove(&self, keys: impl IntoIterator<Item = LeaseKey>) {
        let mut slots = self.lock();
        for key in keys {
            slots.remove(key);
        }
    }

    /// Notes that the handlers are over. Says for each whether this was news.
    pub(crate) fn end(&self, keys: impl IntoIterator<Item = LeaseKey>) -> Vec<bool> {
        let mut slots = self.lock();
        keys.into_iter()
            .map(|key| {
                slots.find(key).is_some_and(|held| !std::mem::replace(&mut held.ended, true))
            })
            .collect()
    }

    /// Notes when the timeout of an attempt strikes that begins.
    pub(crate) fn time_out_at(&self, key: LeaseKey, at: Instant) {
        if let Some(held) = self.lock().find(key) {
            held.timeout_at = Some(at);
        }
    }

    /// Until when a handler may go on if its lease is not renewed; `None` if its lease is gone.
    pub(crate) fn drop_at(&self, key: LeaseKey) -> Option<Instant> {
        let left = self.left_at_drop();
        self.lock().find(key).map(|held| held.drop_at(left))
    }

    /// From when on no handler may run under a lease that lasts until `deadline`.
    pub(crate) fn over_at(&self, deadline: Instant) -> Instant {
        deadline.checked_sub(self.left_at_drop()).unwrap_or(deadline)
    }

    fn left_at_drop(&self) -> Duration {
        self.duration.mul_f64(1.0 - DROP_AT)
    }

    /// The leases of a queue, those not yet settled among them.
    pub(crate) fn of_queue(&self, queue: usize) -> Vec<LeaseRef> {
        let mut slots = self.lock();
        slots
            .held()
            .filter(|(_, held)| held.queue == queue)
            .map(|(_, held)| held.lease.proof())
            .collect()
    }

    /// Asks all handlers to stop.
    pub(crate) fn cancel_all(&self, reason: StopReason) {
        for (_, held) in self.lock().held() {
            held.cancellation.request(reason);
        }
    }

    /// The handlers that are not over, nor given up.
    pub(crate) fn running(&self) -> Vec<LeaseKey> {
        let mut slots = self.lock();
        slots.held().filter(|(_, held)| !held.ended).map(|(key, _)| key).collect()
    }

    /// The lease under a key, and its queue.
    pub(crate) fn get(&self, key: LeaseKey) -> Option<(Arc<Lease>, usize, Option<StopReason>)> {
        let mut slots = self.lock();
        let held = slots.find(key)?;
        Some((Arc::clone(&held.lease), held.queue, held.cancellation.reason()))
    }

    /// The leases that have lasted longer than a quarter of their duration, by queue.
    pub(crate) fn due_for_renewal(
        &self,
        now: Instant,
    ) -> HashMap<usize, Vec<(LeaseKey, LeaseRef)>> {
        let mut due: HashMap<usize, Vec<_>> = HashMap::new();
        let fresh_until = now + self.duration.mul_f64(0.75);
        for (key, held) in self.lock().held().filter(|(_, held)| held.deadline <= fresh_until) {
            due.entry(held.queue).or_default().push((key, held.lease.proof()));
        }
        due
    }

    /// Notes the answers to a renewal that was sent at `sent_at`; gives the running leases that turned
    /// out to be lost.
    pub(crate) fn renewed(
        &self,
        sent_at: Instant,
        answers: impl IntoIterator<Item = (LeaseKey, Extended)>,
    ) -> Vec<(JobId, Token)> {
        let deadline = sent_at + self.duration;
        let left = self.left_at_drop();
        let mut lost = Vec::new();
        let mut slots = self.lock();
        for (key, answer) in answers {
            let Some(held) = slots.find(key) else { continue };
            match answer {
                Extended::Yes => held.deadline = deadline,
                Extended::CancelRequested => {
                    held.deadline = deadline;
                    held.cancellation.request(StopReason::Cancelled);
                }
                // Its settlement may have arrived just before the renewal: the answer to that counts.
                Extended::Lost if held.ended => {}
                Extended::Lost => {
                    // Nothing is left to wait for: the job may already run elsewhere.
                    held.deadline = sent_at;
                    if held.give_up(left) {
                        lost.push((held.lease.job.id, held.lease.token));
                    }
                }
            }
        }
        lost
    }

    /// Asks handlers to stop whose leases could not be renewed for too long; says which.
    pub(crate) fn cancel_unrenewed(&self, now: Instant) -> Vec<(JobId, Token)> {
        let danger = now + self.duration.mul_f64(1.0 - CANCEL_AT);
        let left = self.left_at_drop();
        let mut lost = Vec::new();
        for (_, held) in self.lock().held().filter(|(_, held)| !held.ended) {
            // One that was asked to stop for another reason may go on if the lease can be renewed again.
            if held.deadline <= danger && !held.cancellation.is_requested() && held.give_up(left) {
                lost.push((held.lease.job.id, held.lease.token));
            }
        }
        lost
    }

    /// Finds handlers that were asked to stop more than `patience` ago, or should have timed out then,
    /// and whose leases nobody waits for any more: their own attempts would have dropped them `slack` ago.
    pub(crate) fn stuck(&self, now: Instant, patience: Duration, slack: Duration) -> Vec<LeaseKey> {
        let left = self.left_at_drop();
        let mut stuck = Vec::new();
        for (key, held) in self.lock().held().filter(|(_, held)| !held.ended) {
            if held.timeout_at.is_some_and(|at| now.saturating_duration_since(at) >= patience) {
                // A handler that blocks its thread keeps the attempt's own timer from being seen.
                held.cancellation.request(StopReason::Timeout);
            }
            let Some(reason) = held.cancellation.reason() else { continue };
            let asked_at = *held.asked_to_stop_at.get_or_insert(now);
            let may_go_on = reason == StopReason::LeaseLost && now < held.drop_at(left) + slack;
            if now.saturating_duration_since(asked_at) >= patience && !may_go_on {
                stuck.push(key);
            }
        }
        stuck
    }

    /// How many of a queue have ended, and are yet to be settled.
    pub(crate) fn unsettled_of(&self, queue: usize) -> u64 {
        let mut slots = self.lock();
        slots.held().filter(|(_, held)| held.queue == queue && held.ended).count() as u64
    }

    /// How many leases are not settled yet.
    pub(crate) fn count(&self) -> u64 {
        let slots = self.lock();
        (slots.entries.len() - slots.free.len()) as u64
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // No code of others runs under the lock, so the table is whole whatever panicked.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn insert(&mut self, held: HeldLease) -> LeaseKey {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.entries[index as usize];
            slot.held = Some(held);
            return LeaseKey { index, generation: slot.generation };
        }
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(Slot { generation: 0, held: Some(held) });
        LeaseKey { index, generation: 0 }
    }

    fn remove(&mut self, key: LeaseKey) {
        let Some(slot) = self.entries.get_mut(key.index as usize) else { return };
        if slot.generation == key.generation && slot.held.take().is_some() {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(key.index);
        }
    }

    fn find(&mut self, key: LeaseKey) -> Option<&mut HeldLease> {
        let slot = self.entries.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.held.as_mut() } else { None }
    }

    fn held(&mut self) -> impl Iterator<Item = (LeaseKey, &mut HeldLease)> {
        self.entries.iter_mut().zip(0..).filter_map(|(slot, index)| {
            let key = LeaseKey { index, generation: slot.generation };
            slot.held.as_mut().map(|held| (key, held))
        })
    }
}
