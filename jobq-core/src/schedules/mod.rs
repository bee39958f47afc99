//! What a store keeps for schedules: the entries of groups, and how far each schedule has come.
//!
//! It does not know when anything is due: that is told to it with each claim. `docs/scheduling.md`
//! in the repository says what all of this is for.

mod claim;
mod contract;
mod mark;

pub(crate) use self::claim::MOST_LIVE;
pub use self::claim::{Claim, Claimed, Tick};
pub use self::contract::{Attendance, Change, Entries, Schedules};
pub use self::mark::{Mark, MarkChange, ScheduleRef, TickOutcome};
