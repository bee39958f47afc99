//! Why a job is not running.

use super::Scene;
use super::scene::{MS, SECOND, lane_key};
use crate::clock::Timestamp;
use crate::explain::{Block, Standing};
use crate::id::JobId;
use crate::limits::{Breaker, LimitScope, LimitSource, Limits, Rate};
use crate::name::LimitName;
use crate::parents::Parent;
use crate::record::When;
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// Nothing keeps a ready job from being leased but those ahead of it.
pub async fn a_ready_job_waits_for_those_ahead(t: &Scene) {
    for n in 0..4 {
        let id = t.enqueue().await;
        let standing = standing(t, id).await;
        assert_eq!((standing.ahead, standing.lanes), (n, 0));
        assert_eq!((standing.blocks, standing.lane), (vec![], None));
        assert_eq!(standing.job, t.view(id).await);
    }
    let urgent = t.enqueue_with(|record| record.priority = crate::Priority::HIGHEST).await;
    assert_eq!(standing(t, urgent).await.ahead, 0);
}

/// In a lane those of the lane are ahead, and other lanes take turns with it.
pub async fn a_job_of_a_lane_takes_turns_with_others(t: &Scene) {
    let ids = t.fill("a", 3).await;
    let plain = t.enqueue().await;
    t.fill("b", 1).await;

    let last = standing(t, ids[2]).await;
    assert_eq!((last.ahead, last.lanes, last.lane), (2, 2, Some(lane_key("a"))));
    let plain = standing(t, plain).await;
    assert_eq!((plain.ahead, plain.lanes, plain.lane), (0, 2, None));
    t.pause_lane("b").await;
    assert_eq!(standing(t, ids[0]).await.blocks, []);
}

/// A job that is alone takes turns with nobody.
pub async fn a_lane_that_is_alone_takes_turns_with_nobody(t: &Scene) {
    let id = t.fill("a", 1).await[0];
    assert_eq!(standing(t, id).await.lanes, 0);

    t.enqueue().await;
    assert_eq!(standing(t, id).await.lanes, 1);
}

/// A job that nobody knows has no standing.
pub async fn an_unknown_job_has_no_standing(t: &Scene) {
    let unknown = JobId::from_key("unknown");
    assert_eq!(t.store().standing(t.queue(), unknown).await.unwrap(), None);
    t.enqueue().await;
    assert_eq!(t.store().standing(t.queue(), unknown).await.unwrap(), None);
}

/// A job that is not due says when it is.
pub async fn a_scheduled_job_says_when_it_is_due(t: &Scene) {
    let id = t.schedule(SECOND * 5).await;
    let at = t.now() + SECOND * 5;
    assert_eq!(blocks(t, id).await, [Block::NotDue { at }]);
    assert_exact(t, id, at).await;
}

/// One that is due is kept back by nothing any more: whoever leases next promotes it.
pub async fn a_due_job_is_kept_back_by_nothing(t: &Scene) {
    let id = t.schedule(SECOND).await;
    t.advance(SECOND);

    assert_eq!(t.state(id).await, Some(JobState::Scheduled));
    assert_eq!(blocks(t, id).await, []);
}

/// So does one that backs off.
pub async fn a_job_that_backs_off_says_when_it_is_due(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND * 7).await;

    let standing = standing(t, lease.job.id).await;
    assert_eq!(standing.blocks, [Block::NotDue { at: t.now() + SECOND * 7 }]);
    assert_eq!(standing.job.failed_attempts, 1);
}

/// A child says for whom it waits.
pub async fn a_child_says_for_whom_it_waits(t: &Scene) {
    let parents = [t.enqueue().await, t.enqueue().await];
    let of = |id: JobId| crate::JobRef::new(t.queue().clone(), id);
    let mut child = t.job();
    child.parents = parents.map(|id| Parent::known(of(id))).to_vec();
    t.add(&child).await;
    let id = child.record.id;
    assert_eq!(blocks(t, id).await, [Block::Parents(parents.map(of).to_vec())]);

    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(blocks(t, id).await, [Block::Parents(vec![of(parents[1])])]);
}

