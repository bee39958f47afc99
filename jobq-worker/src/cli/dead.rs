//! The dead jobs of many queues, as one list.

use jobq_core::inspect::{JobView, QueueStats};
use jobq_core::{JobId, JobState, QueueName, Timestamp};

use super::connect::Store;
use super::each::look;
use super::exit::Failure;
use super::known;

/// The fewest jobs that are asked for at once.
const LEAST: u64 = 10;

/// The queue that was asked for, or all that hold dead jobs, with their counts. One that is not known is refused.
pub(super) async fn queues_with_dead(
    store: &Store,
    only: Option<&QueueName>,
) -> Result<Vec<QueueStats>, Failure> {
    let mut queues = match only {
        Some(queue) => {
            let stats = store.inspect.queue(queue).await?;
            if stats.dead == 0 {
                known::check(store, queue).await?;
            }
            vec![stats]
        }
        None => {
            let queues = store.inspect.queues().await?;
            known::tell_uncounted(store, &queues).await?;
            queues
        }
    };
    queues.retain(|stats| stats.dead > 0);
    Ok(queues)
}

/// Where a job stands among all that died: by when, and by its id where that is the same, as the stores have it.
type Place = (Timestamp, JobId);

fn place(job: &JobView) -> Option<Place> {
    Some((job.at?, job.record.id))
}

/// The jobs of one queue that have been looked at, from the newest on.
struct Line {
    queue: QueueName,
    /// How many of its dead are older.
    to_come: u64,
    /// None of these comes before it.
    newest: Place,
}

/// Dead jobs of these queues, the newest first. What it costs grows with `offset` and `limit` and not with the number of
/// queues: whoever died before so many others is not looked at.
pub(super) async fn newest(
    store: &Store,
    queues: &[QueueStats],
    offset: u64,
    limit: u64,
) -> Result<Vec<JobView>, Failure> {
    if let [one] = queues {
        let end = one.dead.saturating_sub(offset);
        let start = end.saturating_sub(limit);
        let mut jobs = page(store, &one.queue, start, end - start).await?;
        jobs.reverse();
        return Ok(jobs);
    }
    let wanted = offset.saturating_add(limit);
    let step = (wanted / (queues.len() as u64).max(1)).clamp(LEAST, 1_000);
    let mut lines: Vec<_> = queues
        .iter()
        .map(|stats| Line {
            queue: stats.queue.clone(),
            to_come: stats.dead,
            newest: (
                stats.newest_dead_at.unwrap_or(Timestamp::from_millis(u64::MAX)),
                JobId::from_bytes([0xff; 16]),
            ),
        })
        .collect();
    let mut jobs = Vec::new();
    loop {
        let next = next(&mut lines, &mut jobs, wanted, step);
        if next.is_empty() {
            break;
        }
        let pages = look(next, async |(at, queue, start, count)| {
            Ok((at, page(store, &queue, start, count).await?))
        });
        for (at, page) in pages.await? {
            let Some(line) = lines.get_mut(at) else { continue };
            match page.first().and_then(place) {
                Some(oldest) => line.newest = oldest,
                // They went meanwhile, and with them what is known of the others.
                None => line.to_come = 0,
            }
            jobs.extend(page);
        }
    }
    let [skip, take] = [offset, limit].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(jobs.into_iter().skip(skip).take(take).collect())
}

/// The pages that may hold some of the newest jobs, and are counted as looked at: of which line, and from where.
fn next(
    lines: &mut [Line],
    jobs: &mut Vec<JobView>,
    wanted: u64,
    step: u64,
) -> Vec<(usize, QueueName, u64, u64)> {
    jobs.sort_by_key(|job| std::cmp::Reverse((job.at, job.record.id)));
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    jobs.truncate(wanted);
    let last = if jobs.len() == wanted { jobs.last().and_then(place) } else { None };
    let mut open: Vec<_> = lines
        .iter_mut()
        .enumerate()
        .filter(|(_, line)| line.to_come > 0 && last.is_none_or(|last| line.newest > last))
        .collect();
    open.sort_by_key(|(_, line)| std::cmp::Reverse(line.newest));
    let (mut pages, mut more) = (Vec::new(), wanted.saturating_sub(jobs.len()) as u64);
    for (at, line) in open {
        // Where enough are known already, all that may be newer must be looked at.
        if last.is_none() && more == 0 {
            break;
        }
        let count = step.min(line.to_come);
        line.to_come -= count;
        more = more.saturating_sub(count);
        pages.push((at, line.queue.clone(), line.to_come, count));
    }
    pages
}

async fn page(
    store: &Store,
    queue: &QueueName,
    start: u64,
    count: u64,
) -> Result<Vec<JobView>, Failure> {
    let [start, count] = [start, count].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(store.inspect.jobs(queue, JobState::Dead, start, count).await?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobq_core::{Inspect, Job, JobError, ManualClock, MemoryBackend, Queue};
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
            let queues = memory.queues().await.unwrap();
            let store = Store::of(memory);
            for (offset, limit) in [(0, 1), (0, 12), (3, 7), (20, 50), (ids.len(), 5), (0, 1_000)] {
                let found = newest(&store, &queues, offset as u64, limit as u64).await.unwrap();
                let found: Vec<_> = found.iter().map(|job| job.record.id).collect();
                let end = ids.len().min(offset + limit);
                assert_eq!(found, ids[offset.min(end)..end], "{counts:?} {offset} {limit}");
            }
        }
    }

    #[tokio::test]
    async fn each_of_those_that_died_at_once_is_on_one_page() {
        let (memory, ids) = store(&[20, 20, 20], Duration::ZERO).await;
        let queues = memory.queues().await.unwrap();
        let store = Store::of(memory);
        for size in [1, 7, 13] {
            let mut found = Vec::new();
            for offset in (0..60).step_by(size) {
                let page = newest(&store, &queues, offset as u64, size as u64).await.unwrap();
                found.extend(page.iter().map(|job| job.record.id));
            }
            assert_eq!(found, ids, "pages of {size}");
        }
    }
}
