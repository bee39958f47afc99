//! What people see.

use super::Scene;
use super::scene::{SECOND, fresh_queue};
use crate::id::JobId;
use crate::inspect::{Deaths, JobView, QueueStats};
use crate::name::QueueName;
use crate::priority::Priority;
use crate::state::JobState;

/// Each job is counted in its state, and in no other.
pub async fn jobs_are_counted_by_state(t: &Scene) {
    t.dead().await;
    t.kept(SECOND * 60).await;
    let cancelled = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(cancelled).await;
    t.enqueue().await;
    t.enqueue().await;
    t.lease(2).await;
    for _ in 0..3 {
        t.schedule(SECOND).await;
    }
    for _ in 0..4 {
        t.enqueue().await;
    }

    let stats = t.stats().await;
    let counts = JobState::ALL.map(|state| (state.as_str(), stats.count(state)));
    let expected = [
        ("waiting", 0),
        ("scheduled", 3),
        ("ready", 4),
        ("leased", 2),
        ("completed", 1),
        ("cancelled", 1),
        ("dead", 1),
    ];
    assert_eq!(counts, expected);
}

/// A queue that nobody knows is empty.
pub async fn an_unknown_queue_is_empty(t: &Scene) {
    let empty = QueueStats::empty(t.queue().clone());

    assert_eq!(t.stats().await, empty);
    for state in JobState::ALL {
        assert_eq!(t.ids(state).await, []);
    }
}

/// All queues that were ever used are listed, by name, with the same counts as each alone.
pub async fn used_queues_are_listed_by_name(t: &Scene) {
    let mut names = vec![t.queue().clone(), fresh_queue(), fresh_queue()];
    for name in &names {
        t.enqueue_with(|record| record.queue = name.clone()).await;
    }
    names.sort();

    let listed = ours(t, &names).await;
    assert_eq!(names_of(&listed), names);
    for stats in listed {
        let alone = t.store().queue(&stats.queue).await.unwrap();
        assert_eq!(stats, alone);
    }
}

/// A queue whose jobs have all ended is still one.
pub async fn an_emptied_queue_is_listed(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    let listed = ours(t, &[t.queue().clone()]).await;
    assert_eq!(listed, [QueueStats::empty(t.queue().clone())]);
}

/// A paused queue is listed before its first job.
pub async fn a_paused_queue_is_listed(t: &Scene) {
    t.pause().await;

    let listed = ours(t, &[t.queue().clone()]).await;
    assert_eq!(names_of(&listed), [t.queue().clone()]);
    assert!(listed[0].paused);
}

/// Looking at a queue, waiting for it, or asking it for jobs does not make it one.
pub async fn an_unused_queue_is_not_listed(t: &Scene) {
    t.lease(1).await;
    t.calm().await;
    t.stats().await;
    t.maintain().await;

    assert_eq!(ours(t, &[t.queue().clone()]).await, []);
}

/// A job is found without knowing its queue.
pub async fn a_job_is_located_in_its_queue(t: &Scene) {
    let other = fresh_queue();
    let here = t.enqueue().await;
    let there = t.enqueue_with(|record| record.queue = other.clone()).await;

    let store = t.store();
    assert_eq!(store.locate(here).await.unwrap().as_ref(), Some(t.queue()));
    assert_eq!(store.locate(there).await.unwrap().as_ref(), Some(&other));
    let unknown = JobId::from_key("it was never enqueued");
    let all = store.locate_all(&[there, unknown, here, there]).await.unwrap();
    let other = Some(other);
    assert_eq!(all, [other.clone(), None, Some(t.queue().clone()), other]);
    assert_eq!(store.locate_all(&[]).await.unwrap(), []);
}

/// A job is found in whatever state it is.
pub async fn an_ended_job_is_located_while_it_is_kept(t: &Scene) {
    for id in [t.dead().await, t.kept(SECOND * 60).await] {
        let located = t.store().locate(id).await.unwrap();
        assert_eq!(located.as_ref(), Some(t.queue()));
    }
}

/// A job that nobody knows, or knows any more, is in no queue.
pub async fn an_unknown_job_is_located_nowhere(t: &Scene) {
    let gone = t.enqueue().await;
    t.delete(gone).await;

    for id in [gone, JobId::from_bytes([7; 16])] {
        assert_eq!(t.store().locate(id).await.unwrap(), None);
    }
}

