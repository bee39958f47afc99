//! Ticks that are claimed, and the marks of their schedules.

use super::Scene;
use super::scene::{MS, SECOND};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::name::{GroupName, ScheduleName};
use crate::parents::{OnParentFailure, Parent};
use crate::record::Enqueued;
use crate::schedules::{Claim, Claimed, Mark, MarkChange, ScheduleRef, Tick, TickOutcome};
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode};
use crate::{JobRef, LaneKey};

/// A tick that is due is enqueued, under the id that it has for everybody.
pub async fn a_due_tick_is_enqueued(t: &Scene) {
    let claim = due(t, "prune");
    let id = claim.job.as_ref().unwrap().record.id;

    assert_eq!(t.claim(&claim).await, Claimed::Enqueued(Enqueued::Created(id)));
    assert_eq!(t.lease_ids(9).await, [id]);
    assert_eq!(id, claim.schedule.job_of(t.now()));
}

/// A tick is enqueued once, whoever asks.
pub async fn a_tick_is_enqueued_once(t: &Scene) {
    let claim = due(t, "prune");
    assert!(is_enqueued(&t.claim(&claim).await));

    for _ in 0..3 {
        assert_eq!(t.claim(&claim).await, Claimed::Taken { last: Some(t.now()) });
    }
    assert_eq!(t.lease_ids(9).await.len(), 1);
}

/// That outlives the job: nothing of it is left when it is asked for again.
pub async fn a_tick_stays_taken_when_its_job_is_gone(t: &Scene) {
    let claim = due(t, "prune");
    assert!(is_enqueued(&t.claim(&claim).await));
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.state(lease.job.id).await, None);

    t.advance(SECOND * 3600);
    let again = Claim { good_until: t.now(), ..claim };
    assert!(matches!(t.claim(&again).await, Claimed::Taken { .. }));
    assert_eq!(t.lease_ids(9).await, []);
}

/// The next tick is another one.
pub async fn the_next_tick_is_another_one(t: &Scene) {
    for _ in 0..3 {
        assert!(is_enqueued(&t.claim(&due(t, "prune")).await));
        t.advance(SECOND);
    }

    assert_eq!(t.lease_ids(9).await.len(), 3);
}

/// What lies before the last tick is left out for good.
pub async fn an_earlier_tick_is_taken(t: &Scene) {
    let earlier = t.now();
    t.advance(SECOND);
    t.claim(&due(t, "prune")).await;

    let claim = claim_of(t, "prune", earlier);
    assert_eq!(t.claim(&claim).await, Claimed::Taken { last: Some(t.now()) });
}

/// A tick from before its definition is not owed.
pub async fn a_tick_from_before_the_definition_is_taken(t: &Scene) {
    let claim = Claim { since: t.now(), ..due(t, "prune") };
    assert_eq!(t.claim(&claim).await, Claimed::Taken { last: None });

    let claim = Claim { since: t.now() - MS, ..due(t, "prune") };
    assert!(is_enqueued(&t.claim(&claim).await));
}

/// Nothing is enqueued before its time, which is that of the tick and its jitter.
pub async fn an_early_tick_waits(t: &Scene) {
    let mut claim = due(t, "prune");
    claim.tick = Some(Tick::new(t.now(), t.now() + SECOND));
    assert_eq!(t.claim(&claim).await, Claimed::Early { now: t.now() });
    t.advance(SECOND - MS);
    assert_eq!(t.claim(&claim).await, Claimed::Early { now: t.now() });
    t.advance(MS);

    assert!(is_enqueued(&t.claim(&claim).await));
}

/// Who has not looked for too long claims nothing.
pub async fn a_stale_claim_comes_to_nothing(t: &Scene) {
    let mut claim = due(t, "prune");
    claim.good_until = t.now() + SECOND;
    t.advance(SECOND + MS);
    assert_eq!(t.claim(&claim).await, Claimed::Stale);

    claim.good_until = t.now();
    assert!(is_enqueued(&t.claim(&claim).await));
}

/// Who goes by an older definition than the last tick claims nothing; a newer one goes on.
pub async fn an_older_definition_claims_nothing(t: &Scene) {
    let by = |revision| Claim { revision, ..due(t, "prune") };
    assert!(is_enqueued(&t.claim(&by(7)).await));
    t.advance(SECOND);

    let by = |revision| Claim { revision, ..due(t, "prune") };
    assert_eq!(t.claim(&by(6)).await, Claimed::Superseded);
    assert!(is_enqueued(&t.claim(&by(8)).await));
    assert_eq!(t.mark("prune").await.unwrap().revision, 8);
}

