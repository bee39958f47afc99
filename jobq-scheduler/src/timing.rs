//! When a schedule ticks: checked, and asked for one tick after the other.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp as Instant;
use jobq_core::{Error, Result, Timestamp};

use crate::cron::Expression;
use crate::describe;
use crate::interval::Interval;
use crate::wall::WallClock;
use crate::zone::Zone;

/// The most by which jitter puts a tick off.
const MOST_JITTER: Duration = Duration::from_secs(86_400);

/// When a schedule ticks: what a [`Schedule`](crate::Schedule) says, checked.
///
/// ```
/// use jobq_core::Timestamp;
/// use jobq_scheduler::Schedule;
///
/// let timing = Schedule::daily_at("02:00").timezone("Europe/Warsaw").timing()?;
/// let now = Timestamp::from_millis(1_795_321_507_042); // 2026-11-22T04:25:07.042Z
///
/// assert_eq!(timing.to_string(), "at 02:00 every day, Europe/Warsaw");
/// assert_eq!(timing.next_after(now).unwrap().to_string(), "2026-11-23T01:00:00.000Z");
/// assert_eq!(timing.previous_before(now).unwrap().to_string(), "2026-11-22T01:00:00.000Z");
/// assert_eq!(timing.ticks_after(now).take(7).count(), 7);
/// # Ok::<(), jobq_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timing {
    rhythm: Rhythm,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    jitter: Duration,
    description: Box<str>,
}

#[derive(Clone, Debug)]
enum Rhythm {
    WallClock(Box<WallClock>),
    Interval(Interval),
}

impl Timing {
    /// The times that a cron expression matches in a time zone.
    pub(crate) fn cron(text: &str, zone: Zone) -> Result<Self> {
        let expression = Expression::read(text)?;
        let description = format!("{}, {}", describe::expression(&expression), zone.name());
        let clock = WallClock::new(expression.pattern, zone);
        Ok(Self::of(Rhythm::WallClock(Box::new(clock)), description))
    }

    /// Whole multiples of an interval, from an instant on.
    pub(crate) fn every(period: Duration, anchor: Timestamp) -> Result<Self> {
        let interval = Interval::new(period, anchor.as_millis())?;
        Ok(Self::of(Rhythm::Interval(interval), describe::interval(period)))
    }

    fn of(rhythm: Rhythm, description: String) -> Self {
        Self {
            rhythm,
            starts_at: None,
            ends_at: None,
            jitter: Duration::ZERO,
            description: description.into(),
        }
    }

    /// The same within bounds.
    pub(crate) fn within(
        mut self,
        starts_at: Option<Timestamp>,
        ends_at: Option<Timestamp>,
    ) -> Result<Self> {
        (self.starts_at, self.ends_at) = (starts_at, ends_at);
        let first = starts_at.map_or(Timestamp::EPOCH, |start| start);
        if (starts_at.is_some() || ends_at.is_some()) && self.next_from(first).is_none() {
            let end = ends_at.map(|end| format!(" to ends_at, {end}")).unwrap_or_default();
            return Err(Error::invalid_input(format!(
                "never fires: there is no tick from starts_at, {first},{end}"
            )));
        }
        Ok(self)
    }

    /// The same with each tick put off by some of this.
    pub(crate) fn jittered(mut self, jitter: Duration) -> Result<Self> {
        let most = match &self.rhythm {
            Rhythm::Interval(interval) => interval.period().min(MOST_JITTER),
            Rhythm::WallClock(_) => MOST_JITTER,
        };
        if jitter > most {
            return Err(Error::invalid_input(format!(
                "a jitter of {jitter:?} is more than the {most:?} allowed: a day, and no longer than the \
                 interval"
            )));
        }
        self.jitter = jitter;
        Ok(self)
    }

