//! Which queues are left alone for a while, because they would not take a job.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, ThreadRandom};

/// A queue that was full a moment ago may have room; one that cannot be reached is not to be hammered.
const BACKOFF: Backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5));

/// How long to wait after so many failures in a row: half of it for sure, as no delay would be none.
pub(super) fn delay(times: u32) -> Duration {
    (BACKOFF.ceiling(times) + BACKOFF.delay(times, &mut ThreadRandom)) / 2
}

/// The queues that are left alone, with how often in a row they would not, and until when.
#[derive(Debug, Default)]
pub(super) struct Pauses(HashMap<String, (u32, Instant)>);

impl Pauses {
    pub(super) fn begin(&mut self, queue: &str) {
        let (times, until) = self.0.entry(queue.to_owned()).or_insert((0, Instant::now()));
        *times = times.saturating_add(1);
        *until = Instant::now() + delay(*times);
    }

    pub(super) fn end(&mut self, queue: &str) {
        self.0.remove(queue);
    }

    pub(super) fn holds(&self, queue: &str) -> bool {
        self.0.get(queue).is_some_and(|(_, until)| *until > Instant::now())
    }

    /// When the first of them is over.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.values().map(|(_, until)| *until).min()
    }

    /// Forgets queues that have nothing in the outbox any more.
    pub(super) fn keep(&mut self, queues: &[String]) {
        self.0.retain(|queue, _| queues.contains(queue));
    }
}