/// A pause of the queue, and of a lane, is said of all their jobs that wait.
pub async fn a_pause_is_said(t: &Scene) {
    let ready = t.fill("a", 1).await[0];
    let mut later = t.job_with(|record| record.lane = Some(lane_key("a")));
    later.when = When::After(SECOND);
    t.add(&later).await;
    t.pause().await;
    t.pause_lane("a").await;

    assert_eq!(blocks(t, ready).await, [Block::QueuePaused, Block::LanePaused]);
    assert_eq!(
        blocks(t, later.record.id).await,
        [Block::NotDue { at: t.now() + SECOND }, Block::QueuePaused, Block::LanePaused]
    );
}

/// A full queue says how many may run.
pub async fn a_full_queue_is_said(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    t.enqueue().await;
    let id = t.enqueue().await;
    assert_eq!(blocks(t, id).await, []);

    t.lease(1).await;
    assert_eq!(blocks(t, id).await, [Block::QueueConcurrency { limit: 1 }]);
}

/// A used up rate of the queue says when it has room again, to the millisecond.
pub async fn a_used_up_queue_says_until_when(t: &Scene) {
    for text in ["1/10s", "1/10s sliding", "1/10s burst 1"] {
        let rate: Rate = text.parse().unwrap();
        t.limit_queue(Limits::new().rate(rate)).await;
        t.enqueue().await;
        let id = t.enqueue().await;
        let lease = t.lease_one().await;
        t.ack(&lease).await;
        let until = t.now() + SECOND * 10;

        assert_eq!(blocks(t, id).await, [Block::QueueRate { rate, until }]);
        assert_exact(t, id, until).await;
        t.advance(SECOND * 10);
        t.limit_queue(Limits::new()).await;
    }
}

/// As nobody overtakes, a job is kept back by one that costs more than there is room for.
pub async fn a_costly_job_ahead_is_said(t: &Scene) {
    let rate = Rate::fixed(5, SECOND * 10);
    t.limit_queue(Limits::new().rate(rate)).await;
    for (lane, cost) in [("a", 3), ("b", 3), ("c", 1)] {
        t.enqueue_with(|record| {
            record.lane = Some(lane_key(lane));
            record.cost = cost;
        })
        .await;
    }
    t.lease(1).await;
    let cheap = *t.ids(JobState::Ready).await.last().unwrap();

    let until = t.now() + SECOND * 10;
    assert_eq!(blocks(t, cheap).await, [Block::QueueRate { rate, until }]);
}

/// A full lane says which jobs have its slots, ten of them at most.
pub async fn a_full_lane_says_who_has_its_slots(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(2)).await;
    let ids = t.fill("a", 3).await;
    t.lease(9).await;
    let holders = ids[..2].to_vec();
    assert_eq!(blocks(t, ids[2]).await, [Block::LaneConcurrency { limit: 2, holders }]);

    t.limit_lanes(Limits::new().concurrency(12)).await;
    let ids = t.fill("b", 13).await;
    t.lease(20).await;
    let holders = ids[..10].to_vec();
    assert_eq!(blocks(t, ids[12]).await, [Block::LaneConcurrency { limit: 12, holders }]);
}

/// A used up rate of a lane says when it has room for the job.
pub async fn a_used_up_lane_says_until_when(t: &Scene) {
    for text in ["2/10s", "2/10s sliding", "2/10s burst 2"] {
        let rate: Rate = text.parse().unwrap();
        t.limit_lanes(Limits::new().rate(rate)).await;
        let lane = text.replace(' ', "-");
        let ids = t.fill(&lane, 3).await;
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
        let wait = if text.contains("burst") { SECOND * 5 } else { SECOND * 10 };
        let until = t.now() + wait;

        assert_eq!(blocks(t, ids[2]).await, [Block::LaneRate { rate, until }]);
        assert_exact(t, ids[2], until).await;
        t.advance(SECOND * 10);
    }
}

/// A lane that rests says until when, and whether failures led to it.
pub async fn a_rest_is_said(t: &Scene) {
    t.limit_lanes(Limits::new().breaker(Breaker::new(1, SECOND * 20))).await;
    let throttled = t.fill("a", 1).await[0];
    t.throttle("a", SECOND * 5).await;
    let until = t.now() + SECOND * 5;
    assert_eq!(blocks(t, throttled).await, [Block::LaneRests { until, failures: 0 }]);
    assert_exact(t, throttled, until).await;

    t.fill("b", 2).await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND * 900).await;
    let failed = t.ids(JobState::Ready).await[0];
    let until = t.now() + SECOND * 20;
    assert_eq!(blocks(t, failed).await, [Block::LaneRests { until, failures: 1 }]);
    assert_exact(t, failed, until).await;
}

