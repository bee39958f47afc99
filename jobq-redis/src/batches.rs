//! Batches: opening, closing and looking at them. `lua/lib/flow/batches.lua` is the other side of the bytes.

use std::time::Duration;

use jobq_core::batch::{closed_batch, ended_batch, unknown_batch};
use jobq_core::{
    BatchId, BatchRef, BatchState, BatchView, JobRef, NewBatch, NewJob, QueueName, Result,
    Timestamp,
};
use redis::Value;

use crate::backend::Store;
use crate::bytes::Reader;
use crate::error::malformed;
use crate::parents::{name, when};
use crate::record;
use crate::reply;
use crate::scripts::{BATCHES, CANCEL_BATCH, CLOSE_BATCH, FAILED, OPEN_BATCH};

/// The most of anything that one script lists.
const STEP: usize = 1_000;

/// The farthest place in a list that is asked for: no list is so long, and larger numbers are not ones that
/// Redis takes.
pub(crate) const FARTHEST: usize = 1 << 40;

const CLOSED: u8 = 1;
const ENDED: u8 = 2;
const CALLED_OFF: u8 = 4;
const CANCEL_ON_FAILURE: u8 = 8;

impl Store {
    /// Opens a batch, and says whether it was new.
    pub(crate) async fn open_batch(&self, new: &NewBatch) -> Result<bool> {
        new.check()?;
        for callback in [&new.on_success, &new.on_failure, &new.on_complete].into_iter().flatten() {
            self.check_span(callback)?;
        }
        let home = &new.batch.queue;
        let mut flags = if new.call_off_on_failure { CANCEL_ON_FAILURE } else { 0 };
        if let Some(parent) = &new.parent
            && parent.queue != *home
        {
            if self.batch_view(&new.batch).await?.is_some() {
                // Who opened it before may not have come to telling its parent.
                self.relay(home).await?;
                return Ok(false);
            }
            flags |= if self.may_be_added_to(parent).await? { CALLED_OFF } else { 0 };
        }
        self.register(home).await?;
        let mut call = self.call(&OPEN_BATCH, home);
        call.arg(self.now()).arg(new.batch.id.as_bytes().as_slice()).arg(flags).arg(info(new));
        for callback in [&new.on_success, &new.on_failure, &new.on_complete] {
            call.arg(callback.as_ref().map_or_else(Vec::new, |job| packed(&new.stamp(job))));
        }
        match &new.parent {
            Some(parent) => call.arg(parent.id.as_bytes().as_slice()).arg(parent.queue.as_str()),
            None => call.arg("").arg(""),
        };
        let answer = reply::bytes(self.link.run(&OPEN_BATCH, &call).await?)?;
        match (answer.as_slice(), &new.parent) {
            (b"known", None) => return Ok(false),
            (b"known", Some(_)) => {
                self.relay(home).await?;
                return Ok(false);
            }
            (b"unknown", Some(parent)) => return Err(unknown_batch(parent)),
            (b"ended", Some(parent)) => return Err(ended_batch(parent)),
            (b"opened", None) => {}
            // It is to be counted before anybody can close the one that counts it.
            (b"opened", Some(_)) => self.relay(home).await?,
            _ => return Err(malformed("an unknown answer of a batch that was opened")),
        }
        Ok(true)
    }

