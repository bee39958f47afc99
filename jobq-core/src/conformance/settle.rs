//! The end of a lease, and what it takes to end one.

use std::sync::Arc;

use super::Scene;
use super::scene::{SECOND, fresh_queue};
use crate::id::{JobId, Token, WorkerId};
use crate::lease::{Held, Lease, Next, Settlement};
use crate::state::JobState;

/// A job that is done leaves nothing behind.
pub async fn an_acked_job_is_gone(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!(t.ack(&lease).await, Held::Yes);
    assert_eq!(t.state(id).await, None);
    t.assert_pristine().await;
}

/// A job with a retention is kept, with what its handler returned.
pub async fn a_job_with_a_retention_is_kept_with_its_result(t: &Scene) {
    let minute = SECOND * 60;
    let id = t.enqueue_with(|record| record.retention = Some(minute)).await;
    let lease = t.lease_one().await;
    let result = Some(vec![0xc3, 0x00, 0xff]);
    let next = Next::Complete { result: result.clone() };
    assert_eq!(t.settle(&lease, next).await, Held::Yes);

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Completed);
    assert_eq!(view.result, result);
    assert_eq!(view.at, Some(t.now() + minute));
    assert_eq!(view.held_by, None);
}

/// A kept job need not have a result.
pub async fn a_kept_job_may_have_no_result(t: &Scene) {
    let id = t.kept(SECOND * 60).await;

    assert_eq!(t.view(id).await.result, None);
}

/// A result that nobody asked to keep is dropped.
pub async fn a_result_without_a_retention_is_dropped(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let result = Some(vec![1, 2, 3]);

    assert_eq!(t.settle(&lease, Next::Complete { result }).await, Held::Yes);
    t.assert_pristine().await;
}

/// A kept job has run its course.
pub async fn a_kept_job_is_not_leased_again(t: &Scene) {
    t.kept(SECOND * 60).await;

    assert_eq!(t.lease_ids(1).await, []);
}

/// Answers are matched to settlements by their position.
pub async fn answers_are_in_the_order_of_the_settlements(t: &Scene) {
    for _ in 0..3 {
        t.enqueue().await;
    }
    let leases = t.lease(3).await;
    t.ack(&leases[1]).await;

    let all: Vec<_> = leases.iter().map(ack).collect();
    assert_eq!(t.settle_all(&all).await, [Held::Yes, Held::Lost, Held::Yes]);
}

/// Many leases may end at once, each in its own way.
pub async fn many_leases_may_be_settled_in_one_step(t: &Scene) {
    let jobs: Vec<_> = (0..300).map(|_| t.job()).collect();
    t.add_all(&jobs).await;
    let leases = t.lease(300).await;
    let settlements: Vec<_> = leases
        .iter()
        .enumerate()
        .map(|(n, lease)| match n % 3 {
            0 => ack(lease),
            1 => Settlement::new(Arc::clone(lease), Next::Release),
            _ => Settlement::new(Arc::clone(lease), Next::Snooze { after: SECOND }),
        })
        .collect();

    assert_eq!(t.settle_all(&settlements).await, [Held::Yes; 300]);
    let stats = t.stats().await;
    assert_eq!((stats.ready, stats.scheduled, stats.leased), (100, 100, 0));
}

/// Settlements come first, so what they free can be leased in the same step.
pub async fn what_a_settlement_frees_can_be_leased_at_once(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;

    let give_back = Settlement::new(lease, Next::Release);
    let exchanged = t.exchange(&[give_back], 1).await;
    assert_eq!(exchanged.held, [Held::Yes]);
    assert_eq!(exchanged.leases[0].job.id, id);
}

/// An exchange settles one job and leases another.
pub async fn an_exchange_settles_and_leases(t: &Scene) {
    t.enqueue().await;
    let next = t.enqueue().await;
    let lease = t.lease_one().await;

    let exchanged = t.exchange(&[ack(&lease)], 5).await;
    assert_eq!(exchanged.held, [Held::Yes]);
    assert_eq!(exchanged.leases.len(), 1);
    assert_eq!(exchanged.leases[0].job.id, next);
}

/// A settlement whose answer was lost can be repeated, and does nothing more.
pub async fn a_lease_is_settled_once(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.retry(&lease, SECOND).await, Held::Yes);

    assert_eq!(t.retry(&lease, SECOND).await, Held::Lost);
    assert_eq!(t.view(lease.job.id).await.failed_attempts, 1);
}

/// The same holds within one batch.
pub async fn the_second_settlement_of_a_batch_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let give_back = Settlement::new(Arc::clone(&lease), Next::Release);

    let held = t.settle_all(&[give_back, ack(&lease)]).await;
    assert_eq!(held, [Held::Yes, Held::Lost]);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// No settlements are no mistake.
pub async fn an_empty_exchange_does_nothing(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.settle_all(&[]).await, []);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A job that the queue does not know cannot be settled.
pub async fn an_unknown_job_is_lost(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let stranger = altered(&lease, |lease| lease.job.id = JobId::from_bytes([7; 16]));

    assert_eq!(t.ack(&stranger).await, Held::Lost);
    assert_eq!(t.stats().await.leased, 1);
}

/// The right token in the wrong hands is refused.
pub async fn another_workers_lease_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let stolen = altered(&lease, |lease| lease.worker = WorkerId::generate());

    assert_eq!(t.ack(&stolen).await, Held::Lost);
    assert_eq!(t.state(id).await, Some(JobState::Leased));
    assert_eq!(t.ack(&lease).await, Held::Yes);
}

/// A token that was never given is refused, be it greater than the right one.
pub async fn a_made_up_token_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    for token in [0, lease.token.as_u64() + 1, u64::MAX >> 12] {
        let made_up = altered(&lease, |lease| lease.token = Token::from_u64(token));
        assert_eq!(t.ack(&made_up).await, Held::Lost, "token {token}");
    }

    assert_eq!(t.state(id).await, Some(JobState::Leased));
}

/// A lease belongs to one queue.
pub async fn a_lease_of_another_queue_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let other = fresh_queue();

    let exchanged = t.store().exchange(&other, &[ack(&lease)], None).await;
    assert_eq!(exchanged.unwrap().held, [Held::Lost]);
    assert_eq!(t.state(id).await, Some(JobState::Leased));
}

/// A job that nobody has leased cannot be settled.
pub async fn a_ready_job_cannot_be_settled(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.release(&lease).await;

    assert_eq!(t.ack(&lease).await, Held::Lost);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A handler may call its own job off.
pub async fn a_cancelled_lease_ends_the_job(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!(t.settle(&lease, Next::Cancel).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job called off by its handler is kept if it has a retention.
pub async fn a_cancelled_lease_is_kept_with_a_retention(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Cancel).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Cancelled);
    assert_eq!(view.at, Some(t.now() + SECOND * 60));
}

fn ack(lease: &Arc<Lease>) -> Settlement {
    Settlement::new(Arc::clone(lease), Next::Complete { result: None })
}

fn altered(lease: &Lease, alter: impl FnOnce(&mut Lease)) -> Arc<Lease> {
    let mut lease = lease.clone();
    alter(&mut lease);
    Arc::new(lease)
}
