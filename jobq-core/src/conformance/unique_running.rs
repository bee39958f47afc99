//! Unique keys of jobs that do not run at once, and keys that count among all queues.

use super::Scene;
use super::scene::{AT_ONCE, LEASE, SECOND, fresh_queue, lane_key};
use crate::error::ErrorKind;
use crate::id::{JobId, WorkerId};
use crate::inspect::RequeueOutcome;
use crate::job_ref::JobRef;
use crate::lease::{Held, Next, Settlement};
use crate::limits::{Limits, Rate};
use crate::record::{Enqueued, NewJob, When};
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode};

const WHILE_RUNNING: UniqueMode = UniqueMode::WhileRunning;
const LATEST: UniqueMode = UniqueMode::LatestWins;

// While running

/// Any number may wait, one runs at a time, in their order.
pub async fn jobs_of_a_key_run_one_after_the_other(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 4).await;
    for id in ids {
        let leases = t.lease(9).await;
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].job.id, id);
        t.ack(&leases[0]).await;
    }
}

/// Those that are held back are ready, and others go on.
pub async fn a_job_that_is_held_back_is_ready(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 3).await;
    let other = t.enqueue().await;
    assert_eq!(t.lease_ids(9).await, [ids[0], other]);

    assert_eq!(t.state(ids[1]).await, Some(JobState::Ready));
    assert_eq!(t.stats().await.ready, 2);
    let mut ready = t.ids(JobState::Ready).await;
    ready.sort_unstable();
    let mut expected = ids[1..].to_vec();
    expected.sort_unstable();
    assert_eq!(ready, expected);
    assert_eq!(t.view(ids[2]).await.at, None);
}

/// The key is free in the step in which the lease ends, whatever ends it.
pub async fn every_end_of_a_lease_frees_the_key(t: &Scene) {
    let ends = [
        Next::Complete { result: None },
        Next::Snooze { after: SECOND * 900 },
        Next::Cancel,
        Next::Release,
    ];
    for end in ends {
        let ids = add_some(t, WHILE_RUNNING, 2).await;
        let lease = t.lease(9).await.remove(0);
        let exchanged = t.exchange(&[Settlement::new(lease, end)], 1).await;
        assert_eq!(exchanged.leases[0].job.id, ids[1], "it was held back first");
        t.ack(&exchanged.leases[0]).await;
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
    }
}

/// So it is by a failure, a death, a crash, a forfeit, and an end that was asked for.
pub async fn bad_ends_free_the_key_too(t: &Scene) {
    for end in 0..5 {
        let ids = add_some(t, WHILE_RUNNING, 2).await;
        let lease = t.lease(9).await.remove(0);
        match end {
            0 => drop(t.retry(&lease, SECOND * 900).await),
            1 => drop(t.bury(&lease).await),
            2 => drop(t.crash().await),
            3 => drop(t.store().forfeit(t.queue(), t.worker(), &[]).await),
            _ => {
                t.cancel(lease.job.id).await;
                t.retry(&lease, AT_ONCE).await;
            }
        }
        let next = t.lease(9).await;
        assert_eq!(next.iter().map(|l| l.job.id).collect::<Vec<_>>(), [ids[1]], "{end}");
        t.ack(&next[0]).await;
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
    }
}

/// A late settlement frees nothing.
pub async fn a_late_settlement_frees_no_running_key(t: &Scene) {
    add_some(t, WHILE_RUNNING, 3).await;
    let zombie = t.lease_one().await;
    t.crash().await;
    t.lease_as(WorkerId::generate(), 9).await;

    assert_eq!(t.ack(&zombie).await, Held::Lost);
    assert_eq!(t.lease_ids(9).await, []);
}

/// A job that is let go goes first in its place, before those that came later, and wakes who waits.
pub async fn a_job_that_is_let_go_goes_first(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 2).await;
    let lease = t.lease(9).await.remove(0);
    t.enqueue().await;
    let urgent = t.enqueue_with(|record| record.priority = crate::Priority::HIGHEST).await;
    t.calm().await;
    tokio::join!(t.woken(), t.ack(&lease));

    assert_eq!(t.lease_ids(2).await, [urgent, ids[1]]);
}

