//! From what users write to what a group keeps: checked, with all mistakes told at once.

use jobq_core::{Error, ErrorKind, JobRecord, Result, Timestamp, UniqueMode};

use super::Schedule;
use crate::definition::{Plan, Rhythm};
use crate::policy::Overlap;
use crate::stored_job::StoredJob;
use crate::timing::Timing;
use crate::zone::Zone;

/// The largest payload of a scheduled job: all schedules of a group are read together.
const MOST_PAYLOAD_BYTES: usize = 64 * 1024;

impl Schedule {
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
    use std::time::Duration;

    use jobq_core::{Payload, Unique, UniqueKey};

    use super::*;
    use crate::calendar::Weekday;
    use crate::policy::CatchUp;
    use crate::units::TimeUnits;

    fn refused(schedule: &Schedule) -> String {
        schedule.timing().unwrap_err().to_string()
    }

    fn plan_refused(schedule: &Schedule) -> String {
        schedule.plan().unwrap_err().to_string()
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