/// A lane on probation lets one job run.
pub async fn a_probation_is_said(t: &Scene) {
    t.limit_lanes(Limits::new().breaker(Breaker::new(1, SECOND)).concurrency(5)).await;
    let ids = t.fill("a", 3).await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND * 900).await;
    t.advance(SECOND);
    t.lease(9).await;

    let holders = vec![ids[1]];
    assert_eq!(blocks(t, ids[2]).await, [Block::LaneConcurrency { limit: 1, holders }]);
}

/// A shared limit says its name, and until when if that is a matter of time.
pub async fn a_shared_limit_is_said(t: &Scene) {
    let name = LimitName::new(super::scene::fresh_queue().as_str()).unwrap();
    let scope = LimitScope::Shared(name.clone());
    t.limit_queue(Limits::new().shared(name.clone())).await;
    t.enqueue().await;
    let id = t.enqueue().await;
    t.set_limits(scope.clone(), LimitSource::Code, Limits::new().concurrency(1)).await;
    t.lease(1).await;
    assert_eq!(blocks(t, id).await, [Block::Shared { name: name.clone(), until: None }]);

    let rate = Limits::new().rate(Rate::fixed(1, SECOND * 10));
    t.set_limits(scope, LimitSource::Code, rate).await;
    t.lease(1).await;
    let id = t.enqueue().await;
    let until = Some(t.now() + SECOND * 10);
    assert_eq!(blocks(t, id).await, [Block::Shared { name, until }]);
}

/// A job whose key another one runs with says which, held back already or not.
pub async fn a_held_key_is_said(t: &Scene) {
    for mode in [UniqueMode::WhileRunning, UniqueMode::LatestWins] {
        let unique = Unique::new(UniqueKey::from_bytes([7; 16]), mode);
        let running = t.enqueue_with(|record| record.unique = Some(unique)).await;
        let lease = t.lease_one().await;
        let waiting = t.enqueue_with(|record| record.unique = Some(unique)).await;
        assert_eq!(blocks(t, waiting).await, [Block::UniqueKey { holder: running }]);
        assert_eq!(t.lease(9).await, []);
        assert_eq!(blocks(t, waiting).await, [Block::UniqueKey { holder: running }]);

        t.ack(&lease).await;
        assert_eq!(blocks(t, waiting).await, []);
        let lease = t.lease_one().await;
        t.ack(&lease).await;
    }
}

/// While nobody runs with a key, the job that was let go for it keeps back those held back behind it.
pub async fn the_next_of_a_key_is_said(t: &Scene) {
    for lane in [None, Some(lane_key("a"))] {
        let add = async || {
            let unique = Unique::new(UniqueKey::from_bytes([7; 16]), UniqueMode::WhileRunning);
            t.enqueue_with(|record| {
                record.lane.clone_from(&lane);
                record.unique = Some(unique);
            })
            .await
        };
        let ids = [add().await, add().await, add().await];
        let lease = t.lease(9).await.remove(0);
        t.ack(&lease).await;

        assert_eq!(blocks(t, ids[1]).await, []);
        assert_eq!(blocks(t, ids[2]).await, [Block::UniqueKey { holder: ids[1] }]);
        assert_eq!(standing(t, ids[2]).await.ahead, 0, "it is in no line");
        t.delete(ids[2]).await;
        t.delete(ids[1]).await;
    }
}

/// A job whose batch was called off says so, wherever it waits; one that has started does not.
pub async fn a_batch_called_off_is_said(t: &Scene) {
    let batch = t.open().await;
    let started = t.enqueue_in(&batch).await;
    let parent = t.lease_one().await;
    t.retry(&parent, SECOND).await;
    let (ready, later) = (t.enqueue_in(&batch).await, t.schedule_in(&batch).await);
    let mut child = t.child(&[t.at(later)]);
    child.record.batch = Some(batch.clone());
    t.add(&child).await;
    t.store().call_off_batch(&batch).await.unwrap();
    let called_off = || Block::CalledOff { batch: batch.clone() };

    assert_eq!(blocks(t, ready).await, [called_off()]);
    let at = t.now() + SECOND * 60;
    assert_eq!(blocks(t, later).await, [Block::NotDue { at }, called_off()]);
    let parents = Block::Parents(vec![t.at(later)]);
    assert_eq!(blocks(t, child.record.id).await, [parents, called_off()]);
    t.advance(SECOND);
    assert_eq!(blocks(t, started).await, []);
    assert_eq!(t.lease_ids(9).await, [started]);
    assert_eq!(t.state(ready).await, None);
}