/// Who waits is woken for it also if nothing else is ready.
pub async fn a_freed_key_wakes_a_worker(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 2).await;
    let lease = t.lease(9).await.remove(0);
    t.calm().await;

    tokio::join!(t.woken(), t.ack(&lease));
    assert_eq!(t.lease_ids(9).await, [ids[1]]);
}

/// A job that is held back and called off is not let go, and leaves its place to the next.
pub async fn a_called_off_job_is_not_let_go(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 5).await;
    let lease = t.lease(9).await.remove(0);
    t.cancel(ids[1]).await;
    t.delete(ids[2]).await;
    assert_eq!(t.stats().await.ready, 2);
    t.ack(&lease).await;

    assert_eq!(t.lease_ids(9).await, [ids[3]]);
}

/// One that is called off after it was let go leaves its turn to the next.
pub async fn a_turn_that_is_not_taken_goes_to_the_next(t: &Scene) {
    let ids = add_some(t, WHILE_RUNNING, 4).await;
    let lease = t.lease(9).await.remove(0);
    t.ack(&lease).await;
    t.cancel(ids[1]).await;
    t.delete(ids[2]).await;

    assert_eq!(t.lease_ids(9).await, [ids[3]]);
}

/// One that came later and is called off lets nobody go: it is not the one whose turn it is.
pub async fn a_job_that_was_not_let_go_has_no_turn_to_leave(t: &Scene) {
    for state in [JobState::Ready, JobState::Scheduled] {
        let ids = add_some(t, WHILE_RUNNING, 3).await;
        let lease = t.lease(9).await.remove(0);
        let mut late = keyed(t, WHILE_RUNNING);
        late.when = if state == JobState::Ready { When::Now } else { When::After(SECOND) };
        t.add(&late).await;
        t.ack(&lease).await;
        t.cancel(late.record.id).await;

        for id in &ids[1..] {
            let leases = t.lease(9).await;
            assert_eq!(leases.iter().map(|l| l.job.id).collect::<Vec<_>>(), [*id], "{state}");
            t.ack(&leases[0]).await;
        }
    }
}

/// A job of a lane that is held back holds up nobody of its lane, and takes no slot.
pub async fn a_held_back_job_holds_up_nobody(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(2)).await;
    let mut jobs = [keyed(t, WHILE_RUNNING), keyed(t, WHILE_RUNNING), t.job()];
    for job in &mut jobs {
        job.record.lane = Some(lane_key("a"));
    }
    t.add_all(&jobs).await;

    assert_eq!(t.lease_ids(9).await, [jobs[0].record.id, jobs[2].record.id]);
    assert_eq!(t.lane("a").await.ready, 1);
}

/// It takes nothing of a rate either: only a lease does.
pub async fn a_held_back_job_takes_nothing_of_a_rate(t: &Scene) {
    t.limit_queue(Limits::new().rate(Rate::fixed(3, SECOND * 60))).await;
    add_some(t, WHILE_RUNNING, 4).await;
    t.add_all(&[t.job(), t.job()]).await;

    assert_eq!(t.lease(9).await.len(), 3);
}

/// Jobs of several lanes run one after the other as well; the one held back first goes first.
pub async fn a_key_may_span_lanes(t: &Scene) {
    for lane in ["a", "b", "c"] {
        let mut job = keyed(t, WHILE_RUNNING);
        job.record.lane = Some(lane_key(lane));
        t.add(&job).await;
    }
    for lane in ["a", "b", "c"] {
        let leases = t.lease(9).await;
        assert_eq!(leases.len(), 1);
        assert_eq!(leases[0].job.lane, Some(lane_key(lane)));
        t.ack(&leases[0]).await;
    }
}

/// A dead job that is requeued waits for the key like all others.
pub async fn a_requeue_waits_for_the_running_key(t: &Scene) {
    let dead = add_some(t, WHILE_RUNNING, 1).await[0];
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    add_some(t, WHILE_RUNNING, 1).await;
    let lease = t.lease_one().await;

    assert_eq!(t.requeue(dead).await, RequeueOutcome::Requeued);
    assert_eq!(t.lease_ids(9).await, []);
    t.ack(&lease).await;
    assert_eq!(t.lease_ids(9).await, [dead]);
}

