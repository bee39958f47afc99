//! What queues have to tell each other.
//!
//! Each queue has a lock of its own, and nobody holds two. What happens in one queue and concerns another
//! is written down as a note in the step in which it happens, and read there a moment later, exactly once:
//! a note stays with its sender until it was read, and who has read it knows its number.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Store;
use super::batches::Change;
use super::parents::Outcome;
use super::queue_state::QueueState;
use super::wake::Queue;
use crate::batch::{BatchId, BatchRef};
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::name::QueueName;
use crate::record::NewJob;

/// How many notes one step reads or hands over at most. A job has at most a thousand children: all of
/// them are told in the step in which it ends.
const NOTES_AT_ONCE: usize = 2_000;

/// Something that has happened in one queue and concerns another, or another job of the same.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// A job that `child` waits for has ended.
    ParentEnded { child: JobId, parent: JobRef, outcome: Outcome },
    /// Something has happened to a part of a batch. For its home.
    BatchChanged { batch: BatchId, change: Change },
    /// A batch was called off. For a queue that has jobs of it.
    CalledOff { batch: BatchRef },
    /// The batch that counts this one was called off. For its home.
    ParentCalledOff { batch: BatchId },
    /// A limit that the queue shares with others has room again.
    SlotFreed,
    /// A batch has come to where this job is to be enqueued.
    Callback { job: Box<NewJob> },
}

/// When it happened, and what.
type Note = (Timestamp, News);

/// What a queue has written, and whom it has heard of.
#[derive(Debug)]
pub(super) struct Notes {
    owner: QueueName,
    /// For the owner itself, not yet read.
    inner: VecDeque<Note>,
    is_reading: bool,
    /// For others, by number, until they have read them.
    outgoing: VecDeque<(u64, QueueName, Note)>,
    last_written: u64,
    /// The number of the last note read of each other queue.
    last_read: HashMap<QueueName, u64>,
}

impl Notes {
    pub(super) fn new(owner: QueueName) -> Self {
        Self {
            owner,
            inner: VecDeque::new(),
            is_reading: false,
            outgoing: VecDeque::new(),
            last_written: 0,
            last_read: HashMap::new(),
        }
    }

    /// The queue whose notes these are.
    pub(super) const fn owner(&self) -> &QueueName {
        &self.owner
    }

    /// Whether anything is left to be read, by whomever.
    pub(super) fn is_owing(&self) -> bool {
        !self.outgoing.is_empty() || !self.inner.is_empty()
    }

    /// How many are left to be read.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.inner.len() + self.outgoing.len()
    }

    fn write(&mut self, to: &QueueName, note: Note) {
        if *to == self.owner {
            self.inner.push_back(note);
        } else {
            self.last_written += 1;
            self.outgoing.push_back((self.last_written, to.clone(), note));
        }
    }

    fn next_outgoing(&self) -> Vec<(u64, QueueName, Note)> {
        self.outgoing.iter().take(NOTES_AT_ONCE).cloned().collect()
    }

    fn strike_out_to(&mut self, number: u64) {
        while self.outgoing.front().is_some_and(|(n, ..)| *n <= number) {
            self.outgoing.pop_front();
        }
    }
}

impl QueueState {
    /// Tells a queue of something. This one learns of it at once.
    pub(super) fn tell(&mut self, to: &QueueName, at: Timestamp, news: News) {
        self.notes.write(to, (at, news));
        self.read_own_notes();
    }

    /// Reads what this queue has told itself, each note after the one that led to it: a chain of any
    /// length takes no stack, and what is too much for one step is left to the next.
    fn read_own_notes(&mut self) {
        if self.notes.is_reading {
            return;
        }
        self.notes.is_reading = true;
        for _ in 0..NOTES_AT_ONCE {
            let Some((at, news)) = self.notes.inner.pop_front() else {
                break;
            };
            self.hear(news, at);
        }
        self.notes.is_reading = false;
    }

    /// Reads notes of another queue, but those that it has read before.
    fn read_notes(&mut self, from: &QueueName, notes: Vec<(u64, Note)>) {
        for (number, (at, news)) in notes {
            let last_read = self.notes.last_read.entry(from.clone()).or_default();
            if number > *last_read {
                *last_read = number;
                self.hear(news, at);
            }
        }
        self.read_own_notes();
    }

    fn hear(&mut self, news: News, at: Timestamp) {
        match news {
            News::ParentEnded { child, parent, outcome } => {
                self.parent_ended(child, &parent, outcome, at);
            }
            News::BatchChanged { batch, change } => self.batch_changed(batch, change, at),
            News::CalledOff { batch } => self.guest_called_off(batch, at),
            News::ParentCalledOff { batch } => {
                self.call_off(batch, at);
            }
            News::SlotFreed => self.stirred += 1,
            News::Callback { job } => {
                self.enqueue(&job, at);
            }
        }
    }
}