/// A job is seen in its own queue alone.
pub async fn a_job_is_not_seen_in_another_queue(t: &Scene) {
    let id = t.enqueue().await;

    let view = t.store().job(&fresh_queue(), id).await.unwrap();
    assert_eq!(view, None);
}

/// A ready job has nothing to show but its record.
pub async fn a_fresh_job_has_a_plain_view(t: &Scene) {
    let mut job = t.job();
    t.add(&job).await;
    job.record.enqueued_at = t.now();

    let view = t.view(job.record.id).await;
    assert_eq!(view, JobView::new(job.record, JobState::Ready));
}

/// The view in a list is the view of the job.
pub async fn a_listed_view_is_the_view_of_the_job(t: &Scene) {
    let id = t.dead().await;
    let listed = t.store().jobs(t.queue(), JobState::Dead, 0, 10).await;

    assert_eq!(listed.unwrap(), [t.view(id).await]);
}

/// A list of one state holds no job of another.
pub async fn a_list_holds_one_state(t: &Scene) {
    let dead = t.dead().await;
    let kept = t.kept(SECOND * 60).await;
    let leased = t.enqueue().await;
    t.lease_one().await;
    let scheduled = t.schedule(SECOND).await;
    let ready = t.enqueue().await;

    assert_eq!(t.ids(JobState::Dead).await, [dead]);
    assert_eq!(t.ids(JobState::Completed).await, [kept]);
    assert_eq!(t.ids(JobState::Cancelled).await, []);
    assert_eq!(t.ids(JobState::Leased).await, [leased]);
    assert_eq!(t.ids(JobState::Scheduled).await, [scheduled]);
    assert_eq!(t.ids(JobState::Ready).await, [ready]);
}

/// Scheduled jobs are listed by the time at which they are due.
pub async fn scheduled_jobs_are_listed_by_their_time(t: &Scene) {
    let late = t.schedule(SECOND * 9).await;
    let soon = t.schedule(SECOND).await;
    let later = t.schedule(SECOND * 5).await;

    assert_eq!(t.ids(JobState::Scheduled).await, [soon, later, late]);
}

/// Leased jobs are listed by the end of their leases.
pub async fn leased_jobs_are_listed_by_their_expiry(t: &Scene) {
    let first = t.enqueue().await;
    let lease = t.lease_one().await;
    let second = t.enqueue().await;
    t.lease_one().await;
    t.extend(&lease, SECOND * 3_600).await;

    assert_eq!(t.ids(JobState::Leased).await, [second, first]);
}

/// Kept jobs are listed by the end of their retention.
pub async fn kept_jobs_are_listed_by_their_end(t: &Scene) {
    let long = t.kept(SECOND * 60).await;
    let short = t.kept(SECOND * 30).await;

    assert_eq!(t.ids(JobState::Completed).await, [short, long]);
}

/// A list is read page by page, over the priorities.
pub async fn a_list_is_read_page_by_page(t: &Scene) {
    for level in [0, 3, 0, 7, 3] {
        let priority = Priority::constant(level);
        t.enqueue_with(|record| record.priority = priority).await;
    }
    let all = t.ids(JobState::Ready).await;
    assert_eq!(all.len(), 5);

    for (offset, limit) in [(0, 2), (2, 2), (4, 2), (1, 3), (5, 2), (9, 9), (0, 0)] {
        let page = t.store().jobs(t.queue(), JobState::Ready, offset, limit);
        let page: Vec<_> = page.await.unwrap().iter().map(|v| v.record.id).collect();
        let expected: Vec<_> = all.iter().copied().skip(offset).take(limit).collect();
        assert_eq!(page, expected, "{limit} from {offset}");
    }
}

/// Where a page begins is found also when jobs far behind it have left, however many steps a backend needs
/// to get there.
pub async fn a_page_far_into_a_list_is_found_after_jobs_have_left(t: &Scene) {
    let mut all = Vec::new();
    for _ in 0..1_003 {
        all.push(t.enqueue().await);
    }
    for id in all.drain(1_001..) {
        t.cancel(id).await;
    }

    for (offset, limit) in [(500, 2), (1_000, 2), (999, 9), (1_001, 2), (400, 601)] {
        let page = t.store().jobs(t.queue(), JobState::Ready, offset, limit);
        let page: Vec<_> = page.await.unwrap().iter().map(|v| v.record.id).collect();
        let expected: Vec<_> = all.iter().copied().skip(offset).take(limit).collect();
        assert_eq!(page, expected, "{limit} from {offset}");
    }
}

