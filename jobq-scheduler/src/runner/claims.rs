//! Claims of the ticks of one schedule, and what comes after them.

use std::time::Duration;

use jobq_core::schedules::{Claimed, Tick};
use jobq_core::{ErrorKind, ScheduleName, Timestamp};

use crate::firing::Firing;

/// When to try again what has failed, and what was refused because a queue is full.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
const REFUSED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// What became of the ticks of one schedule.
#[derive(Debug)]
pub(super) struct Fired {
    pub(super) name: ScheduleName,
    /// The last tick that is claimed, by whomever.
    pub(super) after: Option<Timestamp>,
    pub(super) enqueued: u64,
    pub(super) left_out: u64,
    pub(super) then: Then,
}

/// What to do next about a schedule.
#[derive(Debug)]
pub(super) enum Then {
    GoOn,
    Pause,
    LookAgain,
    /// The store's time is this.
    Wait(Timestamp),
    Retry(Duration),
}

/// Claims ticks of a schedule one after the other, until one cannot be.
pub(super) async fn fire_all(name: ScheduleName, firing: Firing, ticks: Vec<Tick>) -> Fired {
    let mut fired = Fired { name, after: None, enqueued: 0, left_out: 0, then: Then::GoOn };
    for tick in ticks {
        let claimed = firing.fire(Some(tick)).await;
        match &claimed {
            Ok(Claimed::Enqueued(enqueued)) => {
                tracing::debug!(
                    name: "jobq.scheduler.enqueued",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    job = %enqueued.id(),
                    is_new = enqueued.is_created(),
                );
                fired.enqueued += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::LeftOut) => {
                tracing::info!(
                    name: "jobq.scheduler.left_out",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    "a job of the schedule is still live"
                );
                fired.left_out += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::Taken { last }) => {
                fired.after = Some(last.map_or(tick.at, |last| last.max(tick.at)));
            }
            Ok(_) | Err(_) => {}
        }
        fired.then = match claimed {
            Ok(Claimed::Enqueued(_) | Claimed::LeftOut | Claimed::Taken { .. }) => continue,
            Ok(Claimed::Paused) => Then::Pause,
            Ok(Claimed::Stale | Claimed::Superseded) => Then::LookAgain,
            Ok(Claimed::Early { now }) => Then::Wait(now),
            Ok(_) => Then::Retry(RETRY_AFTER),
            Err(error) => {
                let is_limited = error.kind() == ErrorKind::Limited;
                tracing::warn!(
                    name: "jobq.scheduler.failed",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    %error
                );
                Then::Retry(if is_limited { REFUSED_RETRY_AFTER } else { RETRY_AFTER })
            }
        };
        break;
    }
    fired
}
