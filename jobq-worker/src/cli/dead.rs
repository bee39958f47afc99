//! The dead jobs of many queues, as one list.

use std::cmp::Reverse;

use jobq_core::inspect::JobView;
use jobq_core::{ErrorKind, JobId, JobState, QueueName, Timestamp};

use super::connect::Store;
use super::each::look;
use super::exit::Failure;
use super::{known, output};

/// The fewest deaths of a queue that are asked for at once.
const LEAST: usize = 10;

/// Where a job stands among all that died: by when, and by its id where that is the same, as the stores have it.
type Place = (Timestamp, JobId);

/// The dead of some queues, each with one at least.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    /// Whether every queue could be looked at. It is told which could not.
    pub(super) is_whole: bool,
}

/// The dead of one queue.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) queue: QueueName,
    /// How many there are.
    pub(super) count: u64,
    /// Those that are known, from the newest on.
    newest: Vec<Place>,
}

impl Line {
    /// When the last of them died.
    pub(super) fn newest_at(&self) -> Option<Timestamp> {
        self.newest.first().map(|(at, _)| *at)
    }

    /// Whether there may be some that are not known and died after this one; or any, if it is none.
    fn may_have_more(&self, after: Option<Place>) -> bool {
        let oldest = self.newest.last();
        (self.newest.len() as u64) < self.count
            && after.is_none_or(|after| oldest.is_none_or(|oldest| *oldest > after))
    }
}

/// A page of the list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) jobs: Vec<JobView>,
    /// How many places of the list it takes: some of them may just have gone.
    pub(super) places: usize,
}

