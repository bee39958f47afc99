//! Jobs of one state are deleted in pages, each of bounded work.

use jobq_core::inspect::DeleteOutcome;
use jobq_core::{JobState, QueueName, Timestamp};
use serde_json::{Value, json};

use super::connect::Store;
use super::dead::Line;
use super::exit::Failure;
use super::output;
use super::progress::Bar;

/// How many jobs one page has. Their payloads come with them.
const PAGE: u64 = 200;

/// How many left-over entries of lists are dropped after each page.
const LEFT_OVER: usize = 1_000;

/// Some jobs of one state of a queue, from the oldest on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heap {
    pub(super) queue: QueueName,
    pub(super) state: JobState,
    /// How many there are.
    pub(super) count: u64,
    /// Only those whose time was no later than this.
    pub(super) until: Option<Timestamp>,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) deleted: u64,
    /// Those that a worker or a person took meanwhile, or that were gone.
    pub(super) left: u64,
}

/// Deletes as many jobs as there were when they were counted: those that come meanwhile are left alone. What was done is
/// known also if it had to stop.
pub(super) async fn sweep(store: &Store, heaps: &[Heap]) -> (Swept, Result<(), Failure>) {
    let bar = Bar::of(heaps.iter().map(|heap| heap.count).sum());
    let mut swept = Swept::default();
    for heap in heaps {
        if let Err(failure) = sweep_one(store, heap, &bar, &mut swept).await {
            return (swept, Err(failure.about(&heap.queue)));
        }
    }
    (swept, Ok(()))
}

async fn sweep_one(
    store: &Store,
    heap: &Heap,
    bar: &Bar,
    swept: &mut Swept,
) -> Result<(), Failure> {
    let mut to_come = heap.count;
    while to_come > 0 {
        let step = usize::try_from(to_come.min(PAGE)).unwrap_or(usize::MAX);
        let page = store.inspect.jobs(&heap.queue, heap.state, 0, step).await?;
        let ids: Vec<_> = page
            .iter()
            .take_while(|job| heap.until.is_none_or(|until| job.at.is_some_and(|at| at <= until)))
            .map(|job| job.record.id)
            .collect();
        if ids.is_empty() {
            break;
        }
        for outcome in store.inspect.delete(&heap.queue, heap.state, &ids).await? {
            // One that is not deleted has left this state, so it is not in the way of the next page.
            match outcome {
                DeleteOutcome::Deleted => swept.deleted += 1,
                _ => swept.left += 1,
            }
        }
        let done = ids.len() as u64;
        (to_come, _) = (to_come.saturating_sub(done), bar.step(done));
        if heap.state == JobState::Ready {
            // Deleted jobs leave entries behind, which the next page would have to look past.
            store.backend.maintain(&heap.queue, LEFT_OVER).await?;
        }
    }
    Ok(())
}

/// How many of the dead of a queue died no later than this. They are in the order of their death, so a few looks do, and
/// none if all died before or after.
pub(super) async fn dead_until(
    store: &Store,
    line: &Line,
    until: Timestamp,
) -> Result<u64, Failure> {
    let (queue, mut older, mut all) = (&line.queue, 0, line.count);
    if line.newest_at().is_some_and(|at| at <= until) {
        return Ok(all);
    }
    let last = usize::try_from(all.saturating_sub(1)).unwrap_or(usize::MAX);
    let oldest = store.inspect.deaths(queue, last, 1).await?;
    if oldest.newest.first().is_some_and(|(at, _)| *at > until) {
        return Ok(0);
    }
    while older < all {
        let middle = older + (all - older) / 2;
        let offset = usize::try_from(middle).unwrap_or(usize::MAX);
        let found = store.inspect.jobs(queue, JobState::Dead, offset, 1).await?;
        // One that cannot be shown is taken to be younger: too few are deleted rather than too many.
        if found.first().and_then(|job| job.at).is_some_and(|at| at <= until) {
            older = middle + 1;
        } else {
            all = middle;
        }
    }
    Ok(older)
}

/// Says what was done, or what would be; `what` is how so many jobs are called.
pub(super) fn report(
    swept: Option<Swept>,
    heaps: &[Heap],
    what: &dyn Fn(u64) -> String,
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        output::json(&summary(swept, heaps))?;
    } else {
        let counted: u64 = heaps.iter().map(|heap| heap.count).sum();
        output::line(&match swept {
            None => format!("would delete {}", what(counted)),
            Some(Swept { deleted, left: 0 }) => format!("{} deleted", what(deleted)),
            Some(Swept { deleted, left }) => {
                format!("{} deleted, {left} left: taken or moved on meanwhile", what(deleted))
            }
        })?;
    }
    Ok(())
}