    pub(crate) async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        let mut call = self.call(&CLOSE_BATCH, &batch.queue);
        call.arg(self.now()).arg(batch.id.as_bytes().as_slice());
        match reply::bytes(self.link.run(&CLOSE_BATCH, &call).await?)?.as_slice() {
            b"closed" => {}
            b"before" => return Err(closed_batch(batch)),
            _ => return Err(unknown_batch(batch)),
        }
        self.relay_later(&batch.queue).await;
        self.batch_view(batch).await?.ok_or_else(|| unknown_batch(batch))
    }

    pub(crate) async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        let mut call = self.call(&BATCHES, &batch.queue);
        call.arg(batch.id.as_bytes().as_slice()).arg(0).arg(1);
        let views = reply::list(self.link.run(&BATCHES, &call).await?)?;
        views.into_iter().next().map(|answer| view(&batch.queue, answer)).transpose()
    }

    /// Whether a batch was called off, if jobs may be added to it.
    pub(crate) async fn may_be_added_to(&self, batch: &BatchRef) -> Result<bool> {
        let view = self.batch_view(batch).await?.ok_or_else(|| unknown_batch(batch))?;
        if view.state.has_ended() {
            return Err(ended_batch(batch));
        }
        Ok(view.is_called_off)
    }

    /// The batches whose home is a queue, newest first.
    pub(crate) async fn batches(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<BatchView>> {
        let (mut views, offset) = (Vec::new(), offset.min(FARTHEST));
        while views.len() < limit {
            let step = (limit - views.len()).min(STEP);
            let mut call = self.call(&BATCHES, queue);
            call.arg("").arg(offset + views.len()).arg(step);
            let found = reply::list(self.link.run(&BATCHES, &call).await?)?;
            let count = found.len();
            for answer in found {
                views.push(view(queue, answer)?);
            }
            if count < step {
                break;
            }
        }
        Ok(views)
    }

    pub(crate) async fn failed_of_batch(
        &self,
        batch: &BatchRef,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobRef>> {
        let (mut jobs, offset) = (Vec::new(), offset.min(FARTHEST));
        while jobs.len() < limit {
            let step = (limit - jobs.len()).min(STEP);
            let mut call = self.call(&FAILED, &batch.queue);
            call.arg(batch.id.as_bytes().as_slice()).arg(offset + jobs.len()).arg(step);
            let found = reply::list(self.link.run(&FAILED, &call).await?)?;
            let count = found.len();
            for part in found {
                jobs.push(job_in(&reply::bytes(part)?)?);
            }
            if count < step {
                break;
            }
        }
        Ok(jobs)
    }

    pub(crate) async fn call_off_batch(&self, batch: &BatchRef) -> Result<bool> {
        let mut call = self.call(&CANCEL_BATCH, &batch.queue);
        call.arg(self.now()).arg(batch.id.as_bytes().as_slice());
        let is_known = reply::count(self.link.run(&CANCEL_BATCH, &call).await?)? > 0;
        self.relay(&batch.queue).await?;
        Ok(is_known)
    }
}

/// What is known of a batch besides its counts: retention, parent and name.
fn info(new: &NewBatch) -> Vec<u8> {
    let retention = u64::try_from(new.retention.as_millis()).unwrap_or(u64::MAX);
    let mut bytes = retention.to_be_bytes()[2..].to_vec();
    match &new.parent {
        None => bytes.push(0),
        Some(parent) => {
            name(&mut bytes, &parent.queue);
            bytes.extend(parent.id.as_bytes());
        }
    }
    bytes.extend(new.name.as_bytes());
    bytes
}

/// A callback as it is kept until it is enqueued. Its record is stamped then.
fn packed(job: &NewJob) -> Vec<u8> {
    let mut bytes = Vec::new();
    name(&mut bytes, &job.record.queue);
    bytes.extend(job.record.id.as_bytes());
    let when = when(job.when);
    bytes.push(u8::try_from(when.len()).unwrap_or(u8::MAX));
    bytes.extend(when.as_bytes());
    bytes.extend(record::encode(&job.record, Timestamp::EPOCH));
    bytes
}

/// A job as a part of a batch: its queue, 0, its id.
pub(crate) fn job_in(part: &[u8]) -> Result<JobRef> {
    let end = part.len().checked_sub(17).ok_or_else(|| malformed("a part of a batch is short"))?;
    let queue = QueueName::new(String::from_utf8_lossy(&part[..end]))?;
    Ok(JobRef::new(queue, reply::id_from(&part[end + 1..])?))
}

pub(crate) fn view(queue: &QueueName, answer: Value) -> Result<BatchView> {
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || reply::bytes(parts.next().unwrap_or(Value::Nil));
    let id = <[u8; 16]>::try_from(next()?).map_err(|_| malformed("a batch id has 16 bytes"))?;
    let (counts, info) = (next()?, next()?);
    let mut counts = Reader { what: "counts of a batch", bytes: &counts };
    let (total, done, failed) = (counts.u48()?, counts.u48()?, counts.u48()?);
    let (cancelled, flags) = (counts.u48()?, counts.u8()?);
    let (opened_at, ended_at) = (counts.timestamp()?, counts.timestamp()?);
    let mut info = Reader { what: "facts of a batch", bytes: &info };
    let _retention = Duration::from_millis(info.u48()?);
    let parent = match usize::from(info.u8()?) {
        0 => None,
        length => {
            let queue = QueueName::new(info.text(length)?)?;
            Some(BatchRef::new(queue, BatchId::from_bytes(info.array()?)))
        }
    };
    let name = String::from_utf8_lossy(info.bytes).into_owned();
    let batch = BatchRef::new(queue.clone(), BatchId::from_bytes(id));
    let mut view = BatchView::new(batch, name, opened_at);
    view.state = match (flags & CLOSED != 0, flags & ENDED != 0, failed + cancelled) {
        (_, true, 0) => BatchState::Succeeded,
        (_, true, _) => BatchState::Failed,
        (true, false, _) => BatchState::Closed,
        (false, false, _) => BatchState::Open,
    };
    (view.total, view.done, view.failed, view.cancelled) = (total, done, failed, cancelled);
    view.is_called_off = flags & CALLED_OFF != 0;
    view.parent = parent;
    view.ended_at = (flags & ENDED != 0).then_some(ended_at);
    Ok(view)
}
