//! Dead jobs that people bring back.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::id::JobId;
use crate::inspect::RequeueOutcome;
use crate::lease::Held;
use crate::priority::Priority;
use crate::record::Enqueued;
use crate::state::JobState;
use crate::unique::UniqueKey;

/// A requeued job runs again.
pub async fn a_requeued_job_is_ready(t: &Scene) {
    let id = t.dead().await;

    assert_eq!(t.requeue(id).await, RequeueOutcome::Requeued);
    let view = t.view(id).await;
    assert_eq!((view.state, view.at), (JobState::Ready, None));
    assert_eq!(t.lease_ids(1).await, [id]);
}

/// A requeued job waits its turn.
pub async fn a_requeued_job_goes_to_the_back(t: &Scene) {
    let dead = t.dead().await;
    let waiting = t.enqueue().await;
    t.requeue(dead).await;

    assert_eq!(t.lease_ids(2).await, [waiting, dead]);
}

/// A requeued job waits in the line of its priority.
pub async fn a_requeued_job_keeps_its_priority(t: &Scene) {
    let dead = t.dead_with(|record| record.priority = Priority::HIGHEST).await;
    let waiting = t.enqueue().await;
    t.requeue(dead).await;

    assert_eq!(t.lease_ids(2).await, [dead, waiting]);
}

/// A requeued job has all its attempts before it again.
pub async fn a_requeue_gives_back_the_attempts(t: &Scene) {
    let id = t.enqueue().await;
    let first = t.lease_one().await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    t.bury(&second).await;
    t.requeue(id).await;

    let lease = t.lease_one().await;
    assert_eq!((lease.failed_attempts, lease.attempt()), (0, 1));
}

/// A requeued poison pill may crash as often as before.
pub async fn a_requeue_forgives_the_crashes(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_crashes = 2).await;
    for _ in 0..2 {
        t.lease_one().await;
        t.crash().await;
    }
    t.requeue(id).await;

    assert_eq!(t.lease_one().await.crashes, 0);
    assert_eq!(t.crash().await.reclaimed, 1);
    assert_eq!(t.view(id).await.crashes, 1);
}

/// What went wrong is not forgotten.
pub async fn a_requeue_keeps_the_history(t: &Scene) {
    let id = t.dead().await;
    let history = t.view(id).await.history;
    t.requeue(id).await;

    assert_eq!(history.failures().len(), 1);
    assert_eq!(t.lease_one().await.history, history);
}

/// A requeued job can end well, and leaves nothing behind.
pub async fn a_requeued_job_can_be_completed(t: &Scene) {
    let id = t.dead().await;
    t.requeue(id).await;
    let lease = t.lease_one().await;

    assert_eq!(t.ack(&lease).await, Held::Yes);
    t.assert_pristine().await;
}

/// A requeued job gets a greater token than it ever had.
pub async fn tokens_grow_across_a_requeue(t: &Scene) {
    let id = t.enqueue().await;
    let first = t.lease_one().await;
    t.bury(&first).await;
    t.requeue(id).await;

    assert!(t.lease_one().await.token > first.token);
    assert_eq!(t.ack(&first).await, Held::Lost);
}

/// A requeued job holds its unique key again.
pub async fn a_requeued_job_holds_its_key_again(t: &Scene) {
    let id = t.dead_with(|record| record.unique = KEY.map(Into::into)).await;
    t.requeue(id).await;

    let rival = t.job_with(|record| record.unique = KEY.map(Into::into));
    assert_eq!(t.add(&rival).await, Enqueued::Duplicate(t.at(id)));
}

/// A dead job whose key another job holds by now stays where it is.
pub async fn a_held_key_stands_in_the_way(t: &Scene) {
    let dead = t.dead_with(|record| record.unique = KEY.map(Into::into)).await;
    let holder = t.enqueue_with(|record| record.unique = KEY.map(Into::into)).await;
    let before = t.view(dead).await;

    assert_eq!(t.requeue(dead).await, RequeueOutcome::Conflict(holder));
    assert_eq!(t.view(dead).await, before);
    assert_eq!(t.lease_ids(2).await, [holder]);
}

/// When the other job has ended, the way is free.
pub async fn a_freed_key_stands_in_nobodys_way(t: &Scene) {
    let dead = t.dead_with(|record| record.unique = KEY.map(Into::into)).await;
    t.enqueue_with(|record| record.unique = KEY.map(Into::into)).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.requeue(dead).await, RequeueOutcome::Requeued);
}

/// Of two dead jobs of one key, only one comes back.
pub async fn two_dead_jobs_of_one_key_do_not_both_come_back(t: &Scene) {
    let first = t.dead_with(|record| record.unique = KEY.map(Into::into)).await;
    let second = t.dead_with(|record| record.unique = KEY.map(Into::into)).await;

    let ids = [second, first];
    assert_eq!(
        t.store().requeue(t.queue(), &ids).await.unwrap(),
        [RequeueOutcome::Requeued, RequeueOutcome::Conflict(second)]
    );
}

/// Only dead jobs are brought back.
pub async fn a_job_that_is_not_dead_stays_as_it_is(t: &Scene) {
    let completed = t.kept(SECOND * 60).await;
    let leased = t.enqueue().await;
    t.lease_one().await;
    let scheduled = t.schedule(SECOND).await;
    let ready = t.enqueue().await;

    for (id, state) in [
        (completed, JobState::Completed),
        (leased, JobState::Leased),
        (scheduled, JobState::Scheduled),
        (ready, JobState::Ready),
    ] {
        assert_eq!(t.requeue(id).await, RequeueOutcome::NotDead, "{state}");
        assert_eq!(t.state(id).await, Some(state));
    }
}

/// A second requeue finds the job alive.
pub async fn a_job_is_requeued_once(t: &Scene) {
    let id = t.dead().await;
    assert_eq!(t.requeue(id).await, RequeueOutcome::Requeued);

    assert_eq!(t.requeue(id).await, RequeueOutcome::NotDead);
    assert_eq!(t.lease_ids(2).await, [id]);
}

/// Answers are matched to ids by their position.
pub async fn answers_are_in_the_order_of_the_ids(t: &Scene) {
    let dead = t.dead().await;
    let ready = t.enqueue().await;
    let unknown = JobId::from_bytes([7; 16]);

    let ids = [unknown, dead, ready];
    assert_eq!(
        t.store().requeue(t.queue(), &ids).await.unwrap(),
        [RequeueOutcome::NotFound, RequeueOutcome::Requeued, RequeueOutcome::NotDead]
    );
    assert_eq!(t.store().requeue(t.queue(), &[]).await.unwrap(), []);
}

const KEY: Option<UniqueKey> = Some(UniqueKey::from_bytes([1; 16]));