fn summary(swept: Option<Swept>, heaps: &[Heap]) -> Value {
    let found: Vec<_> = heaps
        .iter()
        .map(|heap| {
            json!({
                "queue": heap.queue.as_str(), "state": heap.state.as_str(), "count": heap.count,
            })
        })
        .collect();
    let Swept { deleted, left } = swept.unwrap_or_default();
    json!({ "dry_run": swept.is_none(), "found": found, "deleted": deleted, "left": left })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use jobq_core::{
        Backend, Clock, JobError, JobId, JobRecord, Kind, MemoryBackend, NewJob, Payload, When,
    };

    use super::*;
    use crate::cli::dead;
    use crate::{Registry, Worker};

    /// A clock that shows what it was set to.
    #[derive(Clone, Debug, Default)]
    struct Set(Arc<AtomicU64>);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn mail() -> QueueName {
        QueueName::new("mail").unwrap()
    }

    async fn enqueue(store: &MemoryBackend, jobs: u64, when: When) {
        let clock = Set::default();
        for _ in 0..jobs {
            let payload = Payload::from_json("null").unwrap();
            let id = JobId::generate(&clock);
            let mut record = JobRecord::new(id, mail(), Kind::new("hello").unwrap(), payload);
            record.max_attempts = 1;
            store.enqueue_jobs(&[NewJob::new(record, when)]).await.unwrap();
        }
    }

    #[derive(serde::Serialize, serde::Deserialize, jobq_core::Job)]
    #[job(kind = "hello", queue = "mail")]
    struct Hello;

    async fn die(store: &MemoryBackend) {
        let registry = Registry::new()
            .handle(|_: Hello| async { Err::<(), _>(JobError::dead("it is for the test")) });
        let worker = Worker::with_registry(store.clone(), registry);
        worker.queues(["mail"]).stop_when_empty().run().await.unwrap();
    }

    fn heap(state: JobState, count: u64, until: Option<Timestamp>) -> Heap {
        Heap { queue: mail(), state, count, until }
    }

    #[tokio::test]
    async fn every_job_of_the_state_goes_and_no_other() {
        let memory = MemoryBackend::new();
        enqueue(&memory, 2 * PAGE + 7, When::Now).await;
        enqueue(&memory, 3, When::After(Duration::from_secs(60))).await;
        let store = Store::of(memory);

        let heaps = [heap(JobState::Ready, 2 * PAGE + 7, None)];
        let (swept, ended) = sweep(&store, &heaps).await;
        ended.unwrap();

        assert_eq!(swept, Swept { deleted: 2 * PAGE + 7, left: 0 });
        let stats = store.inspect.queue(&mail()).await.unwrap();
        assert_eq!((stats.ready, stats.scheduled), (0, 3));
    }

    #[tokio::test]
    async fn no_more_go_than_were_counted() {
        let memory = MemoryBackend::new();
        enqueue(&memory, 10, When::Now).await;
        let store = Store::of(memory);

        let (swept, ended) = sweep(&store, &[heap(JobState::Ready, 4, None)]).await;
        ended.unwrap();

        assert_eq!(swept.deleted, 4);
        assert_eq!(store.inspect.queue(&mail()).await.unwrap().ready, 6);
    }

    #[tokio::test]
    async fn the_dead_are_told_by_the_time_of_their_death() {
        let clock = Set::default();
        let memory = MemoryBackend::with_clock(clock.clone());
        for (at, jobs) in [(1_000, 3), (2_000, 4), (3_000, 5)] {
            clock.0.store(at, Ordering::Relaxed);
            enqueue(&memory, jobs, When::Now).await;
            die(&memory).await;
        }
        let store = Store::of(memory);

        for (until, count) in [(0, 0), (999, 0), (1_000, 3), (2_999, 7), (3_000, 12), (9_000, 12)] {
            let until = Timestamp::from_millis(until);
            let lines = dead::of_queues(&store, None).await.unwrap().lines;
            assert_eq!(dead_until(&store, &lines[0], until).await.unwrap(), count, "{until}");
        }
        let until = Timestamp::from_millis(2_000);
        // Even if more were counted, none goes that died later.
        let (swept, ended) = sweep(&store, &[heap(JobState::Dead, 12, Some(until))]).await;
        ended.unwrap();
        assert_eq!(swept.deleted, 7);
        assert_eq!(store.inspect.queue(&mail()).await.unwrap().dead, 5);
    }

    #[test]
    fn the_summary_tells_what_was_found_and_what_was_done() {
        let heaps = [heap(JobState::Dead, 12, None)];
        assert_eq!(
            summary(None, &heaps).to_string(),
            r#"{"deleted":0,"dry_run":true,"found":[{"count":12,"queue":"mail","state":"dead"}],"left":0}"#
        );
        let swept = Some(Swept { deleted: 11, left: 1 });
        assert_eq!(
            summary(swept, &heaps).to_string(),
            r#"{"deleted":11,"dry_run":false,"found":[{"count":12,"queue":"mail","state":"dead"}],"left":1}"#
        );
    }
}
