//! What users write: when, in which time zone, between which instants, and which job.

use std::time::Duration;

use jobq_core::{
    Error, ErrorKind, Job, JobId, JobRecord, Priority, QueueName, Result, Timestamp, UniqueMode,
};

use crate::calendar::{Weekday, time_of_day};
use crate::definition::{Plan, Rhythm};
use crate::policy::{CatchUp, Overlap};
use crate::stored_job::StoredJob;
use crate::timing::Timing;
use crate::zone::Zone;

/// The largest payload of a scheduled job: all schedules of a group are read together.
const MOST_PAYLOAD_BYTES: usize = 64 * 1024;

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
    /// second. Which part is the same wherever it is asked for: see [`Timing::runs_at`]. At most a day, and
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

    /// Checks it as a scheduler does, with its job.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), as [`timing`](Self::timing); and when there is no job, or
    /// one that cannot be enqueued.
    pub fn check(&self) -> Result<()> {
        self.plan().map(drop)
    }

    /// What a group keeps of it.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, saying all that is wrong with it.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let timing = self.timing();
        let Some(record) = &self.job else {
            let mut message = "it has no job: say which with .job(…)".to_owned();
            if let Err(fault) = timing {
                message = format!("{fault}; {message}");
            }
            return Err(Error::invalid_input(message));
        };
        timing?;
        // With the longest of what each tick adds.
        let mut longest = record.clone();
        longest.metadata.insert("schedule", "x".repeat(201));
        longest.metadata.insert("tick", Timestamp::EPOCH.to_string());
        longest.check()?;
        self.catch_up.check()?;
        self.check_job(record)?;
        Plan::new(self, record)
    }

    /// Refuses a job that could be enqueued, but not by this schedule.
    fn check_job(&self, record: &JobRecord) -> Result<()> {
        if record.batch.is_some() {
            return Err(Error::invalid_input("its job cannot be counted by a batch"));
        }
        let bytes = record.payload.as_bytes().len();
        if bytes > MOST_PAYLOAD_BYTES {
            return Err(Error::invalid_input(format!(
                "its job has a payload of {bytes} bytes, more than the {MOST_PAYLOAD_BYTES} that a schedule may \
                 have: store the data elsewhere and pass a reference"
            )));
        }
        let is_held = record.unique.as_ref().is_some_and(|it| it.mode == UniqueMode::UntilFinished);
        let waits = match self.overlap {
            Overlap::Queue => "Overlap::Queue",
            Overlap::Cancel => "Overlap::Cancel",
            _ => return Ok(()),
        };
        if is_held {
            return Err(Error::invalid_input(format!(
                "{waits} enqueues a job while another one is live, which the job's unique key refuses until that \
                 has finished: say Overlap::Skip, or leave the key away"
            )));
        }
        Ok(())
    }

    pub(crate) fn plan_with(&self, job: StoredJob) -> Plan {
        Plan::of(
            self.rhythm.clone(),
            self.timezone.clone(),
            (self.starts_at, self.ends_at),
            self.jitter,
            (self.catch_up, self.overlap),
            job,
        )
    }

    /// When a plan ticks; without its job.
    pub(crate) fn from_plan(plan: &Plan) -> Self {
        let mut schedule = Self::of(plan.rhythm.clone());
        schedule.timezone.clone_from(&plan.timezone);
        (schedule.starts_at, schedule.ends_at) = (plan.starts_at, plan.ends_at);
        schedule.jitter = plan.jitter;
        schedule
    }

    /// When it ticks.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), saying all that is wrong with it: an expression that is
    /// none or never fires, an unknown time zone, a time of day that there is not.
    pub fn timing(&self) -> Result<Timing> {
        let mut faults = self.faults.clone();
        let timing = self.rhythm_in_zone().map_err(|fault| faults.push(fault.to_string())).ok();
        let timing = timing.and_then(|timing| {
            let checked = timing
                .within(self.starts_at, self.ends_at)
                .and_then(|timing| timing.jittered(self.jitter));
            checked.map_err(|fault| faults.push(fault.to_string())).ok()
        });
        match timing {
            Some(timing) if faults.is_empty() => Ok(timing),
            _ => Err(Error::new(ErrorKind::InvalidInput, faults.join("; "))),
        }
    }

    fn rhythm_in_zone(&self) -> Result<Timing> {
        match &self.rhythm {
            Rhythm::Cron(expression) => {
                let zone = self.timezone.as_deref().map_or(Ok(Zone::UTC), Zone::named);
                // Both, if both are wrong.
                match (Timing::cron(expression, Zone::UTC), zone) {
                    (Err(fault), Err(other)) => {
                        Err(Error::invalid_input(format!("{fault}; {other}")))
                    }
                    (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
                    (Ok(_), Ok(zone)) => Timing::cron(expression, zone),
                }
            }
            Rhythm::Every(_) if self.timezone.is_some() => Err(Error::invalid_input(
                "an interval counts elapsed time and takes no time zone: say daily_at or cron to go by the \
                 clocks of one",
            )),
            Rhythm::Every(interval) => {
                Timing::every(*interval, self.starts_at.unwrap_or(Timestamp::EPOCH))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jobq_core::{Payload, Unique, UniqueKey};

    use super::*;
    use crate::units::TimeUnits;

    fn told(schedule: &Schedule) -> String {
        schedule.timing().unwrap().to_string()
    }

    fn refused(schedule: &Schedule) -> String {
        schedule.timing().unwrap_err().to_string()
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

    #[test]
    fn all_mistakes_are_told_at_once() {
        let message = refused(&Schedule::cron("61 * * * *").timezone("Europe/Warsa").priority(3));

        assert_eq!(
            message,
            "priority comes after job: there is none to change yet; cron expression \"61 * * * *\": minute \
             \"61\": 61 is not 0 to 59; time zone \"Europe/Warsa\" is not known: did you mean \
             \"Europe/Warsaw\"?"
        );
    }

    fn plan_refused(schedule: &Schedule) -> String {
        schedule.plan().unwrap_err().to_string()
    }

    #[test]
    fn a_job_that_may_not_be_enqueued_beside_itself_cannot_wait_for_itself() {
        let mut record = crate::faults::record("one");
        let key = UniqueKey::from_bytes([7; 16]);
        record.unique = Some(Unique::new(key, UniqueMode::UntilFinished));
        for (overlap, why) in
            [(Overlap::Queue, "Overlap::Queue"), (Overlap::Cancel, "Overlap::Cancel")]
        {
            let message = plan_refused(&Schedule::hourly().overlap(overlap).record(record.clone()));
            assert!(message.starts_with(why) && message.contains("unique key"), "{message}");
        }
        Schedule::hourly().without_overlapping().record(record.clone()).plan().unwrap();
        record.unique = Some(Unique::new(key, UniqueMode::UntilStarted));
        Schedule::hourly().overlap(Overlap::Queue).record(record).plan().unwrap();
    }

    #[test]
    fn a_catch_up_that_makes_up_for_nothing_is_refused() {
        let hourly = || Schedule::hourly().record(crate::faults::record("one"));
        for (catch_up, why) in [
            (CatchUp::all(0), "CatchUp::all(0)"),
            (CatchUp::last().within(Duration::ZERO), "5 s or more"),
            (CatchUp::all(9).within(Duration::from_millis(4_999)), "5 s or more"),
        ] {
            let message = plan_refused(&hourly().catch_up(catch_up));
            assert!(message.contains(why), "{message}");
        }
        assert_eq!(CatchUp::skip().within(1.days()), CatchUp::skip());
    }

    #[test]
    fn a_large_payload_is_refused() {
        let mut record = crate::faults::record("one");
        record.payload = Payload::from_bytes(vec![0; MOST_PAYLOAD_BYTES + 1]).unwrap();
        let message = plan_refused(&Schedule::hourly().record(record));
        assert!(message.contains("65537 bytes, more than the 65536"), "{message}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (schedule, why) in [
            (Schedule::daily_at("25:00"), "\"25:00\" is not a time of day"),
            (Schedule::hourly_at(60), "60 is not 0 to 59"),
            (Schedule::monthly_on(0, "02:00"), "day of month \"0\": 0 is not 1 to 31"),
            (Schedule::yearly_on(2, 30, "02:00"), "never fires"),
            (Schedule::every(30.minutes()).weekdays(), "goes on through all days"),
            (Schedule::every(30.minutes()).timezone("UTC"), "takes no time zone"),
            (Schedule::every(30.minutes()).jitter(31.minutes()), "no longer than the interval"),
            (Schedule::every(Duration::ZERO), "from one second to ten years"),
            (Schedule::daily().jitter(25.hours()), "a day"),
            (Schedule::weekly_on(Weekday::Monday, "02:00").weekdays(), "it has its own"),
            (Schedule::daily().on_days([]), "there is no day among them"),
            (Schedule::cron("@daily").weekdays(), "say it with five fields"),
            (Schedule::cron("0 2 1 * ?").weekdays(), "it has its own"),
            (Schedule::daily().starts_at(Timestamp::from_millis(u64::MAX)), "never fires"),
            (
                Schedule::daily_at("02:00")
                    .starts_at(Timestamp::from_millis(7_200_001))
                    .ends_at(Timestamp::from_millis(86_400_000)),
                "never fires: there is no tick from starts_at",
            ),
        ] {
            let message = refused(&schedule);
            assert!(message.contains(why), "{message}");
        }
    }
}
