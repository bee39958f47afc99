//! Why a job is not running, and who holds a key: told by the scripts' own predicates.

use std::time::Duration;

use jobq_core::{
    BatchId, BatchRef, Block, JobId, JobRef, LimitName, QueueName, Rate, Result, Standing,
    Timestamp, UniqueKey,
};
use redis::Value;

use crate::backend::Store;
use crate::error::malformed;
use crate::limits;
use crate::reply;
use crate::scripts::{HOLDERS, STANDING};

impl Store {
    pub(crate) async fn standing(&self, queue: &QueueName, id: JobId) -> Result<Option<Standing>> {
        let mut call = self.call(&STANDING, queue);
        call.arg(self.now()).arg(id.as_bytes().as_slice());
        let reply = self.link.run(&STANDING, &call).await?;
        let Some(view) = self.views(queue, &[id]).await?.pop() else {
            return Ok(None);
        };
        if reply == Value::Nil {
            return Ok(None);
        }
        let mut parts = reply::list(reply)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        let _state = next();
        let blocks = reply::list(next())?;
        let mut standing = Standing::new(view);
        standing.lane = standing.job.record.lane.clone();
        standing.blocks =
            blocks.into_iter().map(|value| block(value, queue)).collect::<Result<_>>()?;
        standing.ahead = reply::count(next())?;
        standing.lanes = reply::count(next())?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = reply::optional_count(next())?.map(|per_1000_s| per_1000_s as f64 / 1_000.0);
        standing.rate = rate;
        Ok(Some(standing))
    }

    /// Who holds a unique key: the job that waits with it, and the one that runs with it.
    pub(crate) async fn holders(&self, queue: &QueueName, key: UniqueKey) -> Result<Vec<JobRef>> {
        let mut call = self.call(&HOLDERS, queue);
        // On a cluster no key counts among all queues.
        let also = if self.link.is_cluster() { "" } else { "everywhere" };
        call.arg(self.now()).arg(key.as_bytes().as_slice()).arg(also);
        let mut holders = Vec::new();
        for holder in reply::list(self.link.run(&HOLDERS, &call).await?)? {
            let holder = reply::bytes(holder)?;
            if !holder.is_empty() {
                holders.push(reply::job_ref(&holder, queue)?);
            }
        }
        holders.dedup();
        Ok(holders)
    }
}

pub(crate) fn block(value: Value, queue: &QueueName) -> Result<Block> {
    let mut parts = reply::list(value)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?;
    let until = reply::optional_count(next())?.map(Timestamp::from_millis);
    let at = || until.ok_or_else(|| malformed("a limit says when it has room again"));
    let small = |value| Ok(u32::try_from(reply::count(value)?).unwrap_or(u32::MAX));
    Ok(match word.as_str() {
        "not due" => Block::NotDue { at: at()? },
        "parents" => Block::Parents(
            parts
                .map(|parent| reply::job_ref(&reply::bytes(parent)?, queue))
                .collect::<Result<_>>()?,
        ),
        "queue paused" => Block::QueuePaused,
        "queue concurrency" => Block::QueueConcurrency { limit: small(next())? },
        "queue rate" => Block::QueueRate { until: at()?, rate: rate(parts)? },
        "lane paused" => Block::LanePaused,
        "lane rests" => Block::LaneRests { until: at()?, failures: small(next())? },
        "lane concurrency" => Block::LaneConcurrency {
            limit: small(next())?,
            holders: parts.map(reply::id).collect::<Result<_>>()?,
        },
        "lane rate" => Block::LaneRate { until: at()?, rate: rate(parts)? },
        "shared" => Block::Shared { name: LimitName::new(reply::text(next())?)?, until },
        "called off" => Block::CalledOff { batch: batch_ref(&reply::bytes(next())?)? },
        "unique key" => Block::UniqueKey { holder: reply::id(next())? },
        _ => return Err(malformed("a job is kept by something that this version does not know")),
    })
}

/// A batch: its id, then the name of its home.
fn batch_ref(bytes: &[u8]) -> Result<BatchRef> {
    let (id, home) =
        bytes.split_first_chunk().ok_or_else(|| malformed("a batch begins with its id"))?;
    Ok(BatchRef::new(QueueName::new(String::from_utf8_lossy(home))?, BatchId::from_bytes(*id)))
}

fn rate(mut parts: impl Iterator<Item = Value>) -> Result<Rate> {
    let mut number = || reply::count(parts.next().unwrap_or(Value::Nil));
    let (counting, count, per, burst) = (number()?, number()?, number()?, number()?);
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    limits::rate(counting, small(count), Duration::from_millis(per), small(burst))
}
