//! How much of a rate is used up, and when there is room again. Pure: it is told the rate and the time.

use std::collections::VecDeque;

use crate::clock::{Timestamp, whole_millis};
use crate::limits::{Counting, Rate};

/// What has been leased lately under a rate.
///
/// It is counted by the rate of the newest lease. Under another way of counting, or another period,
/// nothing has been leased yet.
#[derive(Clone, Debug, Default)]
pub(super) struct RateUse(Option<Box<Counted>>);

#[derive(Clone, Debug)]
enum Counted {
    Fixed {
        period: u64,
        /// The window of the newest lease, by its number.
        window: u64,
        used: u64,
    },
    Sliding {
        period: u64,
        /// How much was leased at which instant, oldest first; and all of it together.
        leases: VecDeque<(u64, u64)>,
        sum: u64,
    },
    Bucket {
        period: u64,
        /// What was missing from the bucket after the newest lease, in parts: a cost of one is as many
        /// as the period has milliseconds, so that each millisecond fills in whole parts.
        missing: u128,
        at: u64,
    },
}

impl RateUse {
    /// When there is room for `cost`; `None` if there is now.
    pub(super) fn full_until(&self, rate: Rate, cost: u32, now: Timestamp) -> Option<Timestamp> {
        let (period, now) = (whole_millis(rate.per), now.as_millis());
        let (count, cost) = (u64::from(rate.count), counted_cost(rate, cost));
        let until = match rate.counting {
            Counting::Fixed => {
                let window = now / period;
                let is_full = self.used_in_window(period, window) + cost > count;
                is_full.then(|| (window + 1).saturating_mul(period))
            }
            Counting::Sliding => {
                let mut too_much = (self.used_within(period, now) + cost).saturating_sub(count);
                let is_full = too_much > 0;
                let frees_enough = |&(_, cost): &(u64, u64)| {
                    too_much = too_much.saturating_sub(cost);
                    too_much == 0
                };
                let last = is_full.then(|| self.within(period, now).find(frees_enough));
                last.flatten().map(|(at, _)| at + period)
            }
            Counting::Bucket { burst } => {
                let parts = |cost: u64| u128::from(cost) * u128::from(period);
                let needed = self.missing(period, count, now) + parts(cost);
                let too_much = needed.saturating_sub(parts(burst.into()));
                let wait = u64::try_from(too_much.div_ceil(u128::from(count)));
                (too_much > 0).then(|| now.saturating_add(wait.unwrap_or(u64::MAX)))
            }
        };
        until.map(Timestamp::from_millis)
    }

    /// Counts a lease.
    pub(super) fn take(&mut self, rate: Rate, cost: u32, now: Timestamp) {
        let (period, now) = (whole_millis(rate.per), now.as_millis());
        let cost = counted_cost(rate, cost);
        let counted = match rate.counting {
            Counting::Fixed => {
                let window = now / period;
                let used = self.used_in_window(period, window) + cost;
                Counted::Fixed { period, window, used }
            }
            Counting::Sliding => {
                self.add_to_sliding(period, cost, now);
                return;
            }
            Counting::Bucket { .. } => {
                let missing = self.missing(period, rate.count.into(), now);
                let missing = missing + u128::from(cost) * u128::from(period);
                Counted::Bucket { period, missing, at: now }
            }
        };
        match &mut self.0 {
            Some(counts) => **counts = counted,
            None => self.0 = Some(Box::new(counted)),
        }
    }

    /// Whether anything that was leased still counts.
    pub(super) fn is_in_use(&self, rate: Option<Rate>, now: Timestamp) -> bool {
        let Some(rate) = rate else {
            return false;
        };
        let (period, now) = (whole_millis(rate.per), now.as_millis());
        match rate.counting {
            Counting::Fixed => self.used_in_window(period, now / period) > 0,
            Counting::Sliding => self.within(period, now).next().is_some(),
            Counting::Bucket { .. } => self.missing(period, rate.count.into(), now) > 0,
        }
    }

    fn used_in_window(&self, of: u64, number: u64) -> u64 {
        match self.0.as_deref() {
            Some(Counted::Fixed { period, window, used }) if (*period, *window) == (of, number) => {
                *used
            }
            _ => 0,
        }
    }

    /// All leases since the period or longer, oldest first, with their sum.
    fn sliding(&self, of: u64) -> Option<(&VecDeque<(u64, u64)>, u64)> {
        match self.0.as_deref() {
            Some(Counted::Sliding { period, leases, sum }) if *period == of => Some((leases, *sum)),
            _ => None,
        }
    }

