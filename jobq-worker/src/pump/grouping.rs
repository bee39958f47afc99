//! When settlements are held back so that more of them share a trip.

use std::time::Duration;

use tokio::time::Instant;

/// The most that one call carries in each direction: beyond it a backend gains nothing.
pub(crate) const MAX_GROUP: usize = 256;

/// How long a settlement may be held back.
pub(crate) const HOLD: Duration = Duration::from_millis(1);

/// Attempts end so fast that settling each at once would cost more than it gains: more than this many
/// in a millisecond. A guess: eight trips of an eighth of a millisecond fill one connection.
const DENSE_PER_MS: f64 = 8.0;

/// Over how long the rate is measured.
const WINDOW: Duration = Duration::from_millis(2);

/// Watches how fast attempts end.
#[derive(Debug)]
pub(crate) struct Grouping {
    /// How many settlements are worth a call while more are coming.
    pub(crate) threshold: usize,
    window_began_at: Instant,
    in_window: u32,
    dense: bool,
}

impl Grouping {
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            threshold: (concurrency / 2).clamp(1, MAX_GROUP),
            window_began_at: Instant::now(),
            in_window: 0,
            dense: false,
        }
    }

    /// Notes that attempts ended.
    pub(crate) fn note(&mut self, now: Instant, ended: usize) {
        let window = now - self.window_began_at;
        self.in_window = self.in_window.saturating_add(u32::try_from(ended).unwrap_or(u32::MAX));
        if window >= WINDOW {
            let window_ms = window.as_secs_f64() * 1_000.0;
            self.dense = f64::from(self.in_window) > DENSE_PER_MS * window_ms;
            self.window_began_at = now;
            self.in_window = 0;
        }
    }

    /// Whether to hold settlements back for more.
    pub(crate) fn holds_back(&self, now: Instant) -> bool {
        self.dense && self.threshold > 1 && now < self.stale_at()
    }

    /// When what was measured says nothing any more.
    pub(crate) fn stale_at(&self) -> Instant {
        self.window_began_at + WINDOW * 2
    }
}
