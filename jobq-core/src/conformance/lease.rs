//! The right to run a job for a bounded time.

use super::scene::{SECOND, fresh_queue};
use super::{LEASE, Scene};
use crate::history::History;
use crate::id::WorkerId;
use crate::lease::LeaseRequest;
use crate::state::JobState;

/// A worker gets no more than it has room for.
pub async fn no_more_jobs_are_leased_than_asked_for(t: &Scene) {
    let first = t.enqueue().await;
    let second = t.enqueue().await;
    t.enqueue().await;

    assert_eq!(t.lease_ids(2).await, [first, second]);
    assert_eq!(t.stats().await.ready, 1);
}

/// A worker that asks for more gets what there is.
pub async fn fewer_jobs_than_asked_for_are_leased_if_there_are_no_more(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.lease_ids(100).await, [id]);
}

/// An empty queue is not a mistake.
pub async fn an_empty_queue_leases_nothing(t: &Scene) {
    let id = t.enqueue().await;
    assert_eq!(t.lease_ids(1).await, [id]);

    assert_eq!(t.lease_ids(1).await, []);
}

/// Nor is a queue that nobody has enqueued to.
pub async fn an_unknown_queue_leases_nothing(t: &Scene) {
    let exchanged = t.exchange(&[], 10).await;

    assert_eq!(exchanged.leases, []);
    assert_eq!(exchanged.next_in, None);
}

/// Asking for no jobs brings none.
pub async fn a_limit_of_zero_leases_nothing(t: &Scene) {
    t.enqueue().await;

    assert_eq!(t.lease_ids(0).await, []);
    assert_eq!(t.stats().await.ready, 1);
}

/// An exchange without a request leases nothing.
pub async fn without_a_request_nothing_is_leased(t: &Scene) {
    t.enqueue().await;
    let exchanged = t.store().exchange(t.queue(), &[], None).await.unwrap();

    assert_eq!(exchanged.leases, []);
    assert_eq!(exchanged.next_in, None);
    assert_eq!(t.stats().await.ready, 1);
}

/// A leased job belongs to one worker.
pub async fn a_leased_job_is_not_leased_again(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;

    assert_eq!(t.lease_as(WorkerId::generate(), 1).await, []);
}

/// A lease names its holder and its end.
pub async fn a_lease_says_who_holds_it_and_until_when(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!(lease.worker, t.worker());
    assert_eq!(lease.expires_at, t.now() + LEASE);
}

/// The first attempt of a job has nothing behind it.
pub async fn a_first_lease_has_no_past(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!((lease.attempt(), lease.failed_attempts), (1, 0));
    assert_eq!(lease.crashes, 0);
    assert_eq!(lease.history, History::new());
}

/// The length of a lease is the worker's choice.
pub async fn each_lease_has_the_length_that_was_asked_for(t: &Scene) {
    let store = t.store();
    for seconds in [1, 3_600] {
        t.enqueue().await;
        let request = LeaseRequest::new(t.worker(), 1, SECOND * seconds);
        let exchanged = store.exchange(t.queue(), &[], Some(request)).await.unwrap();
        assert_eq!(exchanged.leases[0].expires_at, t.now() + SECOND * seconds, "{seconds} s");
    }
}

/// People see that a job is running, where, under which token and until when.
pub async fn a_leased_job_shows_its_holder(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Leased);
    assert_eq!(view.at, Some(lease.expires_at));
    assert_eq!(view.held_by, Some((t.worker(), lease.token)));
    assert!(!view.cancel_requested);
}

/// Tokens of one batch grow in its order.
pub async fn tokens_grow_within_a_batch(t: &Scene) {
    for _ in 0..3 {
        t.enqueue().await;
    }

    let leases = t.lease(3).await;
    assert!(leases.is_sorted_by(|a, b| a.token < b.token));
}

/// A new lease has a greater token than all earlier ones of the queue, those that have ended included.
pub async fn tokens_grow_from_lease_to_lease(t: &Scene) {
    let mut newest = None;
    for _ in 0..3 {
        t.enqueue().await;
        let lease = t.lease_one().await;
        t.ack(&lease).await;
        assert!(Some(lease.token) > newest);
        newest = Some(lease.token);
    }
}

/// The next attempt of a job has a greater token, so that a store can refuse the earlier one's writes.
pub async fn tokens_grow_from_attempt_to_attempt(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.release(&first).await;
    let second = t.lease_one().await;

    assert_eq!(first.job.id, second.job.id);
    assert!(second.token > first.token);
}

/// Queues know nothing of each other.
pub async fn a_lease_takes_from_its_queue_alone(t: &Scene) {
    let other = fresh_queue();
    t.enqueue_with(|record| record.queue = other.clone()).await;
    let id = t.enqueue().await;

    assert_eq!(t.lease_ids(10).await, [id]);
}

/// A worker that got less than it asked for learns when to come again: when a job is due.
pub async fn the_next_due_job_is_announced(t: &Scene) {
    t.schedule(SECOND * 9).await;
    t.schedule(SECOND * 5).await;

    assert_eq!(t.exchange(&[], 1).await.next_in, Some(SECOND * 5));
    t.advance(SECOND * 3);
    assert_eq!(t.exchange(&[], 1).await.next_in, Some(SECOND * 2));
}

/// Or when a lease expires, be it one just given.
pub async fn the_next_expiry_is_announced(t: &Scene) {
    t.enqueue().await;

    assert_eq!(t.exchange(&[], 2).await.next_in, Some(LEASE));
    t.advance(SECOND);
    assert_eq!(t.exchange(&[], 2).await.next_in, Some(LEASE - SECOND));
}

/// The earlier of both counts.
pub async fn the_earlier_of_due_and_expiry_is_announced(t: &Scene) {
    t.enqueue().await;
    t.schedule(LEASE * 2).await;
    t.lease_one().await;
    assert_eq!(t.exchange(&[], 1).await.next_in, Some(LEASE));

    t.schedule(SECOND).await;
    assert_eq!(t.exchange(&[], 1).await.next_in, Some(SECOND));
}

/// Where nothing is to come there is nothing to announce.
pub async fn an_idle_queue_announces_nothing(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.exchange(&[], 1).await.next_in, None);
}

/// A worker that got all it asked for has no need to know.
pub async fn a_full_lease_announces_nothing(t: &Scene) {
    t.enqueue().await;
    t.schedule(SECOND).await;

    let exchanged = t.exchange(&[], 1).await;
    assert_eq!(exchanged.leases.len(), 1);
    assert_eq!(exchanged.next_in, None);
}

/// Two workers that ask in turn share the jobs.
pub async fn two_workers_never_share_a_job(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(t.enqueue().await);
    }
    let other = WorkerId::generate();
    let (ours, theirs) = tokio::join!(t.lease(15), t.lease_as(other, 15));

    let mut leased: Vec<_> = ours.iter().chain(&theirs).map(|l| l.job.id).collect();
    leased.sort_unstable();
    ids.sort_unstable();
    assert_eq!(leased, ids);
}
