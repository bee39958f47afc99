//! When a schedule ticks, as people say it on the command line and in `jobq.toml`.

use std::time::Duration;

use jobq_core::Timestamp;
use jobq_scheduler::{CatchUp, Overlap, Schedule, instant};

use crate::cli::exit::Failure;
use crate::cli::units::duration;

/// When, and by which policies.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct TimingArgs {
    #[command(flatten)]
    pub(in crate::cli) rhythm: Rhythm,
    /// The time zone whose clocks count, such as Europe/Warsaw; UTC by default. Not with --every.
    #[arg(long, value_name = "ZONE")]
    pub(in crate::cli) timezone: Option<String>,
    /// No tick before this instant, such as 2026-12-01T06:00:00+01:00; with --every, the first one.
    #[arg(long, value_name = "INSTANT", alias = "start", value_parser = instant::parse)]
    pub(in crate::cli) starts_at: Option<Timestamp>,
    /// No tick at this instant or later.
    #[arg(long, value_name = "INSTANT", alias = "end", value_parser = instant::parse)]
    pub(in crate::cli) ends_at: Option<Timestamp>,
    /// Put each tick off by some part of this, so that not all schedules run in the same second.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) jitter: Option<Duration>,
    /// Which missed ticks are made up for: `skip`, `last`, `all 24`, `all 24 within 2d`; `last` by default.
    #[arg(long, value_name = "POLICY")]
    pub(in crate::cli) catch_up: Option<CatchUp>,
    /// What a tick does while a job of the schedule is still live: `allow`, `skip`, `queue`, `cancel`;
    /// `allow` by default.
    #[arg(long, value_name = "POLICY")]
    pub(in crate::cli) overlap: Option<Overlap>,
}

/// One of these.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Rhythm {
    /// A cron expression: minute, hour, day of month, month, day of week, perhaps with the second before
    /// them; or `@hourly`, `@daily` and their like.
    #[arg(long, value_name = "EXPRESSION")]
    pub(in crate::cli) cron: Option<String>,
    /// At equal distances, such as 30m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(in crate::cli) every: Option<Duration>,
    /// Every day at this time, such as 02:00.
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) daily_at: Option<String>,
}

impl TimingArgs {
    /// The schedule, as yet without its job.
    pub(in crate::cli) fn schedule(&self) -> Result<Schedule, Failure> {
        let Rhythm { cron, every, daily_at } = &self.rhythm;
        let mut schedule = match (cron, every, daily_at) {
            (Some(expression), None, None) => Schedule::cron(expression),
            (None, Some(interval), None) => Schedule::every(*interval),
            (None, None, Some(time)) => Schedule::daily_at(time),
            _ => return Err(Failure::Usage("say one of cron, every and daily_at".to_owned())),
        };
        if let Some(zone) = &self.timezone {
            schedule = schedule.timezone(zone);
        }
        if let Some(instant) = self.starts_at {
            schedule = schedule.starts_at(instant);
        }
        if let Some(instant) = self.ends_at {
            schedule = schedule.ends_at(instant);
        }
        Ok(schedule
            .jitter(self.jitter.unwrap_or_default())
            .catch_up(self.catch_up.unwrap_or_default())
            .overlap(self.overlap.unwrap_or_default()))
    }
}
