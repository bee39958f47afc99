//! What users write: when, in which time zone, between which instants, and which job.

mod plan;

use std::time::Duration;

use jobq_core::{Error, Job, JobId, JobRecord, Priority, QueueName, Timestamp};

use crate::calendar::{Weekday, time_of_day};
use crate::definition::Rhythm;
use crate::policy::{CatchUp, Overlap};

/// When a job is enqueued, again and again.
///
/// ```
/// use jobq_core::Job;
/// use jobq_scheduler::{Schedule, TimeUnits, Weekday};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct PruneFailed { hours: u32 }
///
/// let prune = || PruneFailed { hours: 168 };
/// Schedule::cron("0 2 * * *").timezone("Europe/Warsaw").job(prune());
/// Schedule::daily_at("02:00").timezone("Europe/Warsaw").job(prune()); // the same
/// Schedule::every(30.minutes()).jitter(10.seconds()).job(prune());
/// Schedule::hourly().weekdays().job(prune());
/// Schedule::weekly_on(Weekday::Monday, "09:00").job(prune());
/// Schedule::monthly_on(15, "04:30").job(prune());
/// ```
///
/// Nothing is checked while it is put together. Mistakes are reported together where it is registered, and
/// by [`timing`](Self::timing).
#[derive(Clone, Debug)]
#[must_use = "a schedule does nothing until a scheduler runs it"]
pub struct Schedule {
    rhythm: Rhythm,
    timezone: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    jitter: Duration,
    catch_up: CatchUp,
    overlap: Overlap,
    job: Option<JobRecord>,
    faults: Vec<String>,
}

impl Schedule {
    /// By a cron expression: minute, hour, day of month, month, day of week, with the second before them
    /// if need be, or a name such as `@hourly`. In UTC, unless it has a [`timezone`](Self::timezone).
    ///
    /// What may stand in it is told in the [crate's documentation](crate#cron-expressions).
    pub fn cron(expression: impl Into<String>) -> Self {
        Self::of(Rhythm::Cron(expression.into()))
    }

    /// At equal distances in elapsed time: at whole multiples of the interval since the epoch, or since
    /// [`starts_at`](Self::starts_at), the first tick. Every process comes to the same ticks.
    pub fn every(interval: Duration) -> Self {
        Self::of(Rhythm::Every(interval))
    }

    /// At the start of every minute.
    pub fn every_minute() -> Self {
        Self::cron("* * * * *")
    }

    /// At the start of every hour.
    pub fn hourly() -> Self {
        Self::hourly_at(0)
    }

    /// Every hour, so many minutes past.
    pub fn hourly_at(minute: u8) -> Self {
        Self::cron(format!("{minute} * * * *"))
    }

    /// Every day at midnight.
    pub fn daily() -> Self {
        Self::daily_at("00:00")
    }

    /// Every day at this time: `"02:00"`, or `"02:00:30"`.
    pub fn daily_at(time: &str) -> Self {
        Self::at(time, "* * *")
    }

    /// Every week on this day, at this time.
    pub fn weekly_on(day: Weekday, time: &str) -> Self {
        Self::at(time, &format!("* * {}", day.name()))
    }

    /// Every month on this day, 1 to 31, at this time. Months that do not have the day are passed over:
    /// see [`monthly_on_last`](Self::monthly_on_last).
    pub fn monthly_on(day: u8, time: &str) -> Self {
        Self::at(time, &format!("{day} * *"))
    }

    /// Every month on its last day, at this time.
    pub fn monthly_on_last(time: &str) -> Self {
        Self::at(time, "L * *")
    }

    /// On the first day of January, April, July and October, at this time.
    pub fn quarterly_at(time: &str) -> Self {
        Self::at(time, "1 1,4,7,10 *")
    }

    /// Every year on this day of this month, 1 to 12, at this time.
    pub fn yearly_on(month: u8, day: u8, time: &str) -> Self {
        Self::at(time, &format!("{day} {month} *"))
    }

    fn at(time: &str, days: &str) -> Self {
        match time_of_day(time) {
            Ok([second, minute, hour]) => Self::cron(match second.as_str() {
                "0" => format!("{minute} {hour} {days}"),
                _ => format!("{second} {minute} {hour} {days}"),
            }),
            Err(fault) => Self::cron(format!("0 0 {days}")).with_fault(&fault),
        }
    }

    fn of(rhythm: Rhythm) -> Self {
        Self {
            rhythm,
            timezone: None,
            starts_at: None,
            ends_at: None,
            jitter: Duration::ZERO,
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
            job: None,
            faults: Vec::new(),
        }
    }

    /// From Monday to Friday only.
    pub fn weekdays(self) -> Self {
        self.only_on("1-5")
    }

    /// On Saturdays and Sundays only.
    pub fn weekends(self) -> Self {
        self.only_on("6,0")
    }

    /// On these days of the week only.
    pub fn on_days(self, days: impl IntoIterator<Item = Weekday>) -> Self {
        let names: Vec<_> = days.into_iter().map(Weekday::name).collect();
        self.only_on(&names.join(","))
    }

