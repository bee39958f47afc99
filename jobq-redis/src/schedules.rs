//! `impl Schedules`: groups of schedules, and ticks that are claimed.

use std::time::Duration;

use async_trait::async_trait;
use jobq_core::schedules::{
    Attendance, Change, Claim, Claimed, Entries, Mark, MarkChange, ScheduleRef, Schedules,
    TickOutcome,
};
use jobq_core::{Enqueued, GroupName, JobId, NewJob, QueueName, Result, Timestamp, WorkerId};
use redis::{Cmd, Value};

use crate::backend::{RedisBackend, Store};
use crate::enqueue::{needs_flow, refused};
use crate::error::malformed;
use crate::keys::QueueKeys;
use crate::parents::Announced;
use crate::reply;
use crate::scripts::{AMEND, ATTEND, CLAIM, CLAIM_FLOW, ENTRIES, MARK};

/// The most marks that are asked for at once.
const STEP: usize = 1_000;

#[async_trait]
impl Schedules for RedisBackend {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        claim.check()?;
        claim.job.iter().try_for_each(|job| self.store.check_span(job))?;
        self.store.claim(claim).await
    }

    async fn marks(
        &self,
        queue: &QueueName,
        schedules: &[ScheduleRef],
    ) -> Result<Vec<Option<Mark>>> {
        let keys = self.store.keys.of(queue);
        let mut marks = Vec::with_capacity(schedules.len());
        for step in schedules.chunks(STEP) {
            let fields: Vec<_> = step.iter().map(ToString::to_string).collect();
            let question = redis::cmd("HMGET").arg(keys.ticks()).arg(fields).take();
            for mark in reply::list(self.store.link.send_again(&question).await?)? {
                let bytes = reply::bytes(mark)?;
                marks.push(if bytes.is_empty() { None } else { Some(mark_in(&bytes)?) });
            }
        }
        Ok(marks)
    }

    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()> {
        let (word, revision) = match change {
            MarkChange::Pause => ("pause", 0),
            MarkChange::Resume => ("resume", 0),
            MarkChange::Forget { revision } => ("forget", revision),
            _ => return Err(malformed("a change of a mark that this version does not know")),
        };
        let mut call = MARK.call(&[self.store.keys.of(queue).ticks()]);
        call.arg(self.store.now()).arg(schedule.to_string()).arg(word).arg(revision);
        self.store.link.run(&MARK, &call).await.map(drop)
    }

    async fn groups(&self) -> Result<Vec<GroupName>> {
        let question = redis::cmd("HKEYS").arg(self.store.keys.groups()).take();
        let mut groups = Vec::new();
        for name in reply::list(self.store.link.send_again(&question).await?)? {
            let name = reply::text(name)?;
            // The empty one is no group: it holds the greatest revision.
            if !name.is_empty() {
                groups.push(GroupName::new(name)?);
            }
        }
        groups.sort_unstable();
        Ok(groups)
    }

    async fn entries(&self, group: &GroupName) -> Result<Entries> {
        let keys = &self.store.keys;
        let mut call = ENTRIES.call(&[keys.entries(group), keys.groups()]);
        call.arg(group.as_str());
        let mut parts = reply::list(self.store.link.run(&ENTRIES, &call).await?)?.into_iter();
        let revision = reply::count(parts.next().unwrap_or(Value::Nil))?;
        let all = reply::pairs(parts.next().unwrap_or(Value::Nil))?;
        let named = all.into_iter().map(|(name, bytes)| {
            let name = String::from_utf8(name).map_err(|_| malformed("an entry without a name"))?;
            Ok((name, bytes))
        });
        Ok(Entries::new(revision, named.collect::<Result<_>>()?))
    }

    async fn amend(
        &self,
        group: &GroupName,
        based_on: u64,
        changes: &[Change],
    ) -> Result<Option<u64>> {
        let keys = &self.store.keys;
        let mut call = AMEND.call(&[keys.entries(group), keys.groups()]);
        call.arg(group.as_str()).arg(based_on);
        for change in changes {
            match change {
                Change::Put(name, bytes) => call.arg("p").arg(name).arg(bytes.as_slice()),
                Change::Remove(name) => call.arg("r").arg(name).arg(""),
            };
        }
        reply::optional_count(self.store.link.run(&AMEND, &call).await?)
    }

    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance> {
        let keys = &self.store.keys;
        let mut call = ATTEND.call(&[keys.attending(group), keys.groups()]);
        call.arg(self.store.now())
            .arg(ttl.as_millis().to_string())
            .arg(group.as_str())
            .arg(scheduler.to_string())
            .arg(word);
        let mut parts = reply::list(self.store.link.run(&ATTEND, &call).await?)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        let (now, revision) = (reply::count(next())?, reply::count(next())?);
        let words = reply::list(next())?.into_iter().map(reply::text).collect::<Result<_>>()?;
        Ok(Attendance::new(Timestamp::from_millis(now), revision, words))
    }

    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()> {
        let attending = self.store.keys.attending(group);
        let forget = redis::cmd("HDEL").arg(attending).arg(scheduler.to_string()).take();
        self.store.link.send(&forget).await.map(drop)
    }
}

