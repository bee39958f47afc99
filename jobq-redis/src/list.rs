//! The jobs of a queue in one state, by their ids.

use std::ops::Range;

use futures_util::try_join;
use jobq_core::inspect::Deaths;
use jobq_core::{JobId, JobState, QueueName, Result, Timestamp};
use redis::Value;

use crate::backend::Store;
use crate::batches::FARTHEST;
use crate::reply;
use crate::scripts::LIST;

/// The most entries that are looked at in one trip.
const STEP: usize = 500;

/// A sorted set of jobs.
struct Set<'a> {
    key: &'a str,
    /// How long its members are. One of another length stands for no job, such as the mark at the end of all leases.
    length: usize,
    /// Where in them the id is.
    id: Range<usize>,
}

impl Store {
    /// The ids of the jobs of a queue in one state, from the `offset`th on.
    pub(crate) async fn listed(
        &self,
        queue: &QueueName,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobId>> {
        let (keys, offset) = (self.keys.of(queue), offset.min(FARTHEST));
        let whole = |key| Set { key, length: 16, id: 0..16 };
        let set = match state {
            JobState::Ready => return self.listed_as_ready(queue, offset, limit).await,
            JobState::Waiting => whole(keys.waiting()),
            JobState::Scheduled => Set { key: keys.scheduled(), length: 17, id: 1..17 },
            JobState::Leased => Set { key: keys.leased(), length: 32, id: 8..24 },
            JobState::Completed => whole(keys.completed()),
            JobState::Cancelled => whole(keys.cancelled()),
            JobState::Dead => whole(keys.dead()),
        };
        self.members(&set, offset, limit).await
    }

    /// By a command each time: a script would cost ten times as much, and there may be thousands of queues to look at.
    async fn members(&self, set: &Set<'_>, offset: usize, limit: usize) -> Result<Vec<JobId>> {
        let (mut ids, mut seen) = (Vec::new(), offset);
        while ids.len() < limit {
            let step = (limit - ids.len()).min(STEP);
            let page = redis::cmd("ZRANGE").arg(set.key).arg(seen).arg(seen + step - 1).take();
            let members = reply::list(self.link.send(&page).await?)?;
            let looked_at = members.len();
            for member in members {
                let member = reply::bytes(member)?;
                if member.len() == set.length {
                    ids.push(reply::id_from(&member[set.id.clone()])?);
                }
            }
            seen += looked_at;
            if looked_at < step {
                break;
            }
        }
        Ok(ids)
    }

    /// Which jobs of a queue died last, and how many are dead: asked for together, though not in one step.
    pub(crate) async fn deaths(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Deaths> {
        let keys = self.keys.of(queue);
        let total = redis::cmd("ZCARD").arg(keys.dead()).take();
        let (total, newest) = try_join!(
            self.link.send(&total),
            self.newest(keys.dead(), offset.min(FARTHEST), limit)
        )?;
        Ok(Deaths::new(reply::count(total)?, newest))
    }

    async fn newest(
        &self,
        dead: &str,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<(Timestamp, JobId)>> {
        let (mut newest, mut seen) = (Vec::new(), offset);
        while newest.len() < limit {
            let step = (limit - newest.len()).min(STEP);
            let mut page = redis::cmd("ZREVRANGE");
            page.arg(dead).arg(seen).arg(seen + step - 1).arg("WITHSCORES");
            let found = reply::scored(self.link.send(&page).await?)?;
            seen += found.len();
            let is_last = found.len() < step;
            for (id, at) in found.into_iter().filter(|(id, _)| id.len() == 16) {
                let death = (Timestamp::from_millis(at), reply::id_from(&id)?);
                // Who has died since the page before has moved the others on.
                if newest.last().is_none_or(|last| death < *last) {
                    newest.push(death);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(newest)
    }

    async fn listed_as_ready(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobId>> {
        let (mut ids, mut seen, mut skip, mut is_counted) = (Vec::new(), offset, 0, offset == 0);
        while ids.len() < limit {
            let step = limit.saturating_add(skip).saturating_sub(ids.len()).min(STEP);
            let mut call = self.call(&LIST, queue);
            call.arg(seen).arg(step);
            let mut parts = reply::list(self.link.run(&LIST, &call).await?)?.into_iter();
            let mut next = || parts.next().unwrap_or(Value::Nil);
            let looked_at = usize::try_from(reply::count(next())?).unwrap_or(step);
            let found = reply::list(next())?;
            // With entries of jobs that have left in between, only counting from the front tells where
            // an offset is.
            if !is_counted && reply::count(next())? == 1 {
                (seen, skip, is_counted) = (0, offset, true);
                continue;
            }
            is_counted = true;
            let before = found.len().min(skip);
            skip -= before;
            for id in found.into_iter().skip(before) {
                ids.push(reply::id(id)?);
            }
            seen += looked_at;
            if looked_at < step {
                break;
            }
        }
        Ok(ids)
    }
}
