//! The dead jobs of many queues, as one list.

use std::cmp::Reverse;
use std::ops::Range;

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

    fn are_all_known(&self) -> bool {
        self.newest.len() as u64 >= self.count
    }
}

/// The dead of the queue that was asked for, or of all that have any. A queue that is not known is refused; one that
/// cannot be looked at is told of.
pub(super) async fn of_queues(
    store: &Store,
    only: Option<&QueueName>,
) -> Result<Vec<Line>, Failure> {
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
    let mut found: Vec<_> = looked.await?.into_iter().flatten().collect();
    found.retain(|line| line.count > 0);
    if let (Some(queue), []) = (only, found.as_slice()) {
        known::check(store, queue).await?;
    }
    Ok(found)
}

/// Dead jobs of these queues, the newest first. What is stored is read of those alone that are asked for.
pub(super) async fn newest(
    store: &Store,
    queues: Vec<Line>,
    offset: usize,
    limit: usize,
) -> Result<Vec<JobView>, Failure> {
    let pages = match queues.as_slice() {
        [one] => vec![(one.queue.clone(), one.count, offset..offset.saturating_add(limit))],
        _ => pages(store, queues, offset, limit).await?,
    };
    let views = look(pages, async |(queue, count, ranks)| {
        // From the oldest on, where those who die meanwhile change nothing.
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let (first, end) = (count.saturating_sub(ranks.end), count.saturating_sub(ranks.start));
        Ok(store.inspect.jobs(&queue, JobState::Dead, first, end - first).await?)
    });
    let mut jobs: Vec<_> = views.await?.into_iter().flatten().collect();
    jobs.sort_by_key(|job| Reverse((job.at, job.record.id)));
    Ok(jobs)
}

/// In which queues the jobs are that are asked for, how many dead each has, and which they are of these: counted from
/// the newest on.
async fn pages(
    store: &Store,
    mut queues: Vec<Line>,
    offset: usize,
    limit: usize,
) -> Result<Vec<(QueueName, u64, Range<usize>)>, Failure> {
    let wanted = offset.saturating_add(limit);
    loop {
        let known = in_order(&queues);
        let last = wanted.checked_sub(1).and_then(|last| known.get(last)).map(|(place, _)| *place);
        // Of the others all that died before the last one wanted are known.
        let open = queues.iter().enumerate().filter(|(_, line)| {
            let oldest = line.newest.last();
            !line.are_all_known() && last.is_none_or(|last| oldest.is_none_or(|at| *at > last))
        });
        let open: Vec<_> =
            open.map(|(at, line)| (at, line.queue.clone(), line.newest.len())).collect();
        if open.is_empty() {
            break;
        }
        let found = look(open, async |(at, queue, seen)| {
            let deaths = store.inspect.deaths(&queue, seen, seen.max(LEAST)).await?;
            Ok((at, deaths.newest))
        });
        for (at, found) in found.await? {
            let Some(line) = queues.get_mut(at) else { continue };
            // Who has died since then has moved the others on, and is not asked for.
            let (before, oldest) = (line.newest.len(), line.newest.last().copied());
            line.newest
                .extend(found.into_iter().filter(|at| oldest.is_none_or(|oldest| *at < oldest)));
            if line.newest.len() == before {
                // They went meanwhile.
                line.count = before as u64;
            }
        }
    }
    let mut ranks = vec![0..0; queues.len()];
    for (nth, (_, at)) in in_order(&queues).into_iter().enumerate().take(wanted) {
        let Some(ranks) = ranks.get_mut(at) else { continue };
        ranks.end += 1;
        ranks.start += usize::from(nth < offset);
    }
    let pages = queues.into_iter().zip(ranks).filter(|(_, ranks)| !ranks.is_empty());
    Ok(pages.map(|(line, ranks)| (line.queue, line.count, ranks)).collect())
}

/// All that is known of these queues, the newest first, and of which it is.
fn in_order(queues: &[Line]) -> Vec<(Place, usize)> {
    let known = queues.iter().enumerate();
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
            let queues = of_queues(&store, None).await.unwrap();
            for (offset, limit) in [(0, 1), (0, 12), (3, 7), (20, 50), (ids.len(), 5), (0, 1_000)] {
                let found = newest(&store, queues.clone(), offset, limit).await.unwrap();
                let found: Vec<_> = found.iter().map(|job| job.record.id).collect();
                let end = ids.len().min(offset + limit);
                assert_eq!(found, ids[offset.min(end)..end], "{counts:?} {offset} {limit}");
            }
        }
    }

    #[tokio::test]
    async fn each_of_those_that_died_at_once_is_on_one_page() {
        let (memory, ids) = store(&[20, 20, 20], Duration::ZERO).await;
        let store = Store::of(memory);
        let queues = of_queues(&store, None).await.unwrap();
        for size in [1, 7, 13] {
            let mut found = Vec::new();
            for offset in (0..60).step_by(size) {
                let page = newest(&store, queues.clone(), offset, size).await.unwrap();
                found.extend(page.iter().map(|job| job.record.id));
            }
            assert_eq!(found, ids, "pages of {size}");
        }
    }
}
