//! Durations as they are said.

use std::time::Duration;

/// Lets durations be written as they are said: `30.minutes()`.
///
/// ```
/// use std::time::Duration;
/// use jobq_scheduler::TimeUnits;
///
/// assert_eq!(30.minutes(), Duration::from_secs(1800));
/// assert_eq!(1.days() + 12.hours(), Duration::from_secs(36 * 3600));
/// ```
pub trait TimeUnits: Copy {
    /// So many seconds.
    fn seconds(self) -> Duration;

    /// So many minutes.
    fn minutes(self) -> Duration {
        self.seconds().saturating_mul(60)
    }

    /// So many hours.
    fn hours(self) -> Duration {
        self.seconds().saturating_mul(3_600)
    }

    /// So many times 24 hours.
    fn days(self) -> Duration {
        self.seconds().saturating_mul(86_400)
    }

    /// So many times seven days of 24 hours.
    fn weeks(self) -> Duration {
        self.seconds().saturating_mul(604_800)
    }
}

impl TimeUnits for u64 {
    fn seconds(self) -> Duration {
        Duration::from_secs(self)
    }
}