    /// Puts days into an expression that has every day as yet.
    fn only_on(mut self, days: &str) -> Self {
        let Rhythm::Cron(expression) = &mut self.rhythm else {
            let fault =
                "an interval goes on through all days: say daily_at or cron to have some only";
            return self.refused(fault.to_owned());
        };
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let is_any = |field: &str| field == "*" || field == "?";
        let why = match fields.as_slice() {
            _ if days.is_empty() => "there is no day among them",
            [times @ .., day, month, weekday] if times.len() >= 2 => {
                if is_any(day) && *month == "*" && is_any(weekday) {
                    *expression = format!("{} * * {days}", times.join(" "));
                    return self;
                }
                "it has its own"
            }
            _ => "say it with five fields, such as \"0 2 * * *\"",
        };
        let fault = format!("days {days:?} cannot be added to {expression:?}: {why}");
        self.refused(fault)
    }

    /// The time zone whose clocks count: a name of the IANA database, such as `"Europe/Warsaw"`. UTC by
    /// default. An interval counts elapsed time and takes none.
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        self.timezone = Some(name.into());
        self
    }

    /// No tick before this instant; of an interval, the first one is at it.
    pub fn starts_at(mut self, instant: Timestamp) -> Self {
        self.starts_at = Some(instant);
        self
    }

    /// No tick at this instant or later.
    pub fn ends_at(mut self, instant: Timestamp) -> Self {
        self.ends_at = Some(instant);
        self
    }

    /// Puts each tick off by some part of this, so that not all schedules of an hour run in its first
    /// second. Which part is the same wherever it is asked for: see [`Timing::runs_at`](crate::Timing::runs_at). At most a day, and
    /// of an interval at most the interval.
    ///
    /// Each tick comes, and in its order: one that would run before an earlier one waits for that. What is put
    /// off by this is not late, and was not missed: [`CatchUp`] is about ticks that are later than that.
    pub const fn jitter(mut self, at_most: Duration) -> Self {
        self.jitter = at_most;
        self
    }

    /// Which missed ticks are made up for: the newest by default.
    pub const fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// What a tick does while a job of the schedule is still live: by default it is enqueued all the same.
    pub const fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Leaves out ticks while a job of the schedule is still live: [`Overlap::Skip`].
    pub const fn without_overlapping(self) -> Self {
        self.overlap(Overlap::Skip)
    }

    /// The job that is enqueued at each tick. Its metadata says `schedule` and `tick`.
    pub fn job<J: Job>(self, job: J) -> Self {
        match JobRecord::of(JobId::from_bytes([0; 16]), &job) {
            Ok(record) => self.record(record),
            Err(fault) => self.with_fault(&fault),
        }
    }

    /// The job that is enqueued at each tick, in its untyped form. Each tick has an id of its own.
    pub fn record(mut self, record: JobRecord) -> Self {
        self.job = Some(record);
        self
    }

    /// Puts the [job](Self::job), named before this, into another queue than its type's.
    pub fn on(self, queue: impl AsRef<str>) -> Self {
        match QueueName::new(queue) {
            Ok(queue) => self.with_job("on", |job| job.queue = queue),
            Err(fault) => self.with_fault(&fault),
        }
    }

    /// Overrides the priority of the [job](Self::job), named before this: 0 to 15, higher first.
    pub fn priority(self, level: u8) -> Self {
        match Priority::new(level) {
            Ok(priority) => self.with_job("priority", |job| job.priority = priority),
            Err(fault) => self.with_fault(&fault),
        }
    }

    fn with_job(mut self, setter: &str, change: impl FnOnce(&mut JobRecord)) -> Self {
        match &mut self.job {
            Some(job) => change(job),
            None => {
                return self
                    .refused(format!("{setter} comes after job: there is none to change yet"));
            }
        }
        self
    }

    fn with_fault(self, fault: &Error) -> Self {
        self.refused(fault.to_string())
    }

    pub(crate) fn refused(mut self, fault: String) -> Self {
        self.faults.push(fault);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::TimeUnits;

    fn told(schedule: &Schedule) -> String {
        schedule.timing().unwrap().to_string()
    }

    #[test]
    fn shorthands_mean_what_they_say() {
        for (schedule, english) in [
            (Schedule::every_minute(), "every minute, UTC"),
            (Schedule::hourly(), "every hour, UTC"),
            (Schedule::hourly_at(17).weekdays(), "every hour at minute 17 on weekdays, UTC"),
            (Schedule::daily(), "at 00:00 every day, UTC"),
            (
                Schedule::daily_at("2:30:05").timezone("Asia/Tokyo"),
                "at 02:30:05 every day, Asia/Tokyo",
            ),
            (Schedule::daily_at("02:00").weekends(), "at 02:00 on weekends, UTC"),
            (Schedule::cron("0 2 * * ?").weekdays(), "at 02:00 on weekdays, UTC"),
            (
                Schedule::daily_at("02:00").on_days([Weekday::Monday, Weekday::Thursday]),
                "at 02:00 on Mondays and Thursdays, UTC",
            ),
            (Schedule::weekly_on(Weekday::Sunday, "09:00"), "at 09:00 on Sundays, UTC"),
            (Schedule::monthly_on(31, "04:30"), "at 04:30 on the 31st of every month, UTC"),
            (Schedule::monthly_on_last("04:30"), "at 04:30 on the last day of every month, UTC"),
            (
                Schedule::quarterly_at("01:00"),
                "at 01:00 on the 1st of January, April, July and October, UTC",
            ),
            (Schedule::yearly_on(12, 24, "18:00"), "at 18:00 on the 24th of December, UTC"),
            (Schedule::every(30.minutes()), "every 30 minutes"),
        ] {
            assert_eq!(told(&schedule), english);
        }
    }
}