/// However leases end, no two jobs of a key ever run at once, and all of them do in the end.
pub async fn no_two_jobs_of_a_key_run_at_once(t: &Scene) {
    let mut random = fastrand::Rng::with_seed(5);
    let mut waiting = 0;
    for mode in [WHILE_RUNNING, LATEST].repeat(10) {
        waiting += add_some(t, mode, 2).await.len();
        let mut leases = t.lease(9).await;
        assert!(leases.len() <= 1);
        if let Some(lease) = leases.pop() {
            match random.u32(..4) {
                0 => drop(t.ack(&lease).await),
                1 => drop(t.release(&lease).await),
                2 => drop(t.retry(&lease, SECOND).await),
                _ => t.advance(LEASE),
            }
        }
    }
    t.advance(LEASE);
    for _ in 0..waiting {
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
    }
    t.assert_pristine().await;
}

// Latest wins

/// While one waits a further one takes its place.
pub async fn the_latest_takes_the_place_of_the_one_that_waits(t: &Scene) {
    let first = keyed(t, LATEST);
    t.add(&first).await;
    let (id, previous) = (JobId::from_key("latest"), first.record.id);
    let mut second = keyed(t, LATEST);
    second.record.id = id;

    assert_eq!(t.add(&second).await, Enqueued::Replaced { id, previous });
    assert_eq!(t.state(previous).await, None);
    assert_eq!(t.lease_ids(9).await, [id]);
}

/// While one runs one more is added, and waits for the other's end.
pub async fn one_runs_and_the_latest_waits(t: &Scene) {
    let first = add_some(t, LATEST, 1).await[0];
    let lease = t.lease_one().await;
    let second = add_some(t, LATEST, 1).await[0];
    assert_eq!(t.lease_ids(9).await, []);
    let third = keyed(t, LATEST);
    let id = third.record.id;
    assert_eq!(t.add(&third).await, Enqueued::Replaced { id, previous: second });

    assert_eq!(t.lease_ids(9).await, []);
    assert_eq!(lease.job.id, first);
    t.ack(&lease).await;
    assert_eq!(t.lease_ids(9).await, [id]);
}

/// An attempt that failed, was snoozed, given back or crashed waits again, if no other does.
pub async fn an_unfinished_attempt_is_the_latest_again(t: &Scene) {
    for end in 0..4 {
        let id = add_some(t, LATEST, 1).await[0];
        unfinished(t, end).await;
        let newest = keyed(t, LATEST);
        let expected = Enqueued::Replaced { id: newest.record.id, previous: id };
        assert_eq!(t.add(&newest).await, expected, "{end}");
        t.cancel(newest.record.id).await;
    }
}

/// If another one waits by then, it is cancelled in favour of that one.
pub async fn an_unfinished_attempt_gives_way_to_a_later_job(t: &Scene) {
    for end in 0..4 {
        let mut job = keyed(t, LATEST);
        job.record.retention = Some(SECOND * 900);
        t.add(&job).await;
        let lease = t.lease_one().await;
        let later = add_some(t, LATEST, 1).await[0];
        end_unfinished(t, &lease, end).await;

        assert_eq!(t.state(job.record.id).await, Some(JobState::Cancelled), "{end}");
        assert_eq!(t.lease_ids(9).await, [later]);
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
        t.crash().await;
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
    }
}

/// A job whose attempts are used up is dead whoever waits: people should see it.
pub async fn a_dead_latest_stays_dead(t: &Scene) {
    let dead = add_some(t, LATEST, 1).await[0];
    let lease = t.lease_one().await;
    let later = add_some(t, LATEST, 1).await[0];
    t.bury(&lease).await;

    assert_eq!(t.state(dead).await, Some(JobState::Dead));
    assert_eq!(t.requeue(dead).await, RequeueOutcome::Conflict(later));
    t.delete(later).await;
    assert_eq!(t.requeue(dead).await, RequeueOutcome::Requeued);
}

