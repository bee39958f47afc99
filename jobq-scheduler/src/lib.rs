//! When jobs are enqueued: cron expressions, intervals and time zones.
//!
//! A [`Schedule`] says when, and which job:
//!
//! ```
//! use jobq_core::Job;
//! use jobq_scheduler::{Schedule, TimeUnits};
//! # use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Job)]
//! struct PruneFailed { hours: u32 }
//! # #[derive(Serialize, Deserialize, Job)]
//! # struct SyncAvailability;
//!
//! let prune = Schedule::cron("0 2 * * *").timezone("Europe/Warsaw").job(PruneFailed { hours: 168 });
//! let sync = Schedule::every(30.minutes()).job(SyncAvailability);
//!
//! assert_eq!(prune.timing()?.to_string(), "at 02:00 every day, Europe/Warsaw");
//! assert_eq!(sync.timing()?.to_string(), "every 30 minutes");
//! # Ok::<(), jobq_core::Error>(())
//! ```
//!
//! A [`Scheduler`] enqueues the jobs of schedules when they are due. Any number of processes may run the
//! same ones, with no leader among them: each tick is enqueued exactly once, in the step that remembers it, and
//! what is remembered outlives the job.
//!
//! ```no_run
//! # use jobq_core::{Job, MemoryBackend};
//! # use jobq_scheduler::{CatchUp, Schedule, Scheduler, TimeUnits};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize, Job)]
//! # struct PruneFailed { hours: u32 }
//! # #[derive(Serialize, Deserialize, Job)]
//! # struct SyncAvailability;
//! # async fn example(stop: impl Future<Output = ()>) -> jobq_core::Result<()> {
//! # let backend = MemoryBackend::new();
//! Scheduler::new(backend)
//!     .group("shop")
//!     .schedule("prune", Schedule::daily_at("02:00").job(PruneFailed { hours: 168 }))
//!     .schedule("sync", Schedule::every(30.minutes()).without_overlapping().job(SyncAvailability))
//!     .run_until(stop)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Ticks that were missed are made up for as [`CatchUp`] says; what happens while a job of the schedule
//! still runs says [`Overlap`]. A schedule that left the code leaves the store, and two versions that run side
//! by side during a deployment agree on what is run. A [`Timetable`] shows the schedules of a group, and adds,
//! changes, pauses and runs them. All of this, to the last case, is in `docs/scheduling.md` in
//! the repository.
//!
//! # Cron expressions
//!
//! ```text
//! ┌───────────── second        0–59              may be left out: 0
//! │ ┌─────────── minute        0–59
//! │ │ ┌───────── hour          0–23
//! │ │ │ ┌─────── day of month  1–31, L, LW, 15W
//! │ │ │ │ ┌───── month         1–12, JAN–DEC
//! │ │ │ │ │ ┌─── day of week   0–7 (0 and 7 are Sunday), SUN–SAT, MON#2, FRIL
//! 0 0 2 * * *
//! ```
//!
//! - `*` all, `8-18` a range, `8-18/2` and `*/15` every so many of a range, `1,15` several of these. `?` is
//!   `*` in the fields of days.
//! - `L` the last day of the month, `LW` the last of Monday to Friday in it, `15W` the one of Monday to
//!   Friday nearest to the 15th, `MON#2` the second Monday of the month, `FRIL` the last Friday.
//! - When both fields of days say something else than `*`, a day that matches **either** of them is
//!   meant: `0 0 13 * FRI` is the 13th, and each Friday. So in other crons, though some take a field that
//!   only begins with `*` for all days: here `0 0 */2 * MON` is every second day, and each Monday. With a `+`,
//!   it must match both: `0 0 13 * +FRI` is Friday the 13th.
//! - `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`.
//!
//! Letters may be small. An expression that is none is refused with the name of the field, and so is one
//! that never fires, such as the 30th of February.
//!
//! # When clocks change
//!
//! Twice a year most time zones skip an hour or show one twice. This is what happens then, to every zone
//! and every change that there is:
//!
//! | | times that clocks **skip** | times that clocks show **twice** |
//! | --- | --- | --- |
//! | cron with some hours of the day, such as `30 2 * * *` or `*/15 1-3 * * *` | run when the clocks change, **once** however many are skipped | run the **first** time only |
//! | cron with every hour, such as `*/15 * * * *` or `30 * * * *` | do not come | run **both** times |
//! | [`every`](Schedule::every) | counts elapsed time; no clock matters | |
//!
//! So a daily job runs once a day on every day, at its time or right when it is skipped; and what runs
//! several times an hour goes on at its pace, without an hour's break or double. "Every hour" is meant as
//! written or as it turns out: `*`, `*/1` and `0-23` are the same, and `*/2` is some hours.
//!
//! Should the change itself be a tick, because the schedule matches the time at which clocks go on, it is
//! one tick and not two.
//!
//! The rules of time zones are read from the machine, and from what came with the program if it has
//! none. They change every few months, somewhere: keep machines that run the same schedules equally
//! up to date, or a schedule may tick by both rules around a change that only one of them knows.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `cron` | schedules from values of the crate `cron` |
//!
//! # Architecture invariant
//!
//! This crate turns time into enqueues and nothing else, and does not know how a backend stores them. No
//! type of a dependency is in a public signature, but for that of the feature `cron`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod calendar;
mod counts;
mod cron;
mod definition;
mod describe;
mod entry;
#[cfg(test)]
mod faults;
mod firing;
#[cfg(test)]
mod fuzz;
pub mod instant;
mod interval;
#[cfg(test)]
mod kills;
mod nearest;
mod owed;
mod policy;
#[cfg(feature = "cron")]
mod quartz;
mod reconcile;
mod runner;
mod schedule;
mod scheduler;
mod stored_job;
mod sync;
mod timetable;
mod timing;
mod units;
mod view;
mod wall;
mod zone;

// The snippet of the page that crates.io shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use calendar::Weekday;
pub use definition::Source;
pub use policy::{CatchUp, Overlap};
pub use schedule::Schedule;
pub use scheduler::{Scheduler, Summary};
pub use timetable::Timetable;
pub use timing::{Ticks, Timing};
pub use units::TimeUnits;
pub use view::{RunNow, ScheduleView};
