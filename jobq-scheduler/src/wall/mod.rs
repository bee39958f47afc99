//! Cron expressions in a time zone: what becomes of times that clocks skip or show twice.

#[cfg(test)]
mod every_zone;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan};

use crate::cron::Pattern;
use crate::zone::{Moment, Zone};

/// More changes of clocks than come between two ticks of anything.
const MOST_CHANGES: usize = 10_000;

/// A pattern on the clocks of a zone.
///
/// The contract is in the [crate's documentation](crate#when-clocks-change). A pattern with every hour of
/// the day goes by what the clock shows as time passes; any other by the calendar, on which each time of
/// day comes once.
#[derive(Clone, Debug)]
pub(crate) struct WallClock {
    pattern: Pattern,
    zone: Zone,
}

impl WallClock {
    pub(crate) const fn new(pattern: Pattern, zone: Zone) -> Self {
        Self { pattern, zone }
    }

    pub(crate) const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first tick after an instant.
    pub(crate) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.pattern.has_every_hour() {
            self.next_shown(after)
        } else {
            self.next_on_calendar(after)
        }
    }

    /// The last tick before an instant.
    pub(crate) fn previous_before(&self, before: Timestamp) -> Option<Timestamp> {
        if self.pattern.has_every_hour() {
            self.previous_shown(before)
        } else {
            self.previous_on_calendar(before)
        }
    }

    // Times of day to instants is a mapping that never goes backwards, so that the first match whose
    // instant is late enough is the one.
    fn next_on_calendar(&self, after: Timestamp) -> Option<Timestamp> {
        let mut wall = whole(self.zone.wall(after));
        loop {
            wall = self.pattern.next_from(wall)?;
            let at = self.zone.moment(wall)?.instant();
            if at > after {
                return Some(at);
            }
            wall = wall.checked_add(1.second()).ok()?;
        }
    }

    fn previous_on_calendar(&self, before: Timestamp) -> Option<Timestamp> {
        let mut wall = match self.zone.end_of_repetition(before) {
            Some(end) => end.checked_sub(1.second()).ok()?,
            None => whole(self.zone.wall(before)),
        };
        loop {
            wall = self.pattern.previous_from(wall)?;
            let moment = self.zone.moment(wall)?;
            if moment.instant() < before {
                return Some(moment.instant());
            }
            // All times that are skipped together are one instant.
            if let Moment::Skipped { from, .. } = moment {
                wall = from;
            }
            wall = wall.checked_sub(1.second()).ok()?;
        }
    }

    // Between two changes clocks and time go together.
    fn next_shown(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = Timestamp::from_second(after.as_second().checked_add(1)?).ok()?;
        for _ in 0..MOST_CHANGES {
            let offset = self.zone.offset(from);
            let wall = self.pattern.next_from(offset.to_datetime(from))?;
            let at = offset.to_timestamp(wall).ok()?;
            match self.zone.next_change(from) {
                Some(change) if change <= at => from = change,
                _ => return Some(at),
            }
        }
        None
    }

    fn previous_shown(&self, before: Timestamp) -> Option<Timestamp> {
        let mut until = before.checked_sub(1.nanosecond()).ok()?;
        for _ in 0..MOST_CHANGES {
            let offset = self.zone.offset(until);
            let wall = self.pattern.previous_from(whole(offset.to_datetime(until)))?;
            let at = offset.to_timestamp(wall).ok()?;
            match self.zone.last_change(until) {
                Some(change) if at < change => until = change.checked_sub(1.nanosecond()).ok()?,
                _ => return Some(at),
            }
        }
        None
    }
}

/// Without the fraction of a second.
fn whole(wall: DateTime) -> DateTime {
    wall.with().subsec_nanosecond(0).build().unwrap_or(wall)
}