/// People see both who waits and who runs.
pub async fn both_holders_can_be_seen(t: &Scene) {
    let running = add_some(t, LATEST, 1).await[0];
    let lease = t.lease_one().await;
    assert_eq!(holders(t).await, [running]);
    let waiting = add_some(t, LATEST, 1).await[0];
    assert_eq!(holders(t).await, [waiting, running]);

    t.ack(&lease).await;
    assert_eq!(holders(t).await, [waiting]);
}

// Everywhere

/// A key that counts everywhere refuses jobs of other queues.
pub async fn a_key_may_count_in_all_queues(t: &Scene) {
    let first = everywhere(t, UniqueMode::UntilFinished);
    t.add(&first).await;
    let mut other = everywhere(t, UniqueMode::UntilFinished);
    other.record.queue = fresh_queue();
    // In the queue that it is in.
    assert_eq!(t.add(&other).await, Enqueued::Duplicate(t.at(first.record.id)));

    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.add(&other).await, Enqueued::Created(other.record.id));
}

/// The same key of a queue is another one.
pub async fn a_key_of_a_queue_is_another_than_everywhere(t: &Scene) {
    let everywhere = everywhere(t, UniqueMode::UntilFinished);
    t.add(&everywhere).await;
    let mut here = everywhere.clone();
    here.record.id = JobId::from_key("here");
    here.record.unique = everywhere.record.unique.map(|u| Unique::new(u.key, u.mode));

    assert_eq!(t.add(&here).await, Enqueued::Created(here.record.id));
    let key = everywhere.record.unique.unwrap().key;
    let holders = t.store().unique(t.queue(), key).await.unwrap();
    assert_eq!(holders, [&here, &everywhere].map(reference));
}

/// A key among all queues comes in no mode that would change a job of another queue.
pub async fn a_key_everywhere_replaces_and_holds_back_nobody(t: &Scene) {
    for mode in [LATEST, WHILE_RUNNING, UniqueMode::Debounce { delay: SECOND, at_most: None }] {
        let refused = t.store().enqueue_jobs(&[everywhere(t, mode)]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{mode:?}");
    }
    assert_eq!(t.stats().await.ready, 0);
}

const KEY: UniqueKey = UniqueKey::from_bytes([1; 16]);

/// A job with the key, not yet enqueued.
fn keyed(t: &Scene, mode: UniqueMode) -> NewJob {
    t.job_with(|record| {
        record.unique = Some(Unique::new(KEY, mode));
        record.max_crashes = 255;
    })
}

/// A job with a key among all queues that nobody else uses, not yet enqueued.
fn everywhere(t: &Scene, mode: UniqueMode) -> NewJob {
    let key = UniqueKey::new(t.queue().as_str(), &format!("{mode:?}")).unwrap();
    t.job_with(|record| record.unique = Some(Unique::new(key, mode).everywhere()))
}

fn reference(job: &NewJob) -> JobRef {
    JobRef::new(job.record.queue.clone(), job.record.id)
}

/// Ready jobs with the key.
async fn add_some(t: &Scene, mode: UniqueMode, count: usize) -> Vec<JobId> {
    let jobs: Vec<NewJob> = (0..count).map(|_| keyed(t, mode)).collect();
    let answers = t.add_all(&jobs).await;
    assert!(answers.iter().all(|answer| answer.is_created()), "{answers:?}");
    jobs.iter().map(|job| job.record.id).collect()
}

async fn unfinished(t: &Scene, end: usize) {
    let lease = t.lease_one().await;
    end_unfinished(t, &lease, end).await;
}

/// Ends an attempt in one of the four ways after which its job waits again.
async fn end_unfinished(t: &Scene, lease: &std::sync::Arc<crate::Lease>, end: usize) {
    match end {
        0 => drop(t.retry(lease, SECOND).await),
        1 => drop(t.snooze(lease, SECOND).await),
        2 => drop(t.release(lease).await),
        _ => drop(t.crash().await),
    }
}

async fn holders(t: &Scene) -> Vec<JobId> {
    let holders = t.store().unique(t.queue(), KEY).await.unwrap();
    holders.iter().map(|job| job.id).collect()
}