    /// The leases that are not as old as the period yet, oldest first. Those of a clock that was put back by
    /// more than the period since do not count.
    fn within(&self, of: u64, now: u64) -> impl Iterator<Item = (u64, u64)> {
        let leases = self.sliding(of).map(|(leases, _)| leases);
        let young = leases.into_iter().flatten().copied().skip_while(move |(at, _)| at + of <= now);
        young.take_while(move |(at, _)| *at <= now + of)
    }

    fn used_within(&self, of: u64, now: u64) -> u64 {
        self.sliding(of).map_or(0, |(leases, sum)| {
            let past = leases.iter().take_while(|(at, _)| at + of <= now);
            let to_come = leases.iter().rev().take_while(|(at, _)| *at > now + of);
            sum - past.chain(to_come).map(|(_, cost)| cost).sum::<u64>()
        })
    }

    fn add_to_sliding(&mut self, of: u64, cost: u64, now: u64) {
        if self.sliding(of).is_none() {
            let leases = VecDeque::new();
            self.0 = Some(Box::new(Counted::Sliding { period: of, leases, sum: 0 }));
        }
        let Some(Counted::Sliding { leases, sum, .. }) = self.0.as_deref_mut() else {
            return;
        };
        while let Some((at, past)) = leases.front()
            && at + of <= now
        {
            *sum -= past;
            leases.pop_front();
        }
        while let Some((at, to_come)) = leases.back()
            && *at > now + of
        {
            *sum -= to_come;
            leases.pop_back();
        }
        *sum += cost;
        match leases.back_mut() {
            // A clock that was set back counts to the newest lease: its instants must not fall.
            Some((at, cost_then)) if *at >= now => *cost_then += cost,
            _ => leases.push_back((now, cost)),
        }
    }

    /// What is missing from the bucket, in parts.
    fn missing(&self, of: u64, count: u64, now: u64) -> u128 {
        match self.0.as_deref() {
            // A clock that was put back by more than the period finds it full.
            Some(Counted::Bucket { period, missing, at }) if *period == of && *at <= now + of => {
                let filled = u128::from(now.saturating_sub(*at)) * u128::from(count);
                missing.saturating_sub(filled)
            }
            _ => 0,
        }
    }
}

