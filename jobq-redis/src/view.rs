//! All that is known of jobs, as people see them.

use jobq_core::inspect::JobView;
use jobq_core::{Error, ErrorKind, JobId, JobState, QueueName, Report, Result, Timestamp};
use redis::Value;

use crate::backend::Store;
use crate::past::Facts;
use crate::scripts::VIEW;
use crate::{record, reply, unreadable};

/// The most jobs that one script shows: their payloads may be large.
const VIEW_STEP: usize = 50;

impl Store {
    /// The jobs with these ids, also those that cannot be read.
    pub(crate) async fn views(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<JobView>> {
        let mut views = Vec::with_capacity(ids.len());
        for step in ids.chunks(VIEW_STEP) {
            let mut call = self.call(&VIEW, queue);
            step.iter().for_each(|id| {
                call.arg(id.as_bytes().as_slice());
            });
            for answer in reply::list(self.link.run(&VIEW, &call).await?)? {
                views.push(view(queue, answer)?);
            }
        }
        Ok(views)
    }
}

pub(crate) fn view(queue: &QueueName, answer: Value) -> Result<JobView> {
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || reply::bytes(parts.next().unwrap_or(Value::Nil));
    let id = reply::id_from(&next()?)?;
    let record = next()?;
    let state = String::from_utf8_lossy(&next()?).parse()?;
    let (score, holder, facts, report) = (next()?, next()?, next()?, next()?);
    let mut view = match stored(queue, id, state, &record, &facts, &report) {
        Ok(view) => view,
        Err(error) => unreadable::view_of(queue, id, state, &error)?,
    };
    view.at = std::str::from_utf8(&score)
        .ok()
        .and_then(|score| score.parse::<u64>().ok())
        .map(Timestamp::from_millis);
    view.held_by = reply::holder(&holder);
    view.result = Some(next()?).filter(|result| !result.is_empty());
    view.cancel_requested = !next()?.is_empty();
    Ok(view)
}

/// What is stored of a job.
fn stored(
    queue: &QueueName,
    id: JobId,
    state: JobState,
    record: &[u8],
    facts: &[u8],
    report: &[u8],
) -> Result<JobView> {
    let mut view = JobView::new(record::decode(id, queue, record)?, state);
    let facts = Facts::decode(facts)?;
    view.failed_attempts = facts.failed_attempts;
    view.crashes = facts.crashes;
    view.history = facts.history;
    if !report.is_empty() {
        view.report = rmp_serde::from_slice::<Report>(report).map_err(|cause| {
            Error::new(ErrorKind::Corrupt, format!("the report of job {id} is unreadable"))
                .because(cause)
        })?;
    }
    Ok(view)
}
