//! Jobs of one queue on their way to the backend: what it takes, what it never will, and what has to wait.
//! Knows nothing of tables.

use std::iter::once;
use std::ops::Range;

use tokio::time::Instant;

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::record::{Enqueued, NewJob};

/// What has become of some jobs of a queue, in their order.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// How many of the first jobs are settled, one way or another.
    pub(super) settled: usize,
    pub(super) created: u64,
    pub(super) duplicates: u64,
    /// Which of the settled ones the backend will never take, and why.
    pub(super) rejected: Vec<(usize, Error)>,
    /// Why the rest was not settled.
    pub(super) stop: Option<Stop>,
}

/// Why jobs were left.
#[derive(Debug)]
pub(super) enum Stop {
    /// The next one may be taken later.
    Wait(Error),
    /// The next one waits for a job that the backend does not know: it may be in the outbox still.
    UnknownParent(Error),
}

impl Handover {
    /// Hands over `jobs` from the first that is not settled on, in order, until all are or one has to
    /// wait. No call is waited for beyond `until`. `is_orphan` says that the next job's parents will
    /// not come.
    pub(super) async fn go_on(
        &mut self,
        backend: &dyn Backend,
        jobs: &[NewJob],
        until: Instant,
        mut is_orphan: bool,
    ) {
        self.stop = None;
        // The next range is the last: what is refused whole is tried by halves, so that one job in
        // 250 is found in 16 calls. The backend has written nothing of what it refused so.
        let mut ranges: Vec<Range<usize>> = once(self.settled..jobs.len()).collect();
        while let Some(range) = ranges.pop().filter(|range| !range.is_empty()) {
            match call(backend, &jobs[range.clone()], until).await {
                Ok(answers) => self.add(&answers),
                Err(error) if range.len() > 1 && concerns_jobs(error.kind()) => {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                    continue;
                }
                Err(error) => match error.kind() {
                    ErrorKind::NotFound if !is_orphan && !jobs[range.start].parents.is_empty() => {
                        self.stop = Some(Stop::UnknownParent(error));
                        return;
                    }
                    ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::InvalidInput => {
                        self.rejected.push((range.start, error));
                    }
                    _ => {
                        self.stop = Some(Stop::Wait(error));
                        return;
                    }
                },
            }
            is_orphan = false;
            self.settled = range.end;
        }
    }

    fn add(&mut self, answers: &[Enqueued]) {
        for answer in answers {
            match answer {
                Enqueued::Created(_) | Enqueued::Replaced { .. } => self.created += 1,
                Enqueued::Duplicate(_) => self.duplicates += 1,
            }
        }
    }
}

/// Whether an error may be about one of the jobs alone.
const fn concerns_jobs(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::InvalidInput | ErrorKind::Limited
    )
}

async fn call(backend: &dyn Backend, jobs: &[NewJob], until: Instant) -> Result<Vec<Enqueued>> {
    match tokio::time::timeout_at(until, backend.enqueue_jobs(jobs)).await {
        Ok(answered) => {
            let answers = answered?;
            if answers.len() == jobs.len() {
                return Ok(answers);
            }
            let (got, expected) = (answers.len(), jobs.len());
            let message = format!("the backend gave {got} answers for {expected} jobs");
            Err(Error::new(ErrorKind::Corrupt, message))
        }
        Err(_) => Err(Error::new(ErrorKind::Unavailable, "the queue did not answer in time")),
    }
}