/// A paused schedule claims nothing, and what was due meanwhile is not owed.
pub async fn a_paused_schedule_claims_nothing(t: &Scene) {
    t.change_mark("prune", MarkChange::Pause).await;
    let missed = due(t, "prune");
    assert_eq!(t.claim(&missed).await, Claimed::Paused);
    assert!(t.mark("prune").await.unwrap().paused);
    t.advance(SECOND);
    t.change_mark("prune", MarkChange::Resume).await;

    assert!(matches!(t.claim(&missed).await, Claimed::Taken { .. }));
    t.advance(SECOND);
    assert!(is_enqueued(&t.claim(&due(t, "prune")).await));
}

/// A mark may be forgotten, also one that is not known.
pub async fn a_mark_may_be_forgotten(t: &Scene) {
    t.claim(&due(t, "prune")).await;
    t.change_mark("prune", MarkChange::Forget { revision: 1 }).await;
    t.change_mark("prune", MarkChange::Forget { revision: 1 }).await;

    assert_eq!(t.mark("prune").await, None);
}

/// Not by somebody who does not know the definition by which a tick was claimed.
pub async fn a_mark_of_a_later_revision_is_not_forgotten(t: &Scene) {
    let claim = Claim { revision: 7, ..due(t, "prune") };
    t.claim(&claim).await;
    t.change_mark("prune", MarkChange::Forget { revision: 6 }).await;

    assert_eq!(t.claim(&claim).await, Claimed::Taken { last: Some(t.now()) });
    t.change_mark("prune", MarkChange::Forget { revision: 7 }).await;
    assert_eq!(t.mark("prune").await, None);
}

/// Schedules have marks of their own, by group and by name.
pub async fn schedules_do_not_see_each_other(t: &Scene) {
    assert!(is_enqueued(&t.claim(&due(t, "prune")).await));
    assert!(is_enqueued(&t.claim(&due(t, "sync")).await));
    let mut other = due(t, "prune");
    other.schedule.group = GroupName::new("other").unwrap();
    let id = other.schedule.job_of(t.now());
    other.job.as_mut().unwrap().record.id = id;

    assert_eq!(t.claim(&other).await, Claimed::Enqueued(Enqueued::Created(id)));
    assert_eq!(t.lease_ids(9).await.len(), 3);
}

/// A mark says what became of the last tick.
pub async fn a_mark_tells_of_the_last_tick(t: &Scene) {
    assert_eq!(t.mark("prune").await, None);
    let claim = Claim { revision: 5, ..due(t, "prune") };
    t.claim(&claim).await;

    let expected = Mark {
        revision: 5,
        paused: false,
        last: Some(t.now()),
        acted_at: Some(t.now()),
        outcome: Some(TickOutcome::Enqueued),
        jobs: vec![claim.job.unwrap().record.id],
    };
    assert_eq!(t.mark("prune").await, Some(expected));
}

/// A tick may be left out: it is claimed, and nothing is enqueued.
pub async fn a_tick_may_be_left_out(t: &Scene) {
    let claim = Claim { job: None, ..due(t, "prune") };

    assert_eq!(t.claim(&claim).await, Claimed::LeftOut);
    assert_eq!(t.lease_ids(9).await, []);
    assert!(matches!(t.claim(&due(t, "prune")).await, Claimed::Taken { .. }));
    let mark = t.mark("prune").await.unwrap();
    assert_eq!((mark.outcome, mark.jobs), (Some(TickOutcome::LeftOut), Vec::new()));
}

/// Jobs of a schedule that are live are told to who did not know, in all states of the living.
pub async fn what_is_live_is_told(t: &Scene) {
    let knowing =
        |t: &Scene, live: &[JobId]| Claim { live: Some(live.to_vec()), ..due(t, "prune") };
    t.claim(&knowing(t, &[])).await;
    let first = t.claimed_job("prune").await;

    t.advance(SECOND);
    assert_eq!(t.claim(&knowing(t, &[])).await, Claimed::Overlap(vec![first]), "ready");
    let lease = t.lease_one().await;
    assert_eq!(t.claim(&knowing(t, &[])).await, Claimed::Overlap(vec![first]), "leased");
    t.retry(&lease, SECOND * 60).await;
    assert_eq!(t.claim(&knowing(t, &[])).await, Claimed::Overlap(vec![first]), "backing off");

    assert!(is_enqueued(&t.claim(&knowing(t, &[first])).await));
    let second = t.claimed_job("prune").await;
    t.advance(SECOND);
    assert_eq!(t.claim(&knowing(t, &[first])).await, Claimed::Overlap(vec![first, second]));
}

