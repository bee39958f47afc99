//! Exchanging: settlements and a request for leases into calls of two scripts, in one trip.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{
    Exchanged, Held, JobId, JobRecord, Lease, LeaseRef, LeaseRequest, QueueName, Result,
    Settlement, Timestamp, Token, WorkerId,
};
use redis::Value;

use crate::backend::{LEASE_STEP, Store};
use crate::error::malformed;
use crate::past::Facts;
use crate::record;
use crate::reply;
use crate::scripts::{EXCHANGE, EXCHANGE_FLOW, SETTLE, Script};
use crate::settling;
use crate::unreadable::Unreadable;

/// The most leases one script settles.
const SETTLE_STEP: usize = 500;
/// How many jobs an exchange promotes and reclaims at most before it leases. A reclaim costs ten times
/// what a promotion does.
const PROMOTE_STEP: usize = 500;
const RECLAIM_STEP: usize = 100;

impl Store {
    /// Settles leases of a queue and leases new jobs of it.
    pub(crate) async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        let mut held = vec![Held::Yes; settlements.len()];
        let split = settling::split(settlements, &mut held, self.keys.of(queue).has_flow());
        let request = request.filter(|request| request.limit > 0);
        let (all_but_last, last) = split
            .completed
            .split_at(split.completed.len().saturating_sub(1) / SETTLE_STEP * SETTLE_STEP);
        let mut other = split.other.as_slice();
        if !all_but_last.is_empty() || other.len() > SETTLE_STEP {
            // It takes more than one trip anyway.
            self.settle(queue, other, &mut held).await?;
            other = &[];
        }
        for step in all_but_last.chunks(SETTLE_STEP) {
            self.complete_and_lease(queue, step, None, &mut held).await?;
        }
        // Both calls leave together, in this order: one trip. What each says of lost leases is put
        // together afterwards.
        let mut lost = held.clone();
        let (settled, exchanged) = futures_util::join!(
            async {
                if other.is_empty() { Ok(()) } else { self.settle(queue, other, &mut lost).await }
            },
            async { self.complete_and_lease(queue, last, request, &mut held).await }
        );
        let mut exchanged = exchanged?;
        settled?;
        if let Some(request) = request {
            self.lease_the_rest(queue, request, &mut exchanged).await?;
        }
        for (held, lost) in held.iter_mut().zip(lost) {
            if lost == Held::Lost {
                *held = Held::Lost;
            }
        }
        exchanged.held = held;
        Ok(exchanged)
    }

    /// Sends settlements that need more than a plain completion; marks those that had been lost.
    async fn settle(
        &self,
        queue: &QueueName,
        settlements: &[(usize, &Settlement)],
        held: &mut [Held],
    ) -> Result<()> {
        for step in settlements.chunks(SETTLE_STEP) {
            let mut call = self.call(&SETTLE, queue);
            call.arg(self.now());
            for (_, settlement) in step {
                settling::arguments(&mut call, settlement);
            }
            for position in reply::list(self.link.run(&SETTLE, &call).await?)? {
                mark_lost(held, step.iter().map(|(at, _)| *at), reply::count(position)?)?;
            }
        }
        Ok(())
    }

    /// Leases on while a request asks for more than one script grants.
    async fn lease_the_rest(
        &self,
        queue: &QueueName,
        request: LeaseRequest,
        exchanged: &mut Exchanged,
    ) -> Result<()> {
        let mut full = exchanged.leases.len() == LEASE_STEP;
        while full && exchanged.leases.len() < request.limit {
            let rest = request.limit - exchanged.leases.len();
            let rest = LeaseRequest::new(request.worker, rest, request.duration);
            let more = self.complete_and_lease(queue, &[], Some(rest), &mut []).await?;
            full = more.leases.len() == LEASE_STEP;
            exchanged.leases.extend(more.leases);
            exchanged.next_in = more.next_in;
        }
        Ok(())
    }

    /// Completes leases, marks those that had been lost, and leases new jobs.
    async fn complete_and_lease(
        &self,
        queue: &QueueName,
        completed: &[(usize, &Settlement)],
        request: Option<LeaseRequest>,
        held: &mut [Held],
    ) -> Result<Exchanged> {
        let (reply, places) = self.send_exchange(queue, completed, request, held).await?;
        let mut parts = reply::list(reply)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        for position in reply::list(next())? {
            mark_lost(held, places.iter().copied(), reply::count(position)?)?;
        }
        let (ids, records, facts) =
            (reply::list(next())?, reply::list(next())?, reply::list(next())?);
        let (first_token, expires_at) = (next(), next());
        let mut next_in = reply::optional_count(next())?.map(Duration::from_millis);
        let cursors = reply::list(next())?;
        let leased = Leased { ids, records, facts, first_token, expires_at, cursors };
        let (leases, unreadable) = leased.read(queue, worker_of(request))?;
        if !unreadable.is_empty() {
            self.put_aside(queue, &unreadable).await;
            // Fewer came than there were: there may be more at once.
            next_in = Some(Duration::ZERO);
        }
        if reply::optional_count(next())? == Some(1) {
            self.relay_later(queue).await;
        }
        Ok(Exchanged::new(Vec::new(), leases, next_in))
    }

    /// Sends an exchange by the script that the queue needs. With the answer come the places of the
    /// completed leases that it counts: the others were settled before.
    async fn send_exchange(
        &self,
        queue: &QueueName,
        completed: &[(usize, &Settlement)],
        request: Option<LeaseRequest>,
        held: &mut [Held],
    ) -> Result<(Value, Vec<usize>)> {
        let keys = self.keys.of(queue);
        let call_of = |script: &Script, keys: &[String], completed: &[(usize, &Settlement)]| {
            let mut call = script.call(keys);
            call.arg(self.now())
                .arg(worker_of(request).as_u64().to_be_bytes().as_slice())
                .arg(request.map_or(0, |request| request.limit.min(LEASE_STEP)))
                .arg(request.map_or(0, |request| request.duration.as_millis()).to_string())
                .arg(PROMOTE_STEP)
                .arg(RECLAIM_STEP);
            for (_, settlement) in completed {
                call.arg(reply::member(settlement.lease.proof()).as_slice());
            }
            call
        };
        let places =
            |completed: &[(usize, &Settlement)]| completed.iter().map(|(at, _)| *at).collect();
        let mut completed = Cow::Borrowed(completed);
        if !keys.has_flow() {
            let call = call_of(&EXCHANGE, keys.plain(), &completed);
            let reply = self.link.run(&EXCHANGE, &call).await?;
            if !reply::is_flow(&reply) {
                return Ok((reply, places(&completed)));
            }
            keys.note_flow();
            // Somebody may wait for their results.
            let (with_result, without): (Vec<_>, Vec<_>) =
                completed.iter().copied().partition(|(_, it)| settling::has_result(it));
            self.settle(queue, &with_result, held).await?;
            completed = Cow::Owned(without);
        }
        let call = call_of(&EXCHANGE_FLOW, keys.all(), &completed);
        Ok((self.link.run(&EXCHANGE_FLOW, &call).await?, places(&completed)))
    }
}

