//! Keys that at most one live job of a queue holds.

use super::Scene;
use super::scene::{AT_ONCE, SECOND, fresh_queue};
use crate::id::JobId;
use crate::lease::{Held, Next};
use crate::record::{Enqueued, NewJob, When};
use crate::unique::UniqueKey;

/// A second job of a key is not added; the answer names the one that holds it.
pub async fn a_held_key_refuses_a_second_job(t: &Scene) {
    let holder = holder(t).await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(holder)));
    assert_eq!(t.stats().await.ready, 1);
}

/// The same holds within one batch.
pub async fn two_jobs_of_a_key_in_one_batch_are_one(t: &Scene) {
    let (first, second) = (rival(t), rival(t));
    let id = first.record.id;

    assert_eq!(
        t.add_all(&[first, second]).await,
        [Enqueued::Created(id), Enqueued::Duplicate(t.at(id))]
    );
}

/// Different keys do not meet.
pub async fn another_key_is_free(t: &Scene) {
    holder(t).await;
    let other = t.job_with(|record| record.unique = Some(UniqueKey::from_bytes([2; 16]).into()));

    assert_eq!(t.add(&other).await, Enqueued::Created(other.record.id));
}

/// A key holds within its queue.
pub async fn a_key_holds_in_its_queue_alone(t: &Scene) {
    holder(t).await;
    let mut elsewhere = rival(t);
    elsewhere.record.queue = fresh_queue();

    assert_eq!(t.add(&elsewhere).await, Enqueued::Created(elsewhere.record.id));
}

/// A job without a key is like no other.
pub async fn jobs_without_a_key_do_not_meet(t: &Scene) {
    holder(t).await;
    t.enqueue().await;
    t.enqueue().await;

    assert_eq!(t.stats().await.ready, 3);
}

/// A job that waits for its time holds its key.
pub async fn a_scheduled_job_holds_its_key(t: &Scene) {
    let mut first = rival(t);
    first.when = When::After(SECOND);
    t.add(&first).await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(first.record.id)));
}

/// A running job holds its key.
pub async fn a_leased_job_holds_its_key(t: &Scene) {
    let holder = holder(t).await;
    t.lease_one().await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(holder)));
}

/// A job that waits for its retry holds its key.
pub async fn a_retried_job_holds_its_key(t: &Scene) {
    let holder = holder(t).await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(holder)));
}

/// A job given back holds its key.
pub async fn a_released_job_holds_its_key(t: &Scene) {
    let holder = holder(t).await;
    let lease = t.lease_one().await;
    t.release(&lease).await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(holder)));
}

/// A job taken back from a dead worker holds its key.
pub async fn a_reclaimed_job_holds_its_key(t: &Scene) {
    let holder = holder(t).await;
    t.lease_one().await;
    t.crash().await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(holder)));
}

/// A job that is done frees its key.
pub async fn a_completed_job_frees_its_key(t: &Scene) {
    holder(t).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_created(t).await;
}

/// A completed job that is kept has freed its key all the same.
pub async fn a_kept_job_has_freed_its_key(t: &Scene) {
    let mut job = rival(t);
    job.record.retention = Some(SECOND * 60);
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_created(t).await;
}

/// A dead job frees its key: the work may be asked for again.
pub async fn a_dead_job_frees_its_key(t: &Scene) {
    holder(t).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_created(t).await;
}

/// A job that died of its crashes frees its key.
pub async fn a_poison_pill_frees_its_key(t: &Scene) {
    let mut job = rival(t);
    job.record.max_crashes = 1;
    t.add(&job).await;
    t.lease_one().await;
    t.crash().await;

    assert_created(t).await;
}

/// A job called off frees its key, waiting or running.
pub async fn a_cancelled_job_frees_its_key(t: &Scene) {
    let waiting = holder(t).await;
    t.cancel(waiting).await;
    let running = holder(t).await;
    let lease = t.lease_one().await;
    t.cancel(running).await;
    assert_eq!(t.retry(&lease, SECOND).await, Held::Yes);

    assert_created(t).await;
}

/// A job called off while it waited for its time frees its key.
pub async fn a_cancelled_scheduled_job_frees_its_key(t: &Scene) {
    let mut job = rival(t);
    job.when = When::After(SECOND);
    t.add(&job).await;
    t.cancel(job.record.id).await;

    assert_created(t).await;
}

/// A job that its handler called off frees its key.
pub async fn a_job_that_cancels_itself_frees_its_key(t: &Scene) {
    holder(t).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Cancel).await;

    assert_created(t).await;
}

/// A deleted job frees its key.
pub async fn a_deleted_job_frees_its_key(t: &Scene) {
    let holder = holder(t).await;
    t.delete(holder).await;

    assert_created(t).await;
}

/// A dead job holds no key any more, so deleting it does not free that of its successor.
pub async fn deleting_a_dead_job_leaves_its_successors_key(t: &Scene) {
    let dead = holder(t).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    let successor = holder(t).await;
    t.delete(dead).await;

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(successor)));
}

/// Nor does pruning a kept job.
pub async fn pruning_a_kept_job_leaves_its_successors_key(t: &Scene) {
    let mut job = rival(t);
    job.record.retention = Some(SECOND);
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    let successor = holder(t).await;
    t.advance(SECOND);
    assert_eq!(t.maintain().await.pruned, 1);

    assert_eq!(t.add(&rival(t)).await, Enqueued::Duplicate(t.at(successor)));
}

/// A known id says more than a held key.
pub async fn a_known_id_is_answered_before_a_held_key(t: &Scene) {
    holder(t).await;
    let known = t.enqueue().await;
    let mut job = rival(t);
    job.record.id = known;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(known)));
}

/// A job that was refused holds no key and no id.
pub async fn a_refused_job_leaves_nothing_behind(t: &Scene) {
    let holder = holder(t).await;
    let refused = rival(t);
    t.add(&refused).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(lease.job.id, holder);
    assert_eq!(t.state(refused.record.id).await, None);
    t.assert_pristine().await;
}

/// A key may change hands any number of times.
pub async fn a_key_may_be_held_again_and_again(t: &Scene) {
    for _ in 0..3 {
        holder(t).await;
        let lease = t.lease_one().await;
        t.retry(&lease, AT_ONCE).await;
        let lease = t.lease_one().await;
        t.ack(&lease).await;
    }

    t.assert_pristine().await;
}

const KEY: UniqueKey = UniqueKey::from_bytes([1; 16]);

/// A job of the key, not yet enqueued.
fn rival(t: &Scene) -> NewJob {
    t.job_with(|record| record.unique = Some(KEY.into()))
}

/// A ready job that holds the key.
async fn holder(t: &Scene) -> JobId {
    t.enqueue_with(|record| record.unique = Some(KEY.into())).await
}

async fn assert_created(t: &Scene) {
    let job = rival(t);
    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id));
}
