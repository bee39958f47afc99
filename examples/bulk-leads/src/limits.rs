//! How much a user may ask for. What has been asked for is counted from the jobs themselves, and from a sum
//! of the leads that were changed at once, which is written in the transaction that changes them: there is
//! no counter that could be wrong.

use std::fmt;
use std::time::Duration;

use jobq_core::Timestamp;
use serde::Serialize;

/// Milliseconds in a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// When to ask again while too many jobs are pending. Nobody knows when the next one ends; most take
/// seconds.
const PENDING_RETRY_S: u64 = 10;

/// The limits that hold for an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Limits {
    /// Jobs of a user that have not ended.
    pub max_pending_jobs: u64,
    /// Jobs of a user in a day, from midnight UTC on.
    pub max_jobs_per_day: u64,
    /// Leads of one job.
    pub max_leads_per_job: u64,
    /// Leads of a user in a day, over all jobs and all requests that change leads at once.
    pub max_leads_per_day: u64,
    /// Seconds from one job of a user to the next.
    pub min_seconds_between_jobs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pending_jobs: 10,
            max_jobs_per_day: 100,
            max_leads_per_job: 10_000,
            max_leads_per_day: 50_000,
            min_seconds_between_jobs: 30,
        }
    }
}

/// What a key has in place of the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct LimitOverrides {
    /// In place of [`Limits::max_pending_jobs`].
    pub max_pending_jobs: Option<u64>,
    /// In place of [`Limits::max_jobs_per_day`].
    pub max_jobs_per_day: Option<u64>,
    /// In place of [`Limits::max_leads_per_job`].
    pub max_leads_per_job: Option<u64>,
    /// In place of [`Limits::max_leads_per_day`].
    pub max_leads_per_day: Option<u64>,
    /// In place of [`Limits::min_seconds_between_jobs`].
    pub min_seconds_between_jobs: Option<u64>,
}

impl LimitOverrides {
    /// No limits but those of the API itself: for benchmarks.
    pub(crate) const LIFTED: Self = Self {
        max_pending_jobs: Some(1_000_000),
        max_jobs_per_day: Some(1_000_000_000),
        max_leads_per_job: Some(1_000_000_000),
        max_leads_per_day: Some(1_000_000_000_000),
        min_seconds_between_jobs: Some(0),
    };

    /// What holds for the key.
    #[must_use]
    pub fn over(&self, limits: Limits) -> Limits {
        Limits {
            max_pending_jobs: self.max_pending_jobs.unwrap_or(limits.max_pending_jobs),
            max_jobs_per_day: self.max_jobs_per_day.unwrap_or(limits.max_jobs_per_day),
            max_leads_per_job: self.max_leads_per_job.unwrap_or(limits.max_leads_per_job),
            max_leads_per_day: self.max_leads_per_day.unwrap_or(limits.max_leads_per_day),
            min_seconds_between_jobs: self
                .min_seconds_between_jobs
                .unwrap_or(limits.min_seconds_between_jobs),
        }
    }

    /// These, and for what they leave open those of `before`.
    #[must_use]
    pub(crate) fn or(&self, before: &Self) -> Self {
        Self {
            max_pending_jobs: self.max_pending_jobs.or(before.max_pending_jobs),
            max_jobs_per_day: self.max_jobs_per_day.or(before.max_jobs_per_day),
            max_leads_per_job: self.max_leads_per_job.or(before.max_leads_per_job),
            max_leads_per_day: self.max_leads_per_day.or(before.max_leads_per_day),
            min_seconds_between_jobs: self
                .min_seconds_between_jobs
                .or(before.min_seconds_between_jobs),
        }
    }
}

/// What a user has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Jobs that have not ended.
    pub(crate) pending_jobs: u64,
    /// Jobs since midnight.
    pub(crate) jobs_today: u64,
    /// Leads of those, and leads that were changed at once.
    pub(crate) leads_today: u64,
    /// When the newest job was accepted.
    pub(crate) last_job_at: Option<Timestamp>,
}

/// A limit that would be exceeded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitHit {
    /// Which one, for people.
    pub message: String,
    /// After how many seconds the same request may be accepted; `None` for never.
    pub retry_after: Option<u64>,
}

/// What has the leads that a limit is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A job in the background.
    Job,
    /// A request that changes leads at once.
    Request,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Job => "job",
            Self::Request => "request",
        })
    }
}

fn hit(message: String, retry_after: Option<u64>) -> Result<(), LimitHit> {
    Err(LimitHit { message, retry_after })
}

impl Limits {
    /// Whether so many leads may be changed today.
    pub(crate) fn check_day(
        &self,
        usage: &Usage,
        asked: Asked,
        leads: u64,
        now: Timestamp,
    ) -> Result<(), LimitHit> {
        let (most, used) = (self.max_leads_per_day, usage.leads_today);
        if leads > most {
            let message =
                format!("at most {most} leads a day: this {asked} alone has {leads}, split it");
            return hit(message, None);
        }
        if used + leads > most {
            let message = format!(
                "at most {most} leads a day: {used} were sent today, this {asked} has {leads}"
            );
            return hit(message, Some(seconds_to_midnight(now)));
        }
        Ok(())
    }