/// Other states are read page by page as well.
pub async fn a_list_of_dead_jobs_is_read_page_by_page(t: &Scene) {
    for _ in 0..4 {
        t.dead().await;
        t.advance(SECOND);
    }
    let all = t.ids(JobState::Dead).await;

    let page = t.store().jobs(t.queue(), JobState::Dead, 1, 2).await;
    let page: Vec<_> = page.unwrap().iter().map(|v| v.record.id).collect();
    assert_eq!(page, all[1..3]);
}

/// The oldest job at the head of a line says how far behind the queue is.
pub async fn the_oldest_ready_job_can_be_seen(t: &Scene) {
    assert_eq!(t.stats().await.oldest_ready_at, None);
    let start = t.now();
    t.enqueue().await;
    t.advance(SECOND);
    t.enqueue_with(|record| record.priority = Priority::HIGHEST).await;

    assert_eq!(t.stats().await.oldest_ready_at, Some(start));
    t.lease(2).await;
    assert_eq!(t.stats().await.oldest_ready_at, None);
}

/// Which jobs died last is known without a look at each.
pub async fn the_last_deaths_are_told_of_from_the_newest_on(t: &Scene) {
    let deaths = async |offset, limit| t.store().deaths(t.queue(), offset, limit).await.unwrap();
    assert_eq!(deaths(0, 9).await, Deaths::default());
    let mut died = Vec::new();
    for _ in 0..3 {
        died.push((t.now(), t.dead().await));
        t.advance(SECOND);
    }
    // Two more that die at once.
    died.extend([(t.now(), t.dead().await), (t.now(), t.dead().await)]);
    died.sort_unstable();
    died.reverse();

    for (offset, limit) in [(0, 9), (0, 1), (1, 2), (4, 1), (5, 1), (2, 0), (usize::MAX, 9)] {
        let page = died.iter().skip(offset).take(limit).copied().collect();
        assert_eq!(deaths(offset, limit).await, Deaths::new(5, page), "{offset} {limit}");
    }
    t.requeue(died[0].1).await;
    assert_eq!(deaths(0, 1).await, Deaths::new(4, vec![died[1]]));
}

/// Several jobs can be looked up together, whatever became of them.
pub async fn jobs_are_looked_up_in_the_order_asked_for(t: &Scene) {
    let (dead, ready) = (t.dead().await, t.enqueue().await);
    let unknown = JobId::from_bytes([7; 16]);
    let views = t.store().look_up(t.queue(), &[ready, unknown, dead, ready]).await.unwrap();

    let seen: Vec<_> = views.iter().map(|view| (view.record.id, view.state)).collect();
    let (ready, dead) = ((ready, JobState::Ready), (dead, JobState::Dead));
    assert_eq!(seen, [ready, dead, ready]);
    assert_eq!(views[1], t.view(dead.0).await);
    assert_eq!(t.store().look_up(&fresh_queue(), &[dead.0]).await.unwrap(), []);
    assert_eq!(t.store().look_up(t.queue(), &[]).await.unwrap(), []);
}

/// A place in a list that nobody ever comes to is past its end.
pub async fn an_offset_past_everything_finds_nothing(t: &Scene) {
    let (store, queue) = (t.store(), t.queue());
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.enqueue().await;
    t.enqueue_laned("a").await;
    for offset in [3, 1 << 40, 1 << 53, usize::MAX] {
        for state in [JobState::Ready, JobState::Dead, JobState::Scheduled] {
            assert_eq!(store.jobs(queue, state, offset, 9).await.unwrap(), [], "{offset}");
        }
        assert_eq!(store.batches(queue, offset, 9).await.unwrap(), [], "{offset}");
        assert_eq!(store.failed_of_batch(&batch, offset, 9).await.unwrap(), [], "{offset}");
    }
}

/// The queues among `names`: a server may have others.
async fn ours(t: &Scene, names: &[QueueName]) -> Vec<QueueStats> {
    let all = t.store().queues().await.unwrap();
    let told = t.store().queue_names().await.unwrap();
    assert!(told.is_sorted(), "{told:?}");
    for name in names {
        assert_eq!(told.contains(name), all.iter().any(|stats| stats.queue == *name), "{name}");
    }
    all.into_iter().filter(|stats| names.contains(&stats.queue)).collect()
}

fn names_of(queues: &[QueueStats]) -> Vec<QueueName> {
    queues.iter().map(|stats| stats.queue.clone()).collect()
}
