//! When things are done by themselves: everything is synced at night, and what is old is taken away.
//!
//! Every worker runs these schedules; each tick is enqueued once.

use jobq_scheduler::{Schedule, Scheduler};
use program::{Failure, in_one_line};

use crate::entity::{Direction, Entity};
use crate::queue::Opened;
use crate::upkeep::{CleanUp, SyncAll};

/// The group of the schedules: the name of this system among those that share a server.
pub const GROUP: &str = "crm-sync";

/// For how many days what has ended is kept.
const DAYS: u32 = 7;

/// The schedules, each under its name, by the clocks of a time zone.
pub fn schedules(timezone: &str) -> [(&'static str, Schedule); 3] {
    let daily = |time| Schedule::daily_at(time).timezone(timezone);
    let all = |entity| SyncAll { entity, direction: Direction::ToCrm };
    [
        ("sync-customers", daily("02:00").job(all(Entity::Customer))),
        ("clean-up", daily("03:00").job(CleanUp { days: DAYS })),
        ("sync-products", daily("04:00").job(all(Entity::Product))),
    ]
}

/// A scheduler of these, checked.
pub(crate) fn scheduler(queue: &Opened, timezone: &str) -> Result<Scheduler, Failure> {
    let scheduler = queue.schedules.scheduler().group(GROUP).schedules(schedules(timezone));
    scheduler.check().map_err(|fault| Failure::usage(in_one_line(&fault)))?;
    Ok(scheduler)
}
