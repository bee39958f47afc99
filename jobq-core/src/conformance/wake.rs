//! Idle workers are woken when there is something to do, and left asleep when there is not.

use super::Scene;
use super::scene::{SECOND, fresh_queue};
use crate::record::When;

/// A worker that waits is woken by a new job.
pub async fn a_new_job_wakes_a_worker(t: &Scene) {
    let (_, id) = tokio::join!(t.woken(), t.enqueue());

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// A job that came just before the wait is not slept through.
pub async fn a_job_before_the_wait_wakes_a_worker(t: &Scene) {
    t.enqueue().await;

    t.woken().await;
}

/// A worker of several queues learns which one has something.
pub async fn a_worker_learns_which_queue_it_is(t: &Scene) {
    let queues = [fresh_queue(), t.queue().clone(), fresh_queue()];
    let (woken, _) = tokio::join!(t.woken_by(&queues), t.enqueue());

    assert_eq!(woken, *t.queue());
}

/// Two queues that ring together are both heard of, one after the other.
pub async fn no_queue_drowns_out_another(t: &Scene) {
    let other = fresh_queue();
    let queues = [t.queue().clone(), other.clone()];
    t.enqueue().await;
    t.enqueue_with(|record| record.queue = other.clone()).await;

    let woken = [t.woken_by(&queues).await, t.woken_by(&queues).await];
    assert!(woken.contains(t.queue()) && woken.contains(&other));
}

/// One batch of jobs is enough for several workers: each that leases leaves word for the next.
pub async fn what_a_lease_leaves_behind_wakes_another_worker(t: &Scene) {
    t.add_all(&[t.job(), t.job(), t.job()]).await;
    t.calm().await;

    for _ in 0..2 {
        let (_, leases) = tokio::join!(t.woken(), t.lease(1));
        assert_eq!(leases.len(), 1);
    }
}

/// What is left behind may have a lower priority than what was leased.
pub async fn a_lower_priority_left_behind_wakes_another_worker(t: &Scene) {
    let mut urgent = t.job();
    urgent.record.priority = crate::Priority::HIGHEST;
    t.add_all(&[urgent, t.job()]).await;
    t.calm().await;

    let (_, leases) = tokio::join!(t.woken(), t.lease(1));
    assert_eq!(leases[0].job.priority, crate::Priority::HIGHEST);
}

/// A job scheduled before all others wakes a worker, which can then learn of the earlier time.
pub async fn an_earlier_scheduled_job_wakes_a_worker(t: &Scene) {
    t.schedule(SECOND * 60).await;
    t.calm().await;

    tokio::join!(t.woken(), t.schedule(SECOND));
    assert_eq!(t.exchange(&[], 1).await.next_in, Some(SECOND));
}

/// The first scheduled job is earlier than none.
pub async fn the_first_scheduled_job_wakes_a_worker(t: &Scene) {
    tokio::join!(t.woken(), t.schedule(SECOND));
}

/// A batch wakes a worker wherever in it the job for now is.
pub async fn a_mixed_batch_wakes_a_worker(t: &Scene) {
    let mut later = t.job();
    later.when = When::After(SECOND * 60);
    t.add(&later).await;
    t.calm().await;
    let mut much_later = t.job();
    much_later.when = When::After(SECOND * 600);
    let jobs = [much_later.clone(), t.job(), much_later];

    tokio::join!(t.woken(), t.add_all(&jobs));
}

/// A job given back wakes another worker.
pub async fn a_released_job_wakes_a_worker(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.calm().await;

    tokio::join!(t.woken(), t.release(&lease));
}

/// A retry that is due before all others wakes a worker.
pub async fn a_retry_wakes_a_worker(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.calm().await;

    tokio::join!(t.woken(), t.retry(&lease, SECOND));
}

/// Forfeited jobs wake another worker.
pub async fn a_forfeited_job_wakes_a_worker(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;
    t.calm().await;

    let forfeit = t.store().forfeit(t.queue(), t.worker(), &[]);
    let (_, forfeited) = tokio::join!(t.woken(), forfeit);
    assert_eq!(forfeited.unwrap(), 1);
}

/// A job that maintenance takes from a dead worker wakes a living one.
pub async fn a_reclaimed_job_wakes_a_worker(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;
    t.calm().await;

    tokio::join!(t.woken(), t.crash());
}

/// A job that maintenance promotes wakes a worker.
pub async fn a_promoted_job_wakes_a_worker(t: &Scene) {
    t.schedule(SECOND).await;
    t.calm().await;
    t.advance(SECOND);

    tokio::join!(t.woken(), t.maintain());
}

/// A job that a person brings back wakes a worker.
pub async fn a_requeued_job_wakes_a_worker(t: &Scene) {
    let id = t.dead().await;
    t.calm().await;

    tokio::join!(t.woken(), t.requeue(id));
}

/// A queue that is resumed wakes a worker.
pub async fn a_resumed_queue_wakes_a_worker(t: &Scene) {
    t.pause().await;
    t.enqueue().await;
    t.calm().await;

    tokio::join!(t.woken(), t.resume());
}

/// A worker that stops waiting takes no wake-up with it.
pub async fn a_dropped_wait_loses_no_wake_up(t: &Scene) {
    let queues = [t.queue().clone()];
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = t.store().wait(&queues) => panic!("nothing has happened yet"),
            () = tokio::task::yield_now() => {}
        }
    }
    t.enqueue().await;

    t.woken().await;
}

/// Two workers that wait share two jobs, however the wake-ups fall together.
pub async fn two_jobs_keep_two_workers_busy(t: &Scene) {
    let work = async || {
        t.woken().await;
        t.lease_one().await.job.id
    };
    let (one, other, ids) =
        tokio::join!(work(), work(), async { [t.enqueue().await, t.enqueue().await] });

    assert!([[one, other], [other, one]].contains(&ids));
}

/// A queue with nothing to do lets workers sleep: wake-ups are bounded by what happened.
pub async fn an_idle_worker_is_not_woken_again_and_again(t: &Scene) {
    t.schedule(SECOND * 60).await;
    for _ in 0..3 {
        t.enqueue().await;
        let lease = t.lease_one().await;
        t.ack(&lease).await;
    }
    t.calm().await;
    for _ in 0..5 {
        t.exchange(&[], 1).await;
        t.maintain().await;
    }

    assert_eq!(t.calm().await, 0, "wake-ups for nothing");
}

/// A paused queue lets workers sleep, however many jobs it holds.
pub async fn a_paused_queue_wakes_nobody(t: &Scene) {
    t.enqueue().await;
    t.pause().await;
    t.calm().await;
    for _ in 0..5 {
        t.exchange(&[], 1).await;
        t.maintain().await;
    }

    assert_eq!(t.calm().await, 0, "wake-ups for nothing");
}