fn worker_of(request: Option<LeaseRequest>) -> WorkerId {
    request.map_or(WorkerId::from_u64(0), |request| request.worker)
}

/// What was leased, as the scripts answer it: lists, of which two may end early, and the first token, from
/// which the others count on.
struct Leased {
    ids: Vec<Value>,
    records: Vec<Value>,
    facts: Vec<Value>,
    first_token: Value,
    expires_at: Value,
    cursors: Vec<Value>,
}

impl Leased {
    /// The leases, and those whose job cannot be read.
    fn read(
        self,
        queue: &QueueName,
        worker: WorkerId,
    ) -> Result<(Vec<Arc<Lease>>, Vec<Unreadable>)> {
        let (mut leases, mut unreadable) = (Vec::with_capacity(self.ids.len()), Vec::new());
        if self.ids.is_empty() {
            return Ok((leases, unreadable));
        }
        let first_token = reply::count(self.first_token)?;
        let expires_at = Timestamp::from_millis(reply::count(self.expires_at)?);
        let jobs = self.ids.into_iter().zip(self.records);
        let facts = self.facts.into_iter().chain(std::iter::repeat(Value::Nil));
        let cursors = self.cursors.into_iter().chain(std::iter::repeat(Value::Nil));
        for (token, ((id, record), (facts, cursor))) in
            (first_token..).zip(jobs.zip(facts.zip(cursors)))
        {
            let (id, cursor) = (reply::id(id)?, reply::bytes(cursor)?);
            let (record, facts) = (reply::bytes(record)?, reply::bytes(facts)?);
            match decode_job(id, queue, &record, &facts) {
                Ok((job, facts)) => {
                    let mut lease = Lease::new(job, Token::from_u64(token), worker, expires_at);
                    lease.failed_attempts = facts.failed_attempts;
                    lease.crashes = facts.crashes;
                    lease.history = facts.history;
                    lease.checkpoint = Some(cursor).filter(|cursor| !cursor.is_empty());
                    leases.push(Arc::new(lease));
                }
                Err(error) => {
                    let lease = LeaseRef::new(id, Token::from_u64(token), worker);
                    unreadable.push(Unreadable { lease, facts, error });
                }
            }
        }
        Ok((leases, unreadable))
    }
}

fn decode_job(
    id: JobId,
    queue: &QueueName,
    record: &[u8],
    facts: &[u8],
) -> Result<(JobRecord, Facts)> {
    Ok((record::decode(id, queue, record)?, Facts::decode(facts)?))
}

/// Marks the settlement at a script's position, counted from 1.
fn mark_lost(
    held: &mut [Held],
    mut places: impl Iterator<Item = usize>,
    position: u64,
) -> Result<()> {
    let nth = usize::try_from(position).ok().and_then(|position| position.checked_sub(1));
    let place = nth.and_then(|nth| places.nth(nth)).ok_or_else(|| malformed("no such position"))?;
    held[place] = Held::Lost;
    Ok(())
}
