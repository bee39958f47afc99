//! Whether the limits held, by what handlers noted of themselves: the store is not asked.

use std::time::Duration;

/// A time in which a job surely held its place, in ms of the store's clock: from its lease on, until its handler ended
/// or the lease could have run out unrenewed. What came of it after that, the handler does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// The first moment at which more than so many held at once.
pub(crate) fn more_at_once_than(most: u32, holds: &[Hold]) -> Option<u64> {
    // At one and the same moment an end comes before a begin.
    let mut steps: Vec<(u64, bool)> = holds
        .iter()
        .filter(|hold| hold.from < hold.until)
        .flat_map(|hold| [(hold.from, true), (hold.until, false)])
        .collect();
    steps.sort_unstable();
    let mut at_once = 0;
    for (moment, begins) in steps {
        if begins {
            at_once += 1;
            if at_once > most {
                return Some(moment);
            }
        } else {
            at_once -= 1;
        }
    }
    None
}

/// The first moment from which on there were more than so many within a period.
pub(crate) fn more_within_than(most: u32, period: Duration, moments: &mut [u64]) -> Option<u64> {
    moments.sort_unstable();
    let (most, period) = (most as usize, period.as_millis() as u64);
    moments
        .windows(most + 1)
        .find(|window| window[most] - window[0] < period)
        .map(|window| window[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(times: &[(u64, u64)]) -> Vec<Hold> {
        times.iter().map(|(from, until)| Hold { from: *from, until: *until }).collect()
    }

    #[test]
    fn three_at_once_are_more_than_two() {
        assert_eq!(more_at_once_than(2, &holds(&[(0, 10), (5, 15), (9, 20)])), Some(9));
        assert_eq!(more_at_once_than(2, &holds(&[(0, 10), (5, 15), (10, 20)])), None);
        assert_eq!(more_at_once_than(2, &holds(&[(0, 10), (0, 10), (3, 3)])), None);
        assert_eq!(more_at_once_than(2, &[]), None);
    }

    #[test]
    fn any_period_counts_not_only_whole_seconds() {
        let second = Duration::from_secs(1);
        assert_eq!(more_within_than(2, second, &mut [100, 1_500, 900, 1_850]), Some(900));
        assert_eq!(more_within_than(2, second, &mut [0, 1, 1_000, 1_001]), None);
        assert_eq!(more_within_than(2, second, &mut [7]), None);
    }
}
