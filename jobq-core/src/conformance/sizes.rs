//! How many jobs may wait: an enqueue beyond is refused.

use super::Scene;
use super::scene::{AT_ONCE, SECOND, fresh_queue, lane_key};
use crate::error::ErrorKind;
use crate::limits::Limits;
use crate::record::{Enqueued, NewJob, When};
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// A queue takes as many jobs as it may have, and no more.
pub async fn a_full_queue_refuses_a_job(t: &Scene) {
    t.limit_queue(Limits::new().max_size(2)).await;
    t.enqueue().await;
    t.enqueue().await;

    assert_limited(t, &[t.job()]).await;
    assert_eq!(t.stats().await.ready, 2);
}

/// A call that is too large is refused whole, also if some of it would have room.
pub async fn a_call_is_refused_whole(t: &Scene) {
    t.limit_queue(Limits::new().max_size(2)).await;
    let jobs = [t.job(), t.job(), t.job()];

    assert_limited(t, &jobs).await;
    assert_eq!(t.stats().await.ready, 0);
    for job in &jobs {
        assert_eq!(t.state(job.record.id).await, None);
    }
}

/// The message says which queue, how many there are and how many there may be.
pub async fn a_refusal_says_what_is_full(t: &Scene) {
    t.limit_queue(Limits::new().max_size(17)).await;
    t.add_all(&std::array::from_fn::<_, 16, _>(|_| t.job())).await;
    let error = t.store().enqueue_jobs(&[t.job(), t.job()]).await.unwrap_err();

    let said = error.to_string();
    assert!(said.contains(t.queue().as_str()), "{said}");
    assert!(said.contains("16") && said.contains("17"), "{said}");
    assert!(error.is_transient(), "it may have room later");
}

/// Scheduled jobs count; what runs and what has ended does not.
pub async fn what_has_not_started_counts(t: &Scene) {
    t.limit_queue(Limits::new().max_size(2)).await;
    t.schedule(SECOND * 60).await;
    t.enqueue().await;
    assert_limited(t, &[t.job()]).await;

    let lease = t.lease_one().await;
    t.enqueue().await;
    t.bury(&lease).await;
    assert_limited(t, &[t.job()]).await;
}

/// Jobs held back by nothing but their lane count.
pub async fn jobs_of_lanes_count_for_their_queue(t: &Scene) {
    t.limit_queue(Limits::new().max_size(3)).await;
    t.pause_lane("a").await;
    t.fill("a", 2).await;
    t.fill("b", 1).await;

    assert_limited(t, &[t.job()]).await;
}

/// A job that is there already is a duplicate, and needs no room.
pub async fn a_duplicate_needs_no_room(t: &Scene) {
    t.limit_queue(Limits::new().max_size(1)).await;
    let job = keyed(t, UniqueMode::UntilFinished);
    t.add(&job).await;
    let id = job.record.id;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(id)));
    assert_eq!(t.add(&keyed(t, UniqueMode::UntilFinished)).await, Enqueued::Duplicate(t.at(id)));
}

/// Duplicates within a call need none either.
pub async fn duplicates_within_a_call_need_no_room(t: &Scene) {
    t.limit_queue(Limits::new().max_size(2)).await;
    let (job, first) = (t.job(), keyed(t, UniqueMode::UntilFinished));
    let second = keyed(t, UniqueMode::UntilFinished);

    let answers = t.add_all(&[job.clone(), job.clone(), first.clone(), second]).await;
    assert_eq!(
        answers,
        [
            Enqueued::Created(job.record.id),
            Enqueued::Duplicate(t.at(job.record.id)),
            Enqueued::Created(first.record.id),
            Enqueued::Duplicate(t.at(first.record.id)),
        ]
    );
}

/// A job that takes another one's place needs no room of its own.
pub async fn a_replacement_needs_no_room(t: &Scene) {
    t.limit_queue(Limits::new().max_size(1)).await;
    let mut newest = keyed(t, UniqueMode::LatestWins);
    t.add(&newest).await;
    for _ in 0..3 {
        let previous = newest.record.id;
        newest = keyed(t, UniqueMode::LatestWins);
        let id = newest.record.id;
        assert_eq!(t.add(&newest).await, Enqueued::Replaced { id, previous });
    }

    assert_limited(t, &[t.job()]).await;
    assert_limited(t, &[keyed(t, UniqueMode::LatestWins), t.job()]).await;
    assert_eq!(t.state(newest.record.id).await, Some(crate::JobState::Ready));
}

/// A lane takes as many ready jobs as it may have; other lanes and those without one have room.
pub async fn a_full_lane_refuses_a_job(t: &Scene) {
    t.limit_lanes(Limits::new().max_size(2)).await;
    t.fill("a", 2).await;

    assert_limited(t, &[laned(t, "a")]).await;
    t.fill("b", 2).await;
    t.enqueue().await;
    assert_eq!(t.stats().await.ready, 5);
}