/// The dead of the queue that was asked for, or of all that have any. A queue that is not known is refused; one that
/// cannot be looked at is told of.
pub(super) async fn of_queues(store: &Store, only: Option<&QueueName>) -> Result<Found, Failure> {
    let names = match only {
        Some(queue) => vec![queue.clone()],
        None => store.inspect.queue_names().await?,
    };
    let looked = look(names, async |queue| match store.inspect.deaths(&queue, 0, 1).await {
        Ok(deaths) => Ok(Some(Line { queue, count: deaths.total, newest: deaths.newest })),
        Err(error) if only.is_none() && error.kind() == ErrorKind::Corrupt => {
            output::complain(&format!("queue {queue} cannot be counted: {error}"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    });
    let looked = looked.await?;
    let is_whole = looked.iter().all(Option::is_some);
    let mut lines: Vec<_> = looked.into_iter().flatten().collect();
    lines.retain(|line| line.count > 0);
    if let (Some(queue), []) = (only, lines.as_slice()) {
        known::check(store, queue).await?;
    }
    Ok(Found { lines, is_whole })
}

/// Dead jobs of these queues, the newest first. What is stored is read of those alone that are asked for.
pub(super) async fn page(
    store: &Store,
    lines: Vec<Line>,
    offset: usize,
    limit: usize,
) -> Result<Page, Failure> {
    let ids = match lines.as_slice() {
        [one] => {
            let deaths = store.inspect.deaths(&one.queue, offset, limit).await?;
            vec![(one.queue.clone(), deaths.newest.into_iter().map(|(_, id)| id).collect())]
        }
        _ => merged(store, lines, offset, limit).await?,
    };
    let places = ids.iter().map(|(_, ids): &(_, Vec<_>)| ids.len()).sum();
    let views = look(ids, async |(queue, ids)| Ok(store.inspect.look_up(&queue, &ids).await?));
    let mut jobs: Vec<_> = views.await?.into_iter().flatten().collect();
    jobs.retain(|job| job.state == JobState::Dead);
    jobs.sort_by_key(|job| Reverse((job.at, job.record.id)));
    Ok(Page { jobs, places })
}

/// Which jobs of which queues are at these places of the list of all.
async fn merged(
    store: &Store,
    mut lines: Vec<Line>,
    offset: usize,
    limit: usize,
) -> Result<Vec<(QueueName, Vec<JobId>)>, Failure> {
    let end = offset.saturating_add(limit);
    loop {
        let known = in_order(&lines);
        let last = end.checked_sub(1).and_then(|last| known.get(last)).map(|(place, _)| *place);
        let open = lines.iter().enumerate().filter(|(_, line)| line.may_have_more(last));
        let open: Vec<_> =
            open.map(|(at, line)| (at, line.queue.clone(), line.newest.len())).collect();
        if open.is_empty() {
            break;
        }
        // Anew from the newest on: some may have died since, and moved the others on.
        let found = look(open, async |(at, queue, known)| {
            let asked = (2 * known).max(LEAST);
            let deaths = store.inspect.deaths(&queue, 0, asked).await;
            let deaths = deaths.map_err(|error| Failure::failed(format!("queue {queue}: {error}")));
            Ok((at, asked, deaths?))
        });
        for (at, asked, deaths) in found.await? {
            let Some(line) = lines.get_mut(at) else { continue };
            line.newest = deaths.newest;
            // Fewer than asked for are all. The count was taken beside them, not with them.
            line.count = if line.newest.len() < asked {
                line.newest.len() as u64
            } else {
                deaths.total.max(line.newest.len() as u64)
            };
        }
    }
    let mut ids = vec![Vec::new(); lines.len()];
    for ((_, id), at) in in_order(&lines).into_iter().skip(offset).take(limit) {
        if let Some(ids) = ids.get_mut(at) {
            ids.push(id);
        }
    }
    let queues = lines.into_iter().map(|line| line.queue).zip(ids);
    Ok(queues.filter(|(_, ids)| !ids.is_empty()).collect())
}

/// All that is known of these queues, the newest first, and of which it is.
fn in_order(lines: &[Line]) -> Vec<(Place, usize)> {
    let known = lines.iter().enumerate();
    let known = known.flat_map(|(at, line)| line.newest.iter().map(move |place| (*place, at)));
    let mut known: Vec<_> = known.collect();
    known.sort_unstable_by_key(|(place, _)| Reverse(*place));
    known
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobq_core::{Job, JobError, ManualClock, MemoryBackend, Queue};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::Worker;

    #[derive(Serialize, Deserialize, Job)]
    struct Fails;

    /// A store in which so many jobs of each queue have died, in turn, so far apart; and their ids, the newest first.
    async fn store(counts: &[usize], apart: Duration) -> (MemoryBackend, Vec<JobId>) {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_000));
        let memory = MemoryBackend::with_clock(clock.clone());
        let mut ids = Vec::new();
        for round in 0..counts.iter().copied().max().unwrap_or(0) {
            for (number, _) in counts.iter().enumerate().filter(|(_, count)| **count > round) {
                let queue = format!("q{number}");
                ids.push(memory.enqueue(Fails).on(queue.as_str()).await.unwrap().id());
                let worker = Worker::new(memory.clone()).queues([queue]);
                let worker =
                    worker.handle(|_: Fails| async { Err::<(), _>(JobError::dead("no luck")) });
                worker.stop_when_empty().run().await.unwrap();
                clock.advance(apart);
            }
        }
        if apart.is_zero() {
            ids.sort_unstable();
        }
        ids.reverse();
        (memory, ids)
    }

    #[tokio::test]
    async fn the_dead_of_all_queues_are_one_list_from_the_newest_on() {
        for counts in [vec![5], vec![1; 30], vec![25, 3, 14, 1, 7], vec![40, 40]] {
            let (memory, ids) = store(&counts, Duration::from_secs(1)).await;
            let store = Store::of(memory);
            let lines = of_queues(&store, None).await.unwrap().lines;
            for (offset, limit) in [(0, 1), (0, 12), (3, 7), (20, 50), (ids.len(), 5), (0, 1_000)] {
                let found = page(&store, lines.clone(), offset, limit).await.unwrap().jobs;
                let found: Vec<_> = found.iter().map(|job| job.record.id).collect();
                let end = ids.len().min(offset + limit);
                assert_eq!(found, ids[offset.min(end)..end], "{counts:?} {offset} {limit}");
            }
        }
    }

    /// Whoever dies between two looks is among the newest, and moves the others on.
    #[tokio::test]
    async fn deaths_between_two_looks_hide_none() {
        let (memory, _) = store(&[30, 30, 1], Duration::from_secs(1)).await;
        let store = Store::of(memory.clone());
        let lines = of_queues(&store, None).await.unwrap().lines;
        for _ in 0..40 {
            memory.enqueue(Fails).on("q0").await.unwrap();
        }
        let refused = |_: Fails| async { Err::<(), _>(JobError::dead("no luck")) };
        let worker = Worker::new(memory.clone()).queues(["q0"]).handle(refused);
        worker.stop_when_empty().run().await.unwrap();

        let found = page(&store, lines, 0, 25).await.unwrap();

        let anew = of_queues(&store, None).await.unwrap().lines;
        let ids = |page: &Page| page.jobs.iter().map(|job| job.record.id).collect::<Vec<_>>();
        let expected = page(&store, anew, 0, 25).await.unwrap();
        assert_eq!((ids(&found), found.places), (ids(&expected), 25));
        assert!(found.jobs.iter().all(|job| job.record.queue.as_str() == "q0"), "{found:?}");
    }

    #[tokio::test]
    async fn each_of_those_that_died_at_once_is_on_one_page() {
        let (memory, ids) = store(&[20, 20, 20], Duration::ZERO).await;
        let store = Store::of(memory);
        let lines = of_queues(&store, None).await.unwrap().lines;
        for size in [1, 7, 13] {
            let mut found = Vec::new();
            for offset in (0..60).step_by(size) {
                let page = page(&store, lines.clone(), offset, size).await.unwrap();
                found.extend(page.jobs.iter().map(|job| job.record.id));
            }
            assert_eq!(found, ids, "pages of {size}");
        }
    }
}
