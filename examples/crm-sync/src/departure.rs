//! Whether a request may leave now: it must reach the CRM in the window in which its job was leased.
//!
//! The queue counts **leases**, at the instant of the lease by its own clock. The CRM counts
//! **requests**, at the instant of their arrival by its clock. In between lie a few milliseconds, or some
//! seconds if a machine stalls: a job leased in the last moment of one window could arrive in the next,
//! on top of the full number that are leased there. So every lease belongs to one window, and a request
//! leaves only if it will arrive in that one:
//!
//! ```text
//!    start of the window                                                       its end
//!    |--skew--|================ requests may leave ================|--travel--|--skew--|
//! ```
//!
//! - In each window at most `n` jobs are leased, a job sends at most one request for each lease, and what
//!   arrives in a window was leased in it. So no window gets more than `n`, whatever is slow, and also
//!   while workers are killed.
//! - *travel* is what a request may need from this decision to the CRM's door: two seconds, or a fifth of a
//!   shorter window. Connecting is given one second, so that a connection that is slow to come fails in
//!   place of being late.
//! - *skew* is by how much the CRM's clock may differ from this worker's. The queue's clock need not be
//!   exact: it only says which window a lease belongs to.
//! - A job that has missed its window is put off to the next one, with no attempt used. It is leased and
//!   counted anew there. What it took from the budget of its window is lost, which costs something only
//!   if the whole budget would have been used by the end.
//! - A job that is too early, because the clocks differ by some milliseconds, waits for the door to open:
//!   to put it off would waste a lease, and at the start of a window that would happen to many. It never
//!   waits for a budget.

use std::time::Duration;

use jobq_core::Timestamp;

use crate::window::Windows;

/// What a request may need from the decision to its arrival. Windows shorter than ten seconds allow a
/// fifth of their length.
const TRAVEL: Duration = Duration::from_secs(2);
const SHARE_OF_TRAVEL: u32 = 5;
/// At most this share of a window is kept free at each end for clocks that differ.
const SHARE_OF_SKEW: u32 = 4;
/// The longest wait for a window to open. Clocks that differ by more are set wrong.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long connecting to the CRM may take.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether a request may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a handler must do each of them")]
pub enum Departure {
    /// At once.
    Now,
    /// After this time: its window is not open yet.
    In(Duration),
    /// Not under this lease: come back after this time.
    Missed(Duration),
}

/// Decides whether the request of a job leased at `leased_at`, by the queue's clock, may leave at `now`,
/// by this worker's clock.
#[must_use]
pub fn departure(
    windows: Windows,
    leased_at: Timestamp,
    now: Timestamp,
    skew: Duration,
) -> Departure {
    let window = windows.number(leased_at);
    let skew = skew.min(windows.period() / SHARE_OF_SKEW);
    let travel = TRAVEL.min(windows.period() / SHARE_OF_TRAVEL);
    let opens = windows.start(window) + skew;
    let closes = windows.end(window) - skew - travel;
    if now < opens {
        let wait = opens.since(now);
        return if wait <= LONGEST_WAIT { Departure::In(wait) } else { Departure::Missed(wait) };
    }
    if now < closes { Departure::Now } else { Departure::Missed(windows.end(window).since(now)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn minutes() -> Windows {
        Windows::of("100/min".parse().unwrap()).unwrap()
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(10 * MINUTE + ms)
    }

    fn decide(leased: u64, now: u64, skew_ms: u64) -> Departure {
        departure(minutes(), at(leased), at(now), Duration::from_millis(skew_ms))
    }

    #[test]
    fn a_request_leaves_within_the_window_of_its_lease() {
        assert_eq!(decide(0, 0, 0), Departure::Now);
        assert_eq!(decide(0, 57_999, 0), Departure::Now);
    }

    #[test]
    fn one_that_could_arrive_in_the_next_window_is_put_off_to_it() {
        assert_eq!(decide(57_990, 58_000, 0), Departure::Missed(Duration::from_secs(2)));
        assert_eq!(decide(59_999, 59_999, 0), Departure::Missed(Duration::from_millis(1)));
    }

    #[test]
    fn one_whose_window_is_over_comes_back_at_once() {
        assert_eq!(decide(59_999, 60_001, 0), Departure::Missed(Duration::ZERO));
        assert_eq!(decide(0, 5 * MINUTE, 0), Departure::Missed(Duration::ZERO));
    }

    #[test]
    fn one_whose_window_is_not_open_yet_waits_for_it_but_not_for_long() {
        let leased = at(0);
        let before = |ms| leased - Duration::from_millis(ms);

        let decide = |now| departure(minutes(), leased, now, Duration::ZERO);
        assert_eq!(decide(before(3)), Departure::In(Duration::from_millis(3)));
        assert_eq!(decide(before(5_000)), Departure::Missed(Duration::from_secs(5)));
    }

    #[test]
    fn clocks_that_may_differ_keep_both_ends_of_a_window_free() {
        assert_eq!(decide(0, 0, 200), Departure::In(Duration::from_millis(200)));
        assert_eq!(decide(0, 200, 200), Departure::Now);
        assert_eq!(decide(0, 57_799, 200), Departure::Now);
        assert_eq!(decide(0, 57_800, 200), Departure::Missed(Duration::from_millis(2_200)));
    }

    /// Whatever the clocks say within the skew, and however long it travels: one that leaves arrives in
    /// the window of its lease.
    #[test]
    fn whatever_leaves_arrives_in_the_window_of_its_lease() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut chance = fastrand::Rng::with_seed(seed);
        for _ in 0..100_000 {
            let period = chance.u64(100..120_000);
            let windows = Windows::of(format!("7/{period}ms").parse().unwrap()).unwrap();
            let skew = chance.u64(0..=period / 5);
            let leased = Timestamp::from_millis(chance.u64(period * 3..period * 6));
            let by_us = Timestamp::from_millis(chance.u64(period * 2..period * 8));
            let leaves = match departure(windows, leased, by_us, Duration::from_millis(skew)) {
                Departure::Now => by_us,
                Departure::In(wait) => by_us + wait,
                Departure::Missed(_) => continue,
            };
            let travels = chance.u64(0..=(period / 5).min(2_000));
            let off = chance.u64(0..=2 * skew);
            let by_crm =
                leaves + Duration::from_millis(travels + off) - Duration::from_millis(skew);

            assert_eq!(
                windows.number(by_crm),
                windows.number(leased),
                "leased {leased}, left {leaves}, arrived {by_crm}, period {period}, skew {skew}"
            );
        }
    }
}