/// One full lane refuses the whole call for its queue.
pub async fn a_full_lane_refuses_the_whole_call(t: &Scene) {
    t.limit_lane("a", Limits::new().max_size(1)).await;

    assert_limited(t, &[t.job(), laned(t, "b"), laned(t, "a"), laned(t, "a")]).await;
    assert_eq!(t.stats().await.ready, 0);
}

/// The message names the lane.
pub async fn a_refusal_says_which_lane_is_full(t: &Scene) {
    t.limit_lane("store-7", Limits::new().max_size(1)).await;
    t.fill("store-7", 1).await;
    let error = t.store().enqueue_jobs(&[laned(t, "store-7")]).await.unwrap_err();

    assert!(error.to_string().contains("store-7"), "{error}");
}

/// Only what is ready counts for a lane: a scheduled job does not, and is promoted whatever there is.
pub async fn a_lane_counts_what_is_ready(t: &Scene) {
    t.limit_lanes(Limits::new().max_size(1)).await;
    let mut later = laned(t, "a");
    later.when = When::After(SECOND);
    t.add_all(&[later.clone(), laned(t, "a")]).await;
    assert_limited(t, &[laned(t, "a")]).await;

    t.advance(SECOND);
    assert_eq!(t.maintain().await.promoted, 1);
    assert_eq!(t.lane("a").await.ready, 2);
    t.lease(1).await;
    assert_limited(t, &[laned(t, "a")]).await;
    t.lease(1).await;
    t.fill("a", 1).await;
}

/// What comes back by itself is never refused.
pub async fn what_comes_back_is_never_refused(t: &Scene) {
    t.fill("a", 4).await;
    let leases = t.lease(4).await;
    t.limit_queue(Limits::new().max_size(1)).await;
    t.limit_lanes(Limits::new().max_size(1)).await;
    t.bury(&leases[0]).await;
    t.release(&leases[1]).await;
    t.retry(&leases[2], AT_ONCE).await;
    t.crash().await;
    t.requeue(leases[0].job.id).await;

    assert_eq!(t.lane("a").await.ready, 4);
    assert_limited(t, &[laned(t, "a")]).await;
}

/// A limit that is lowered below what there is lets nothing in until there is less.
pub async fn a_lowered_size_leaves_what_is_there(t: &Scene) {
    t.add_all(&[t.job(), t.job(), t.job()]).await;
    t.limit_queue(Limits::new().max_size(2)).await;

    assert_limited(t, &[t.job()]).await;
    t.lease(1).await;
    assert_limited(t, &[t.job()]).await;
    t.lease(1).await;
    t.enqueue().await;
}

/// A limit that is taken away refuses nothing more.
pub async fn a_size_can_be_taken_away(t: &Scene) {
    t.limit_queue(Limits::new().max_size(1)).await;
    t.enqueue().await;
    t.limit_queue(Limits::new()).await;

    t.enqueue().await;
}

/// A full queue refuses nothing of another one.
pub async fn a_full_queue_fills_no_other(t: &Scene) {
    t.limit_queue(Limits::new().max_size(1)).await;
    t.enqueue().await;
    let elsewhere = t.job_with(|record| record.queue = fresh_queue());

    assert_eq!(t.add(&elsewhere).await, Enqueued::Created(elsewhere.record.id));
}

/// A refused job leaves nothing behind: its id, its key and its lane are free.
pub async fn a_refused_job_leaves_nothing(t: &Scene) {
    t.limit_queue(Limits::new().max_size(1)).await;
    t.enqueue().await;
    let mut job = keyed(t, UniqueMode::UntilFinished);
    job.record.lane = Some(lane_key("a"));
    assert_limited(t, &[job.clone()]).await;
    t.lease(1).await;

    assert_eq!(t.store().lanes(t.queue(), None, 9).await.unwrap(), []);
    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id));
}

/// Nothing is refused because of limits that nobody could keep: those are refused themselves.
pub async fn absurd_limits_are_refused(t: &Scene) {
    let queue = crate::LimitScope::Queue(t.queue().clone());
    let each = crate::LimitScope::Lanes(t.queue().clone());
    for (scope, limits) in [
        (&queue, Limits::new().max_size(0)),
        (&queue, Limits::new().concurrency(0)),
        (&queue, Limits::new().weight(2)),
        (&each, Limits::new().weight(0)),
        (&each, Limits::new().concurrency(2).max_size(u64::MAX)),
    ] {
        let set = t.store().set_limits(scope, crate::LimitSource::Code, &limits).await;
        assert_eq!(set.unwrap_err().kind(), ErrorKind::InvalidInput, "{limits:?}");
    }
    assert_eq!(t.store().limits(t.queue(), 9).await.unwrap(), []);
}

async fn assert_limited(t: &Scene, jobs: &[NewJob]) {
    let error = t.store().enqueue_jobs(jobs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limited, "{error}");
}

fn laned(t: &Scene, lane: &str) -> NewJob {
    t.job_with(|record| record.lane = Some(lane_key(lane)))
}

fn keyed(t: &Scene, mode: UniqueMode) -> NewJob {
    let unique = Unique::new(UniqueKey::from_bytes([1; 16]), mode);
    t.job_with(|record| record.unique = Some(unique))
}
