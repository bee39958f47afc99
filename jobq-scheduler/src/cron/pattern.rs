//! Which days and times of day a cron expression matches.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use croner::time::Weekday;
use jiff::civil::{Date, DateTime, Time};

use super::field::Field;

/// After so many years the calendar repeats, days of the week included: what has not come by then never
/// comes. What can come at all comes within 40.
const CALENDAR_YEARS: i16 = 400;

/// The seconds, minutes and so on that match, as sets of bits, and `croner` for the days.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u64,
    days: Box<Cron>,
}

impl Pattern {
    /// The pattern of fields that have been read.
    pub(crate) fn of(fields: &[Field; 6], both_days: bool) -> Result<Self, String> {
        let [second, minute, hour, day, month, weekday] = fields;
        let plus = if both_days { "+" } else { "" };
        let text = format!("{second} {minute} {hour} {day} {month} {plus}{weekday}");
        let parser =
            CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
        let mut days = parser.parse(&text).map_err(|fault| fault.to_string())?;
        // Five thousand bytes that say that all years match.
        days.pattern.years = Default::default();
        let bits = |values: Vec<u16>| values.into_iter().fold(0, |bits, value| bits | 1 << value);
        Ok(Self {
            seconds: bits(days.pattern.seconds.values()),
            minutes: bits(days.pattern.minutes.values()),
            hours: bits(days.pattern.hours.values()),
            months: bits(days.pattern.months.values()),
            days: Box::new(days),
        })
    }

    /// Whether each hour of the day matches.
    pub(crate) const fn has_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// Whether any day matches at all.
    pub(crate) fn ever_matches(&self) -> bool {
        self.day_from(Date::constant(2000, 1, 1)).is_some()
    }

    /// The first match at or after a time on the wall. Its fraction of a second is not looked at.
    pub(crate) fn next_from(&self, from: DateTime) -> Option<DateTime> {
        if self.matches_day(from.date())
            && let Some(time) = self.time_from(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let day = self.day_from(from.date().tomorrow().ok()?)?;
        Some(day.to_datetime(self.time_from(Time::midnight())?))
    }

    /// The last match at or before a time on the wall. Its fraction of a second is not looked at.
    pub(crate) fn previous_from(&self, from: DateTime) -> Option<DateTime> {
        if self.matches_day(from.date())
            && let Some(time) = self.time_until(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let day = self.day_until(from.date().yesterday().ok()?)?;
        Some(day.to_datetime(self.time_until(Time::constant(23, 59, 59, 0))?))
    }

    fn matches_day(&self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_zero_offset().unsigned_abs();
        let weekday = Weekday::from_days_from_sunday(u32::from(weekday));
        let (year, month, day) = (date.year(), date.month(), date.day());
        let (month, day) = (u32::from(month.unsigned_abs()), u32::from(day.unsigned_abs()));
        has(self.months, date.month())
            // Errors are for days that do not exist.
            && self.days.pattern.day_match(year.into(), month, day, weekday).unwrap_or(false)
    }

    /// The first matching day at or after one.
    fn day_from(&self, from: Date) -> Option<Date> {
        let mut day = from;
        while day.year() <= from.year().saturating_add(CALENDAR_YEARS) {
            if !has(self.months, day.month()) {
                day = day.last_of_month().tomorrow().ok()?;
            } else if self.matches_day(day) {
                return Some(day);
            } else {
                day = day.tomorrow().ok()?;
            }
        }
        None
    }

    /// The last matching day at or before one.
    fn day_until(&self, until: Date) -> Option<Date> {
        let mut day = until;
        while day.year() >= until.year().saturating_sub(CALENDAR_YEARS) {
            if !has(self.months, day.month()) {
                day = day.first_of_month().yesterday().ok()?;
            } else if self.matches_day(day) {
                return Some(day);
            } else {
                day = day.yesterday().ok()?;
            }
        }
        None
    }

    fn time_from(&self, from: Time) -> Option<Time> {
        let at = |hour, minute, second| Time::new(hour, minute, second, 0).ok();
        let (first_minute, first_second) = (at_least(self.minutes, 0)?, at_least(self.seconds, 0)?);
        if has(self.hours, from.hour()) {
            if has(self.minutes, from.minute())
                && let Some(second) = at_least(self.seconds, from.second())
            {
                return at(from.hour(), from.minute(), second);
            }
            if let Some(minute) = at_least(self.minutes, from.minute() + 1) {
                return at(from.hour(), minute, first_second);
            }
        }
        at(at_least(self.hours, from.hour() + 1)?, first_minute, first_second)
    }

    fn time_until(&self, until: Time) -> Option<Time> {
        let at = |hour, minute, second| Time::new(hour, minute, second, 0).ok();
        let (last_minute, last_second) = (at_most(self.minutes, 59)?, at_most(self.seconds, 59)?);
        if has(self.hours, until.hour()) {
            if has(self.minutes, until.minute())
                && let Some(second) = at_most(self.seconds, until.second())
            {
                return at(until.hour(), until.minute(), second);
            }
            if let Some(minute) = at_most(self.minutes, until.minute() - 1) {
                return at(until.hour(), minute, last_second);
            }
        }
        at(at_most(self.hours, until.hour() - 1)?, last_minute, last_second)
    }
}

const fn has(bits: u64, number: i8) -> bool {
    number >= 0 && bits >> number & 1 == 1
}

/// The least number of a set that is no less than one.
fn at_least(bits: u64, number: i8) -> Option<i8> {
    let rest = bits.checked_shr(u32::try_from(number).ok()?)?;
    (rest != 0).then(|| number + i8::try_from(rest.trailing_zeros()).unwrap_or(0))
}

/// The greatest number of a set that is no more than one.
fn at_most(bits: u64, number: i8) -> Option<i8> {
    let kept = bits & (u64::MAX >> (63 - u32::try_from(number).ok()?.min(63)));
    (kept != 0).then(|| 63 - i8::try_from(kept.leading_zeros()).unwrap_or(0))
}