/// Jobs that have ended, in whatever way and whether they are kept or not, are not live.
pub async fn what_has_ended_is_not_live(t: &Scene) {
    for how in ["completed", "kept", "dead", "cancelled", "deleted"] {
        let mut claim = Claim { live: Some(Vec::new()), ..due(t, "prune") };
        let record = &mut claim.job.as_mut().unwrap().record;
        record.retention = (how == "kept").then_some(SECOND * 60);
        assert!(is_enqueued(&t.claim(&claim).await), "{how}");
        let id = t.claimed_job("prune").await;
        match how {
            "cancelled" => drop(t.cancel(id).await),
            "deleted" => drop(t.delete(id).await),
            "dead" => drop(t.bury(&t.lease_one().await).await),
            _ => drop(t.ack(&t.lease_one().await).await),
        }
        t.advance(SECOND);
        let next = Claim { live: Some(vec![id]), ..due(t, "prune") };
        assert_eq!(t.claim(&next).await, Claimed::Overlap(Vec::new()), "{how}");
    }
}

/// Who does not care for overlaps is not told.
pub async fn overlaps_need_not_matter(t: &Scene) {
    for _ in 0..3 {
        assert!(is_enqueued(&t.claim(&due(t, "prune")).await));
        t.advance(SECOND);
    }

    assert_eq!(t.mark("prune").await.unwrap().jobs.len(), 1);
}

/// A tick may wait for a job of an earlier one.
pub async fn a_tick_may_wait_for_another(t: &Scene) {
    t.claim(&due(t, "prune")).await;
    let first = t.claimed_job("prune").await;
    t.advance(SECOND);
    let mut claim = Claim { live: Some(vec![first]), ..due(t, "prune") };
    let job = claim.job.as_mut().unwrap();
    job.parents = vec![Parent::known(JobRef::new(t.queue().clone(), first))];
    job.on_parent_failure = OnParentFailure::Continue;
    assert!(is_enqueued(&t.claim(&claim).await));
    let second = t.claimed_job("prune").await;

    assert_eq!(t.state(second).await, Some(JobState::Waiting));
    t.bury(&t.lease_one().await).await;
    assert_eq!(t.lease_ids(9).await, [second]);
}

/// What is run by hand is no tick.
pub async fn a_run_by_hand_is_no_tick(t: &Scene) {
    t.change_mark("prune", MarkChange::Pause).await;
    let by_hand = |live| {
        let id = JobId::from_bytes(fastrand::u128(..).to_be_bytes());
        let mut claim = Claim { tick: None, good_until: Timestamp::EPOCH, live, ..due(t, "prune") };
        claim.job.as_mut().unwrap().record.id = id;
        claim
    };
    let first = by_hand(Some(Vec::new()));
    assert!(is_enqueued(&t.claim(&first).await));

    let mark = t.mark("prune").await.unwrap();
    let id = first.job.unwrap().record.id;
    assert_eq!((mark.last, mark.jobs, mark.paused), (None, vec![id], true));
    assert_eq!(t.claim(&by_hand(Some(Vec::new()))).await, Claimed::Overlap(vec![id]));
    assert!(is_enqueued(&t.claim(&by_hand(None)).await));
}

/// A job that another one stands for is a duplicate, and its tick is claimed.
pub async fn a_duplicate_claims_its_tick(t: &Scene) {
    let key = UniqueKey::from_bytes([3; 16]);
    let unique = Unique::new(key, UniqueMode::UntilFinished);
    let holder = t.enqueue_with(|record| record.unique = Some(unique)).await;
    let mut claim = due(t, "prune");
    claim.job.as_mut().unwrap().record.unique = Some(unique);

    assert_eq!(t.claim(&claim).await, Claimed::Enqueued(Enqueued::Duplicate(t.at(holder))));
    assert_eq!(t.mark("prune").await.unwrap().outcome, Some(TickOutcome::Duplicate));
    assert!(matches!(t.claim(&claim).await, Claimed::Taken { .. }));
}

/// A job that is refused leaves its tick to be claimed.
pub async fn a_refused_job_leaves_its_tick(t: &Scene) {
    let scope = LimitScope::Queue(t.queue().clone());
    let limits = Limits::new().max_size(1);
    t.store().set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
    t.enqueue().await;
    let claim = due(t, "prune");

    let refusal = t.store().claim(&claim).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Limited);
    assert_eq!(t.mark("prune").await, None);
    t.lease_one().await;
    assert!(is_enqueued(&t.claim(&claim).await));
}