impl Store {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        let keys = self.keys.of(&claim.queue);
        if claim.job.is_some() {
            self.register(&claim.queue).await?;
        }
        if claim.job.as_ref().is_some_and(needs_flow) {
            keys.note_flow();
        }
        if !keys.has_flow() {
            let mut call = self.enqueue_call(&CLAIM, &after(&keys), &keys, claim.job.iter());
            add_tick(&mut call, claim);
            let answer = self.link.run(&CLAIM, &call).await?;
            if !reply::is_flow(&answer) {
                return claimed(claim, answer).map(|(claimed, _)| claimed);
            }
            keys.note_flow();
        }
        // Its family is in this queue, so nobody has to be told before.
        let announced = Announced::default();
        let job = claim.job.iter();
        let mut call = self.enqueue_flow_call(&CLAIM_FLOW, &after(&keys), &keys, job, &announced);
        add_tick(&mut call, claim);
        let (claimed, owes) = claimed(claim, self.link.run(&CLAIM_FLOW, &call).await?)?;
        if owes {
            self.relay_later(&claim.queue).await;
        }
        Ok(claimed)
    }
}

/// The keys that a claim has after those of an enqueue.
fn after(keys: &QueueKeys) -> [&str; 5] {
    [keys.jobs(), keys.completed(), keys.cancelled(), keys.dead(), keys.ticks()]
}

/// The arguments that a claim has after those of an enqueue.
fn add_tick(call: &mut Cmd, claim: &Claim) {
    call.arg(claim.schedule.to_string())
        .arg(claim.revision)
        .arg(claim.good_until.as_millis())
        .arg(claim.since.as_millis());
    match claim.tick {
        Some(tick) => call.arg(tick.at.as_millis()).arg(tick.runs_at.as_millis()),
        None => call.arg("").arg(""),
    };
    match &claim.live {
        Some(live) => {
            let ids: Vec<u8> = live.iter().flat_map(|id| *id.as_bytes()).collect();
            call.arg(ids)
        }
        None => call.arg("*"),
    };
    match &claim.job {
        Some(job) => call.arg(job.record.id.as_bytes().as_slice()),
        None => call.arg(""),
    };
}

/// What became of a claim, and whether there are notes to deliver.
fn claimed(claim: &Claim, answer: Value) -> Result<(Claimed, bool)> {
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || parts.next().unwrap_or(Value::Nil);
    let word = reply::text(next())?;
    let claimed = match word.as_str() {
        "claimed" => {
            let (what, notes) = (reply::bytes(next())?, reply::count(next())?);
            let claimed = match &claim.job {
                None => Claimed::LeftOut,
                Some(job) => Claimed::Enqueued(enqueued(job, &what)?),
            };
            return Ok((claimed, notes > 0));
        }
        "stale" => Claimed::Stale,
        "superseded" => Claimed::Superseded,
        "paused" => Claimed::Paused,
        "taken" => {
            let last = Some(reply::count(next())?).filter(|last| *last > 0);
            Claimed::Taken { last: last.map(Timestamp::from_millis) }
        }
        "early" => Claimed::Early { now: Timestamp::from_millis(reply::count(next())?) },
        "overlap" => Claimed::Overlap(ids_in(&reply::bytes(next())?)?),
        "refused" => {
            let why = reply::text(next())?;
            let jobs: Vec<_> = claim.job.iter().cloned().collect();
            return Err(refused(&claim.queue, &why, &jobs, &[0]));
        }
        _ => return Err(malformed("a claim came to something that this version does not know")),
    };
    Ok((claimed, false))
}

/// What became of the job, as either script of an enqueue says.
pub(crate) fn enqueued(job: &NewJob, what: &[u8]) -> Result<Enqueued> {
    let (id, queue) = (job.record.id, &job.record.queue);
    Ok(match (what.len(), what.split_first()) {
        (_, None) => Enqueued::Created(id),
        (16, _) => Enqueued::Duplicate(reply::job_ref(what, queue)?),
        (_, Some((b'r', previous))) => {
            Enqueued::Replaced { id, previous: reply::id_from(previous)? }
        }
        (_, Some((_, other))) => Enqueued::Duplicate(reply::job_ref(other, queue)?),
    })
}

fn ids_in(bytes: &[u8]) -> Result<Vec<JobId>> {
    bytes.chunks(16).map(reply::id_from).collect()
}

/// `lua/lib/tick/mark.lua` is the other side.
pub(crate) fn mark_in(bytes: &[u8]) -> Result<Mark> {
    let wrong = || malformed("a mark of a schedule is in a form that this version does not know");
    let cut = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(wrong)?;
    let line = std::str::from_utf8(&bytes[..cut]).map_err(|_| wrong())?;
    let [revision, paused, last, acted_at, outcome] =
        <[&str; 5]>::try_from(line.split(' ').collect::<Vec<_>>()).map_err(|_| wrong())?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let instant = |text| Ok(Some(number(text)?).filter(|ms| *ms > 0).map(Timestamp::from_millis));
    let mut mark = Mark::new();
    mark.revision = number(revision)?;
    mark.paused = paused == "1";
    mark.last = instant(last)?;
    mark.acted_at = instant(acted_at)?;
    mark.outcome = match outcome {
        "-" => None,
        "e" => Some(TickOutcome::Enqueued),
        "d" => Some(TickOutcome::Duplicate),
        "l" => Some(TickOutcome::LeftOut),
        _ => return Err(wrong()),
    };
    mark.jobs = ids_in(&bytes[cut + 1..])?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_that_ends_early_is_an_error() {
        let bytes = b"7 1 1000 2000 e\n0123456789abcdef";

        let mark = mark_in(bytes).unwrap();
        assert_eq!((mark.revision, mark.paused, mark.jobs.len()), (7, true, 1));
        assert_eq!(mark.last, Some(Timestamp::from_millis(1_000)));
        for end in [0, 3, 15, 17, 31] {
            assert!(mark_in(&bytes[..end]).is_err(), "cut at {end}");
        }
    }
}