    /// The first tick after an instant; `None` if there is none any more.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        match self.starts_at {
            Some(start) if instant < start => self.next_from(start),
            _ => self.before_end(self.rhythm.next_after(instant)?),
        }
    }

    /// The last tick before an instant; `None` if there was none yet.
    #[must_use]
    pub fn previous_before(&self, instant: Timestamp) -> Option<Timestamp> {
        let before = self.ends_at.map_or(instant, |end| end.min(instant));
        let tick = self.rhythm.previous_before(before)?;
        (self.starts_at.is_none_or(|start| start <= tick)).then_some(tick)
    }

    /// All ticks after an instant, one after the other: without end, if the schedule has none.
    #[must_use]
    pub const fn ticks_after(&self, instant: Timestamp) -> Ticks<'_> {
        Ticks { timing: self, last: Some(instant) }
    }

    /// The ticks after one instant and up to another, at most so many: the first ones.
    #[must_use]
    pub fn between(&self, after: Timestamp, until: Timestamp, at_most: usize) -> Vec<Timestamp> {
        self.ticks_after(after).take_while(|tick| *tick <= until).take(at_most).collect()
    }

    /// When a tick is to run: some of the [jitter](crate::Schedule::jitter) later, the same for the same
    /// name and tick in every process. The name is that of the group and of the schedule, with a slash
    /// between them: `shop/prune`. It waits for earlier ticks that run later.
    #[must_use]
    pub fn runs_at(&self, name: &str, tick: Timestamp) -> Timestamp {
        let jitter = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        if jitter == 0 {
            return tick;
        }
        tick + Duration::from_millis(scattered(name, tick) % jitter)
    }

    /// By how much ticks are put off at most.
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        self.jitter
    }

    /// The name of the time zone; `None` for an interval, which has none.
    #[must_use]
    pub fn timezone(&self) -> Option<&str> {
        match &self.rhythm {
            Rhythm::WallClock(clock) => Some(clock.zone().name()),
            Rhythm::Interval(_) => None,
        }
    }

    /// The first tick at or after an instant.
    fn next_from(&self, instant: Timestamp) -> Option<Timestamp> {
        let Some(before) = instant.as_millis().checked_sub(1) else {
            // The epoch: nothing before it can be said.
            let next = self.rhythm.next_after(Timestamp::EPOCH)?;
            let is_tick = self.rhythm.previous_before(Timestamp::from_millis(1));
            return self.before_end(is_tick.unwrap_or(next));
        };
        self.before_end(self.rhythm.next_after(Timestamp::from_millis(before))?)
    }

    fn before_end(&self, tick: Timestamp) -> Option<Timestamp> {
        (self.ends_at.is_none_or(|end| tick < end)).then_some(tick)
    }
}

impl Rhythm {
    fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        match self {
            Self::WallClock(clock) => from_instant(clock.next_after(to_instant(instant))?),
            Self::Interval(interval) => {
                interval.next_after(instant.as_millis()).map(Timestamp::from_millis)
            }
        }
    }

    fn previous_before(&self, instant: Timestamp) -> Option<Timestamp> {
        match self {
            Self::WallClock(clock) => from_instant(clock.previous_before(to_instant(instant))?),
            Self::Interval(interval) => {
                interval.previous_before(instant.as_millis()).map(Timestamp::from_millis)
            }
        }
    }
}

impl fmt::Display for Timing {
    /// In plain English: "at 02:00 every day, Europe/Warsaw".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}

/// Ticks one after the other: see [`Timing::ticks_after`].
#[derive(Clone, Debug)]
pub struct Ticks<'a> {
    timing: &'a Timing,
    last: Option<Timestamp>,
}

impl Iterator for Ticks<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        self.last = self.timing.next_after(self.last?);
        self.last
    }
}

/// Instants beyond the year 9999 are its end.
fn to_instant(timestamp: Timestamp) -> Instant {
    let ms = i64::try_from(timestamp.as_millis()).unwrap_or(i64::MAX);
    Instant::from_millisecond(ms).unwrap_or(Instant::MAX)
}

fn from_instant(instant: Instant) -> Option<Timestamp> {
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}

/// A number that looks like chance and is the same for the same name and tick: FNV-1a, mixed by the end
/// of `SplitMix64`.
fn scattered(name: &str, tick: Timestamp) -> u64 {
    let tick = tick.as_millis().to_le_bytes();
    let hash = name.bytes().chain(tick).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}
