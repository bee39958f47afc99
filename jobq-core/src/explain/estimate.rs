//! When a job may start: a guess from what is ahead of it, and no promise.

use std::time::Duration;

use super::standing::{Block, Standing};
use crate::clock::Timestamp;
use crate::limits::Rate;
use crate::state::JobState;

/// When a job that capable workers may lease starts, as far as can be told; `None` if it has started or
/// ended, or if that hangs on other jobs or on people.
pub(super) fn starts_at(standing: &Standing, now: Timestamp) -> Option<Timestamp> {
    let waits = matches!(standing.job.state, JobState::Scheduled | JobState::Ready);
    if !waits || standing.blocks.iter().any(is_out_of_reach) {
        return None;
    }
    let from = standing.blocked_until().map_or(now, |until| until.max(now));
    let needs_a_slot = standing.blocks.iter().any(waits_for_a_slot);
    let before = before(standing);
    let by_limits = standing.blocks.iter().filter_map(|block| by_limit(block, standing)).max();
    if before == 0 && !needs_a_slot {
        return Some(from);
    }
    let leases = before + u64::from(needs_a_slot);
    match standing.rate.and_then(|rate| time_for(leases, rate)) {
        Some(time) => Some(by_limits.map_or(from + time, |at| at.max(from + time))),
        None => by_limits,
    }
}

/// Whether no passing of time and no ordinary end of a job takes it away.
const fn is_out_of_reach(block: &Block) -> bool {
    matches!(
        block,
        Block::QueuePaused
            | Block::LanePaused
            | Block::Parents(_)
            | Block::CalledOff { .. }
            | Block::UniqueKey { .. }
    )
}

const fn waits_for_a_slot(block: &Block) -> bool {
    matches!(
        block,
        Block::QueueConcurrency { .. }
            | Block::LaneConcurrency { .. }
            | Block::Shared { until: None, .. }
    )
}

/// How many jobs are leased before it: those ahead, and as other lanes take turns with its own, those of
/// theirs that come between.
fn before(standing: &Standing) -> u64 {
    let turns = standing.ahead.saturating_add(1);
    standing.ahead.saturating_add(standing.lanes.saturating_mul(turns))
}

/// When a rate that is used up has had room for all before the job and for the job.
fn by_limit(block: &Block, standing: &Standing) -> Option<Timestamp> {
    let (rate, until, ahead) = match block {
        Block::LaneRate { rate, until } => (rate, until, standing.ahead),
        Block::QueueRate { rate, until } => (rate, until, before(standing)),
        _ => return None,
    };
    Some(*until + periods(*rate, ahead / u64::from(rate.count.max(1))))
}

fn periods(rate: Rate, count: u64) -> Duration {
    rate.per.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn time_for(leases: u64, rate: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(leases as f64 / rate).ok()
}