/// In a queue with flow control all is as in any other.
pub async fn a_job_with_a_lane_is_enqueued_once_too(t: &Scene) {
    let with_lane = || {
        let mut claim = Claim { live: Some(Vec::new()), ..due(t, "prune") };
        claim.job.as_mut().unwrap().record.lane = Some(LaneKey::new("store-1").unwrap());
        claim
    };
    assert!(is_enqueued(&t.claim(&with_lane()).await));

    assert!(matches!(t.claim(&with_lane()).await, Claimed::Taken { .. }));
    t.advance(SECOND);
    assert_eq!(t.claim(&with_lane()).await, Claimed::Overlap(vec![t.claimed_job("prune").await]));
    assert_eq!(
        t.claim(&Claim { job: None, live: None, ..due(t, "prune") }).await,
        Claimed::LeftOut
    );
    assert_eq!(t.lease_ids(9).await.len(), 1);
}

/// A job that concerns other queues cannot be enqueued with its tick.
pub async fn a_job_of_another_queue_is_refused(t: &Scene) {
    let elsewhere = t.elsewhere();
    let mut job_elsewhere = due(t, "prune");
    job_elsewhere.queue = elsewhere.queue().clone();
    let mut parent_elsewhere = due(t, "prune");
    let parent = JobRef::new(elsewhere.queue().clone(), JobId::from_bytes([1; 16]));
    parent_elsewhere.job.as_mut().unwrap().parents = vec![Parent::known(parent)];

    for claim in [job_elsewhere, parent_elsewhere] {
        let refusal = t.store().claim(&claim).await.unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput);
    }
}

/// A tick that is enqueued wakes a worker.
pub async fn a_tick_wakes_a_worker(t: &Scene) {
    let queues = [t.queue().clone()];
    let wait = t.store().wait(&queues);
    t.claim(&due(t, "prune")).await;

    let woken = tokio::time::timeout(super::scene::PATIENCE, wait).await;
    assert_eq!(woken.unwrap().unwrap(), queues[0]);
}

/// Many claim the same ticks at once: each tick is enqueued once, in order.
pub async fn claims_at_once_enqueue_each_tick_once(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..20 {
        let claim = due(t, "prune");
        let claims = (0..8).map(|_| t.store().claim(&claim));
        let answers = futures_util::future::join_all(claims).await;
        let enqueued = answers.iter().filter(|answer| is_enqueued(answer.as_ref().unwrap()));
        assert_eq!(enqueued.count(), 1);
        ids.push(claim.job.unwrap().record.id);
        t.advance(MS);
    }

    assert_eq!(t.lease_ids(99).await, ids);
}

fn schedule(name: &str) -> ScheduleRef {
    ScheduleRef::new(GroupName::new("billing").unwrap(), ScheduleName::new(name).unwrap())
}

fn is_enqueued(claimed: &Claimed) -> bool {
    matches!(claimed, Claimed::Enqueued(Enqueued::Created(_)))
}

/// A claim of a tick of right now.
fn due(t: &Scene, name: &str) -> Claim {
    claim_of(t, name, t.now())
}

fn claim_of(t: &Scene, name: &str, tick: Timestamp) -> Claim {
    let schedule = schedule(name);
    let job = t.job_with(|record| record.id = schedule.job_of(tick));
    let mut claim = Claim::new(schedule, t.queue().clone(), Some(job));
    claim.revision = 1;
    claim.good_until = t.now() + SECOND * 45;
    claim.tick = Some(Tick::new(tick, tick));
    claim
}

impl Scene {
    async fn claim(&self, claim: &Claim) -> Claimed {
        self.store().claim(claim).await.unwrap()
    }

    async fn mark(&self, name: &str) -> Option<Mark> {
        let marks = self.store().marks(self.queue(), &[schedule("none"), schedule(name)]).await;
        let [none, mark] = <[_; 2]>::try_from(marks.unwrap()).unwrap();
        assert_eq!(none, None);
        mark
    }

    async fn change_mark(&self, name: &str, change: MarkChange) {
        self.store().change_mark(self.queue(), &schedule(name), change).await.unwrap();
    }

    /// The job that the schedule has enqueued last.
    async fn claimed_job(&self, name: &str) -> JobId {
        *self.mark(name).await.unwrap().jobs.last().unwrap()
    }
}