impl Store {
    /// Hands over what a queue owes to others, and what they owe in turn, until nobody owes anything.
    pub(super) fn relay(&self, first: &QueueName) {
        let mut owing = vec![first.clone()];
        while let Some(sender) = owing.pop() {
            let queue = self.queue_of(&sender);
            let notes = queue.step(|state| {
                // A step that panicked may have left it set.
                state.notes.is_reading = false;
                state.read_own_notes();
                state.notes.is_owing().then(|| state.notes.next_outgoing())
            });
            let Some(notes) = notes else {
                continue;
            };
            owing.push(sender.clone());
            owing.extend(self.hand_over(&queue, notes));
        }
    }

    /// Says who has been given something.
    fn hand_over(&self, sender: &Queue, notes: Vec<(u64, QueueName, Note)>) -> Vec<QueueName> {
        let last = notes.last().map_or(0, |(number, ..)| *number);
        let mut by_reader: BTreeMap<QueueName, Vec<(u64, Note)>> = BTreeMap::new();
        for (number, reader, note) in notes {
            by_reader.entry(reader).or_default().push((number, note));
        }
        let readers: Vec<QueueName> = by_reader.keys().cloned().collect();
        for (reader, notes) in by_reader {
            self.queue_of(&reader).step(|state| state.read_notes(&sender.name, notes));
        }
        // Only now: had any of this failed, the notes would be there for the next one to come by.
        sender.step(|state| state.notes.strike_out_to(last));
        readers
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::backend::Backend;
    use crate::id::WorkerId;
    use crate::inspect::Inspect;
    use crate::lease::{LeaseRequest, Next, Settlement};
    use crate::memory::MemoryBackend;
    use crate::name::Kind;
    use crate::parents::Parent;
    use crate::payload::Payload;
    use crate::record::{JobRecord, When};
    use crate::state::JobState;

    /// A parent in one queue, leased, and its child in another.
    struct Family {
        backend: MemoryBackend,
        home: Arc<Queue>,
        child: JobRef,
        done: Settlement,
    }

    impl Family {
        fn new() -> Self {
            let backend = MemoryBackend::new();
            let [mut parent, mut child] = ["home", "elsewhere"].map(job);
            let found_at = |job: &NewJob| JobRef::new(job.record.queue.clone(), job.record.id);
            parent.record.id = JobId::from_bytes([1; 16]);
            child.parents.push(Parent::known(found_at(&parent)));
            let child_ref = found_at(&child);
            backend.enqueue_jobs(&[parent.clone(), child]).now_or_never().unwrap().unwrap();
            let request = LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(1));
            let queue = &parent.record.queue;
            let leased = backend.exchange(queue, &[], Some(request)).now_or_never().unwrap();
            let lease = leased.unwrap().leases.remove(0);
            Self {
                home: backend.queue_of(queue),
                done: Settlement::new(lease, Next::Complete { result: None }),
                child: child_ref,
                backend,
            }
        }

        /// Settles the parent; that the child is told is left to others.
        fn settle(&self, state: &mut QueueState) {
            let now = self.backend.now();
            state.exchange(std::slice::from_ref(&self.done), None, now);
        }

        fn state_of_child(&self) -> JobState {
            let job = self.backend.job(&self.child.queue, self.child.id);
            job.now_or_never().unwrap().unwrap().unwrap().state
        }
    }

    fn job(queue: &str) -> NewJob {
        let payload = Payload::encode("x").unwrap();
        let (queue, kind) = (QueueName::new(queue).unwrap(), Kind::new("test").unwrap());
        let record = JobRecord::new(JobId::from_bytes([2; 16]), queue, kind, payload);
        NewJob::new(record, When::Now)
    }

    #[test]
    fn a_note_that_was_not_delivered_is_there_for_the_next_to_come_by() {
        let family = Family::new();

        family.home.step(|state| family.settle(state));
        assert_eq!(family.state_of_child(), JobState::Waiting);
        family.home.visit(|_| ());

        assert_eq!(family.state_of_child(), JobState::Ready);
        assert!(family.home.step(|state| !state.notes.is_owing()));
    }

    #[test]
    fn a_panic_loses_no_note() {
        let family = Family::new();
        let visit = || {
            family.home.visit(|state| {
                family.settle(state);
                panic!("a bug");
            })
        };
        assert!(catch_unwind(AssertUnwindSafe(visit)).is_err());

        family.home.visit(|_| ());

        assert_eq!(family.state_of_child(), JobState::Ready);
    }

    #[test]
    fn a_note_that_is_delivered_twice_is_read_once() {
        let family = Family::new();
        family.home.step(|state| family.settle(state));
        let notes = family.home.step(|state| state.notes.next_outgoing());
        let store = &family.backend.store;
        store.hand_over(&family.home, notes.clone());
        let elsewhere = store.queue_of(&family.child.queue);
        let now = family.backend.now();
        elsewhere.step(|state| state.remove(family.child.id, now));

        store.hand_over(&family.home, notes);

        // Read again, it would be kept for a child that is not there.
        let kept = elsewhere.step(|state| state.early.take(family.child.id).count());
        assert_eq!(kept, 0);
    }
}