/// So does a job in another queue than its batch, once that has been told.
pub async fn a_batch_called_off_elsewhere_is_said(t: &Scene) {
    let home = t.elsewhere();
    let batch = home.open().await;
    let id = t.enqueue_in(&batch).await;
    t.store().call_off_batch(&batch).await.unwrap();
    let expected = [Block::CalledOff { batch: batch.clone() }];
    t.until(&[&home], "it is told", async || blocks(t, id).await == expected).await;

    assert_eq!(t.lease_ids(9).await, []);
    assert_eq!(t.state(id).await, None);
}

/// Everything that keeps a job back is said, not only what is looked at first.
pub async fn all_blocks_are_said(t: &Scene) {
    let limits = Limits::new().concurrency(1).rate(Rate::fixed(1, SECOND * 10));
    t.limit_queue(limits.clone()).await;
    t.limit_lanes(limits).await;
    let ids = t.fill("a", 2).await;
    t.lease(9).await;
    t.throttle("a", SECOND * 3).await;
    t.pause_lane("a").await;
    t.pause().await;

    let standing = standing(t, ids[1]).await;
    assert_eq!(standing.blocks.len(), 7, "{:?}", standing.blocks);
    assert_eq!(standing.blocked_until(), Some(t.now() + SECOND * 10));
}

/// Nothing is said to keep back what runs or has ended.
pub async fn what_runs_or_has_ended_is_kept_back_by_nothing(t: &Scene) {
    t.pause_lane("a").await;
    let kept = t.kept(SECOND * 60).await;
    let dead = t.dead().await;
    let running = t.enqueue().await;
    t.lease(1).await;
    t.pause().await;

    for id in [kept, dead, running] {
        assert_eq!(blocks(t, id).await, []);
        assert_eq!(standing(t, id).await.ahead, 0);
    }
}

/// A look changes nothing.
pub async fn a_look_changes_nothing(t: &Scene) {
    t.limit_lanes(Limits::new().rate(Rate::fixed(1, SECOND))).await;
    let ids = t.fill("a", 3).await;
    t.fill("b", 3).await;
    for _ in 0..3 {
        for id in &ids {
            standing(t, *id).await;
        }
    }

    assert_eq!(t.lease_lanes(9).await, ["a", "b"]);
}

/// How fast a queue leases is known after a while, if at all, and before nothing is made up.
pub async fn the_pace_of_a_queue_is_told(t: &Scene) {
    let id = t.schedule(SECOND * 3_600).await;
    assert_eq!(standing(t, id).await.rate, None);
    for _ in 0..90 {
        t.add_all(&[t.job(), t.job()]).await;
        for lease in t.lease(2).await {
            t.ack(&lease).await;
        }
        t.advance(SECOND);
    }

    let rate = standing(t, id).await.rate;
    assert!(rate.is_none_or(|rate| (1.0..=4.0).contains(&rate)), "{rate:?} for two a second");
}

pub(super) async fn standing(t: &Scene, id: JobId) -> Standing {
    let standing = t.store().standing(t.queue(), id).await.unwrap();
    standing.expect("the queue knows the job")
}

async fn blocks(t: &Scene, id: JobId) -> Vec<Block> {
    standing(t, id).await.blocks
}

/// Not a millisecond before, and then at once.
async fn assert_exact(t: &Scene, id: JobId, at: Timestamp) {
    t.advance(at.since(t.now()) - MS);
    assert_eq!(t.lease(9).await, [], "a millisecond before");
    t.advance(MS);
    let leases = t.lease(9).await;
    assert!(leases.iter().any(|lease| lease.job.id == id), "at the time it said");
    for lease in leases {
        t.ack(&lease).await;
    }
}