    /// Whether a job of so many leads may be accepted now. Of several limits that it would exceed, the
    /// one that keeps it waiting longest is told.
    pub(crate) fn check(&self, usage: &Usage, leads: u64, now: Timestamp) -> Result<(), LimitHit> {
        if self.max_jobs_per_day == 0 || self.max_pending_jobs == 0 {
            return hit("no jobs are allowed".to_owned(), None);
        }
        if leads > self.max_leads_per_job {
            let most = self.max_leads_per_job;
            return hit(
                format!("at most {most} leads a job: this one has {leads}, split it"),
                None,
            );
        }
        self.check_day(usage, Asked::Job, leads, now)?;
        if usage.jobs_today >= self.max_jobs_per_day {
            let most = self.max_jobs_per_day;
            return hit(format!("at most {most} jobs a day"), Some(seconds_to_midnight(now)));
        }
        let rested = usage.last_job_at.map_or(Duration::MAX, |at| now.since(at));
        let rest = Duration::from_secs(self.min_seconds_between_jobs).saturating_sub(rested);
        if usage.pending_jobs >= self.max_pending_jobs {
            let most = self.max_pending_jobs;
            let retry_after = whole_seconds(rest).max(PENDING_RETRY_S);
            return hit(
                format!("at most {most} pending jobs: wait until one has ended"),
                Some(retry_after),
            );
        }
        if !rest.is_zero() {
            let least = self.min_seconds_between_jobs;
            return hit(
                format!("at least {least} seconds between jobs"),
                Some(whole_seconds(rest)),
            );
        }
        Ok(())
    }
}

/// The day of an instant, counted from 1970-01-01 UTC.
pub(crate) const fn day_of(at: Timestamp) -> u64 {
    at.as_millis() / DAY_MS
}

/// When a day begins.
pub(crate) const fn beginning_of(day: u64) -> Timestamp {
    Timestamp::from_millis(day * DAY_MS)
}

fn seconds_to_midnight(now: Timestamp) -> u64 {
    whole_seconds(Duration::from_millis(DAY_MS - now.as_millis() % DAY_MS))
}

/// Rounded up: who comes back then is not sent away again for a fraction.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22, 23:00:00.5
    const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_500 + 23 * 3_600_000);

    fn check(usage: Usage, leads: u64) -> Result<(), (String, Option<u64>)> {
        let checked = Limits::default().check(&usage, leads, NOW);
        checked.map_err(|hit| (hit.message, hit.retry_after))
    }

    #[test]
    fn what_is_within_all_limits_is_accepted() {
        let last_job_at = Some(NOW - Duration::from_secs(30));
        let usage = Usage { pending_jobs: 9, jobs_today: 99, leads_today: 40_000, last_job_at };

        assert_eq!(check(usage, 10_000), Ok(()));
        assert_eq!(check(Usage::default(), 1), Ok(()));
    }

    #[test]
    fn each_limit_says_when_to_come_back() {
        let none = Usage::default();
        let message = |text: &str, retry_after| Err((text.to_owned(), retry_after));

        assert_eq!(
            check(none, 10_001),
            message("at most 10000 leads a job: this one has 10001, split it", None)
        );
        assert_eq!(
            check(Usage { leads_today: 45_000, ..none }, 5_001),
            message(
                "at most 50000 leads a day: 45000 were sent today, this job has 5001",
                Some(3_600)
            )
        );
        assert_eq!(
            check(Usage { jobs_today: 100, ..none }, 1),
            message("at most 100 jobs a day", Some(3_600))
        );
        assert_eq!(
            check(Usage { pending_jobs: 10, ..none }, 1),
            message("at most 10 pending jobs: wait until one has ended", Some(10))
        );
        let last_job_at = Some(NOW - Duration::from_millis(10_001));
        assert_eq!(
            check(Usage { last_job_at, ..none }, 1),
            message("at least 30 seconds between jobs", Some(20))
        );
    }

    #[test]
    fn of_several_limits_the_one_that_lasts_longest_is_told() {
        let last_job_at = Some(NOW - Duration::from_secs(1));
        let usage = Usage { pending_jobs: 10, jobs_today: 100, leads_today: 50_000, last_job_at };

        assert_eq!(check(usage, 10_001).unwrap_err().1, None);
        assert_eq!(check(usage, 1).unwrap_err().1, Some(3_600));
        let pending = Usage { jobs_today: 0, leads_today: 0, ..usage };
        assert_eq!(check(pending, 1).unwrap_err().1, Some(29));
    }

    #[test]
    fn a_limit_of_nothing_is_not_to_be_waited_for() {
        let none = Limits { max_pending_jobs: 0, ..Limits::default() };
        let never = Limits { max_jobs_per_day: 0, ..Limits::default() };
        let no_leads = Limits { max_leads_per_day: 0, ..Limits::default() };

        for limits in [none, never, no_leads] {
            assert_eq!(limits.check(&Usage::default(), 1, NOW).unwrap_err().retry_after, None);
        }
    }

    #[test]
    fn a_key_has_limits_of_its_own() {
        let overrides = LimitOverrides { max_pending_jobs: Some(2), ..LimitOverrides::default() };

        let limits = overrides.over(Limits::default());

        assert_eq!(limits, Limits { max_pending_jobs: 2, ..Limits::default() });
    }
}