/// A cost that a rate can never have room for costs all of it.
fn counted_cost(rate: Rate, cost: u32) -> u64 {
    let most = match rate.counting {
        Counting::Bucket { burst } => burst,
        Counting::Fixed | Counting::Sliding => rate.count,
    };
    cost.min(most).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const PERIOD: u64 = 100;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn per(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Leases as much as there is room for, and says how much that was.
    fn drain(counts: &mut RateUse, rate: Rate, now: u64) -> u32 {
        let mut taken = 0;
        while counts.full_until(rate, 1, at(now)).is_none() {
            counts.take(rate, 1, at(now));
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_fixed_window_starts_at_a_multiple_of_its_period() {
        let (mut counts, rate) = (RateUse::default(), Rate::fixed(3, per(PERIOD)));

        assert_eq!(drain(&mut counts, rate, 199), 3);
        assert_eq!(counts.full_until(rate, 1, at(199)), Some(at(200)));
        assert_eq!(drain(&mut counts, rate, 200), 3);
        assert_eq!(counts.full_until(rate, 1, at(200)), Some(at(300)));
    }

    #[test]
    fn what_is_as_old_as_the_period_has_slid_out() {
        let (mut counts, rate) = (RateUse::default(), Rate::sliding(2, per(PERIOD)));
        counts.take(rate, 1, at(150));
        counts.take(rate, 1, at(180));

        assert_eq!(counts.full_until(rate, 1, at(180)), Some(at(250)));
        assert_eq!(counts.full_until(rate, 2, at(180)), Some(at(280)));
        assert_eq!(counts.full_until(rate, 1, at(249)), Some(at(250)));
        assert_eq!(counts.full_until(rate, 1, at(250)), None);
    }

    #[test]
    fn a_bucket_is_full_at_first_and_fills_at_its_rate() {
        let (mut counts, rate) = (RateUse::default(), Rate::bucket(3, per(PERIOD), 5));

        assert_eq!(drain(&mut counts, rate, 1_000), 5);
        // A third of the period, rounded up to the clock's step.
        assert_eq!(counts.full_until(rate, 1, at(1_000)), Some(at(1_034)));
        assert_eq!(counts.full_until(rate, 1, at(1_033)), Some(at(1_034)));
        assert_eq!(drain(&mut counts, rate, 1_034), 1);
        // The two parts too many are not lost.
        assert_eq!(counts.full_until(rate, 1, at(1_034)), Some(at(1_067)));
        assert_eq!(drain(&mut counts, rate, 9_000), 5);
    }

    #[test]
    fn a_cost_above_the_rate_takes_all_of_it() {
        for rate in [
            Rate::fixed(4, per(PERIOD)),
            Rate::sliding(4, per(PERIOD)),
            Rate::bucket(9, per(PERIOD), 4),
        ] {
            let mut counts = RateUse::default();
            assert_eq!(counts.full_until(rate, 1_000, at(0)), None);
            counts.take(rate, 1_000, at(0));
            assert!(counts.full_until(rate, 1, at(0)).is_some());
            assert_eq!(drain(&mut counts, rate, 100), 4);
        }
    }

    #[test]
    fn a_rate_that_is_changed_keeps_its_counts() {
        for (before, after, more) in [
            (Rate::fixed(3, per(PERIOD)), Rate::fixed(5, per(PERIOD)), 2),
            (Rate::sliding(3, per(PERIOD)), Rate::sliding(5, per(PERIOD)), 2),
            (Rate::bucket(1, per(PERIOD), 3), Rate::bucket(1, per(PERIOD), 5), 2),
            (Rate::fixed(3, per(PERIOD)), Rate::fixed(3, per(50)), 3),
            (Rate::fixed(3, per(PERIOD)), Rate::sliding(3, per(PERIOD)), 3),
            (Rate::fixed(3, per(PERIOD)), Rate::fixed(2, per(PERIOD)), 0),
        ] {
            let mut counts = RateUse::default();
            assert_eq!(drain(&mut counts, before, 700), 3);
            assert_eq!(drain(&mut counts, after, 700), more, "{before} to {after}");
        }
    }

    #[test]
    fn a_rate_is_in_use_until_all_has_been_counted() {
        for (rate, until) in [
            (Rate::fixed(3, per(PERIOD)), 200),
            (Rate::sliding(3, per(PERIOD)), 250),
            (Rate::bucket(2, per(PERIOD), 3), 200),
        ] {
            let mut counts = RateUse::default();
            assert!(!counts.is_in_use(Some(rate), at(150)));
            counts.take(rate, 1, at(150));
            assert!(counts.is_in_use(Some(rate), at(until - 1)), "{rate}");
            assert!(!counts.is_in_use(Some(rate), at(until)), "{rate}");
            assert!(!counts.is_in_use(None, at(150)));
        }
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1..8_u32, 1..60_u64, 1..8_u32, 0..3).prop_map(
            |(count, ms, burst, counting)| match counting {
                0 => Rate::fixed(count, per(ms)),
                1 => Rate::sliding(count, per(ms)),
                _ => Rate::bucket(count, per(ms), burst),
            },
        )
    }

    /// The most that may be leased from one instant up to, and without, another.
    fn most(rate: Rate, from: u64, to: u64) -> u64 {
        let (count, period) = (u64::from(rate.count), whole_millis(rate.per));
        match rate.counting {
            Counting::Fixed => ((to - 1) / period - from / period + 1) * count,
            Counting::Sliding => (to - from).div_ceil(period) * count,
            Counting::Bucket { burst } => u64::from(burst) + (to - 1 - from) * count / period,
        }
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_has_more_than_the_rate_allows(
            rate in rates(),
            asked in prop::collection::vec((0..40_u64, 1..6_u32), 1..60),
        ) {
            let (mut counts, mut now) = (RateUse::default(), 10_000);
            let mut leases: Vec<(u64, u64)> = Vec::new();
            for (step, cost) in asked {
                now += step;
                match counts.full_until(rate, cost, at(now)) {
                    None => {
                        counts.take(rate, cost, at(now));
                        leases.push((now, counted_cost(rate, cost)));
                    }
                    Some(until) => {
                        let before = Timestamp::from_millis(until.as_millis() - 1);
                        prop_assert!(until > at(now));
                        prop_assert_eq!(counts.full_until(rate, cost, until), None);
                        prop_assert_eq!(counts.full_until(rate, cost, before), Some(until));
                    }
                }
            }
            for (n, (from, _)) in leases.iter().enumerate() {
                let mut sum = 0;
                for (to, cost) in &leases[n..] {
                    sum += cost;
                    prop_assert!(sum <= most(rate, *from, to + 1), "{sum} in {from}..={to}");
                }
            }
        }
    }
}
