//! How fast a queue has leased of late.

use std::time::Duration;

use crate::clock::Timestamp;

/// Leases are counted in windows of this length; the last two are looked at. Long enough to smooth what
/// a worker takes at once, short enough to follow a change.
const WINDOW: Duration = Duration::from_secs(30);

/// The leases of the window that is under way, and of the one before.
#[derive(Debug, Default)]
pub(super) struct Pace {
    began: Option<Timestamp>,
    count: usize,
    before: Option<usize>,
}

impl Pace {
    pub(super) fn count(&mut self, leases: usize, now: Timestamp) {
        if leases > 0 {
            self.turn_over(now);
            self.count += leases;
        }
    }

    /// Leases per second; `None` while too little is known.
    pub(super) fn per_second(&mut self, now: Timestamp) -> Option<f64> {
        let since = self.turn_over(now);
        let (leases, time) = match self.before {
            Some(before) => (before + self.count, WINDOW + since),
            None => (self.count, since),
        };
        let leases = f64::from(u32::try_from(leases).unwrap_or(u32::MAX));
        let is_known = leases > 0.0 && time >= Duration::from_secs(1);
        is_known.then(|| leases / time.as_secs_f64())
    }

    /// Begins a new window if it is time, and says how far that has come.
    fn turn_over(&mut self, now: Timestamp) -> Duration {
        let began = *self.began.get_or_insert(now);
        let since = now.since(began);
        if since < WINDOW {
            return since;
        }
        // A window without any lease was passed over: what was before it is not "of late".
        let is_next = since < WINDOW * 2;
        self.before = Some(if is_next { self.count } else { 0 });
        let windows = u32::try_from(since.as_millis() / WINDOW.as_millis()).unwrap_or(u32::MAX);
        let began = began + WINDOW * windows;
        self.began = Some(began);
        self.count = 0;
        now.since(began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_steady_pace_is_known() {
        let mut pace = Pace::default();
        assert_eq!(pace.per_second(at(100)), None);
        for second in 100..200 {
            pace.count(5, at(second));
            if second > 110 {
                let rate = pace.per_second(at(second)).unwrap();
                assert!((4.5..5.6).contains(&rate), "{rate} at {second}");
            }
        }
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut pace = Pace::default();
        pace.count(100, at(0));
        assert!(pace.per_second(at(45)).is_some());

        assert_eq!(pace.per_second(at(90)), None);
    }
}
