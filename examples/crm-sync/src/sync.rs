//! The handler: one record, one way, one request.
//!
//! It may be killed anywhere and run again, and even run twice at once:
//!
//! - A creation carries a key that depends on the record alone. However often it is repeated, and also
//!   if the worker dies between the CRM's answer and the local save, the CRM adds one record.
//! - What it writes is [fenced](crate::db): an attempt that has lost its lease changes nothing.
//! - What comes from the CRM is written only over what it was compared with. What goes to the CRM is
//!   sent again if the record has changed meanwhile: another job may have sent the newer state before us.

use std::time::Duration;

use jobq_core::{JobContext, JobError, JobResult, Queue, Timestamp};
use jobq_worker::State;

use crate::app::App;
use crate::crm::{Access, CrmError, Provider, RetryAfter, provider};
use crate::db::{Account, Attempt, Begun, End, LocalRecord, Saved, StoreError};
use crate::departure::{Departure, departure};
use crate::entity::Direction;
use crate::job::{Reason, SyncRecord};
use crate::limits::rate_of;
use crate::window::Windows;

/// How long to leave a CRM alone that wants a rest, does not say for how long, and is not limited by us.
const UNKNOWN_REST: Duration = Duration::from_secs(60);
/// The longest rest that a CRM is believed.
const LONGEST_REST: Duration = Duration::from_secs(60 * 60);
/// When to come back if the queue does not say what the store's rate is.
const RATE_UNKNOWN: Duration = Duration::from_secs(1);
/// What is put off is put off: a job that came back at once would meet the same instant.
const LEAST_DELAY: Duration = Duration::from_millis(1);

/// The handler of [`SyncRecord`].
///
/// # Errors
///
/// To be tried again: the database, the queue or the CRM fails. Dead at once: the record, its id in the CRM,
/// its store or its provider is missing, the CRM refuses it, or has something that cannot be ours.
pub async fn sync_record(job: SyncRecord, State(app): State<App>, cx: JobContext) -> JobResult {
    let attempt = Attempt {
        job,
        job_id: cx.id(),
        token: cx.token(),
        number: cx.attempt(),
        crashes: cx.crashes(),
        started_at: now(&cx),
    };
    match app.store.begin(&attempt).await? {
        Begun::Ours => {}
        Begun::Done => return Ok(()),
        Begun::Overtaken => return Err(overtaken()),
    }
    let run = Run { app: &app, cx: &cx, attempt };
    match run.sync().await {
        Ok(()) => Ok(()),
        Err(fault) => Err(run.settle(fault).await?),
    }
}

fn now(cx: &JobContext) -> Timestamp {
    cx.queue().clock().now()
}

fn overtaken() -> JobError {
    JobError::discard("a newer attempt of this job syncs the record")
}

/// Why a record is not synced.
enum Fault {
    /// It never will be.
    Dead(String),
    /// The next attempt may do it.
    Retry(String),
    /// The CRM wants to be left alone by this store.
    Rest(Duration, String),
    /// This is not the moment; no attempt is used.
    Postponed(Duration, String),
    /// It is somebody else's to do.
    Overtaken,
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Retry(JobError::from(error).to_string())
    }
}

impl From<jobq_core::Error> for Fault {
    fn from(error: jobq_core::Error) -> Self {
        Self::Retry(JobError::from(error).to_string())
    }
}

/// One attempt.
struct Run<'a> {
    app: &'a App,
    cx: &'a JobContext,
    attempt: Attempt,
}

impl Run<'_> {
    async fn sync(&self) -> Result<(), Fault> {
        let job = self.attempt.job;
        let account = self.app.store.account(job.store).await?;
        let account = account
            .ok_or_else(|| Fault::Dead(format!("there is no store {} in crm_stores", job.store)))?;
        let crm = provider(&account.provider).ok_or_else(|| {
            let (store, name) = (job.store, &account.provider);
            Fault::Dead(format!("store {store} has provider {name:?}, which is unknown"))
        })?;
        let record = self.app.store.record(job.key()).await?;
        let record = record.ok_or_else(|| Fault::Dead(format!("there is no {}", job.key())))?;
        match job.direction {
            Direction::ToCrm => self.push(crm, &account, &record).await,
            Direction::FromCrm => self.fetch(crm, &account, &record).await,
        }
    }

    async fn push(
        &self,
        crm: &dyn Provider,
        account: &Account,
        record: &LocalRecord,
    ) -> Result<(), Fault> {
        let entity = record.key.entity;
        let body = crm.to_remote(record.key.record, &record.fields);
        let windows = self.depart().await?;
        let access = self.access(account);
        let created = match &record.external_id {
            Some(id) => crm.update(&access, entity, id, body).await.map(|()| None),
            None => {
                let key = record.key.idempotency_key();
                crm.create(&access, entity, body, &key).await.map(Some)
            }
        };
        let created = created.map_err(|error| self.fault(error, record, windows))?;
        self.send_again_if_changed(record).await?;
        let (store, now) = (&self.app.store, now(self.cx));
        let saved = match created {
            Some(id) => store.save_external_id(&self.attempt, &id, now).await?,
            None => store.finish(&self.attempt, End::Synced, "updated", now).await?,
        };
        match saved {
            Saved::Yes => Ok(()),
            Saved::Changed => Err(Fault::Dead(format!("{} was deleted", record.key))),
            Saved::Overtaken => Err(Fault::Overtaken),
        }
    }

    /// Another job may have sent a newer state before this one has sent its older one. This must be
    /// asked after sending: what changes later has a job of its own that sends later.
    async fn send_again_if_changed(&self, sent: &LocalRecord) -> Result<(), Fault> {
        let revision = self.app.store.revision(sent.key).await?;
        if revision.is_some_and(|revision| revision != sent.revision) {
            let priority = Reason::Updated.priority(sent.key.entity);
            self.cx.queue().enqueue(self.attempt.job).priority(priority).await?;
        }
        Ok(())
    }

    async fn fetch(
        &self,
        crm: &dyn Provider,
        account: &Account,
        record: &LocalRecord,
    ) -> Result<(), Fault> {
        let key = record.key;
        let id = record.external_id.as_deref().ok_or_else(|| {
            Fault::Dead(format!("{key} has no external_id: it was never sent to the CRM"))
        })?;
        let windows = self.depart().await?;
        let remote = crm
            .fetch(&self.access(account), key.entity, id)
            .await
            .map_err(|error| self.fault(error, record, windows))?;
        let fields = crm
            .to_local(key.entity, &remote)
            .map_err(|misfit| Fault::Dead(format!("{key}: {misfit}")))?;
        let (store, now) = (&self.app.store, now(self.cx));
        let saved = if fields == record.fields {
            store.finish(&self.attempt, End::Synced, "no change", now).await?
        } else {
            store.save_fields(&self.attempt, record, &fields, now).await?
        };
        match saved {
            Saved::Yes => Ok(()),
            Saved::Changed => Err(Fault::Retry(format!("{key} was changed while it was fetched"))),
            Saved::Overtaken => Err(Fault::Overtaken),
        }
    }

    fn access<'a>(&'a self, account: &'a Account) -> Access<'a> {
        self.app.http.access(&account.base_url, &account.api_key)
    }

    /// Lets the request leave, or says why it may not: see [`departure`](crate::departure).
    async fn depart(&self) -> Result<Option<Windows>, Fault> {
        // Asked anew for each request, for it may have been changed a moment ago. A failing queue is no
        // reason to send what may be one too many, nor the record's fault.
        let rate = rate_of(&*self.app.inspect, self.attempt.job.store).await.map_err(|error| {
            Fault::Postponed(RATE_UNKNOWN, format!("the store's rate is not known: {error}"))
        })?;
        let Some(windows) = rate.and_then(Windows::of) else {
            return Ok(None);
        };
        let leased_at = self.cx.lease().expires_at - self.app.lease;
        loop {
            match departure(windows, leased_at, now(self.cx), self.app.skew) {
                Departure::Now => break,
                Departure::In(wait) => tokio::time::sleep(wait).await,
                Departure::Missed(delay) => {
                    let message = "it came too late to be sent in the window it was leased in";
                    return Err(Fault::Postponed(delay, message.to_owned()));
                }
            }
        }
        Ok(Some(windows))
    }

    fn fault(&self, error: CrmError, record: &LocalRecord, windows: Option<Windows>) -> Fault {
        let message = format!("{}: {error}", record.key);
        match error {
            CrmError::Refused { .. } | CrmError::Missing => Fault::Dead(message),
            CrmError::Failing(_) => Fault::Retry(message),
            CrmError::Throttled { retry_after, .. } => {
                let rest = rest(retry_after, windows, now(self.cx));
                Fault::Rest(rest, format!("{message} for {rest:?}"))
            }
        }
    }

    /// Writes down how the attempt has ended, and gives what the worker is to be told.
    async fn settle(&self, fault: Fault) -> JobResult<JobError> {
        let (end, message, answer) = match fault {
            Fault::Overtaken => return Ok(overtaken()),
            Fault::Dead(why) => (End::Failed, why.clone(), JobError::dead(why)),
            Fault::Retry(why) => {
                let end = if self.cx.is_last_attempt() { End::Failed } else { End::Retrying };
                (end, why.clone(), JobError::retry(why))
            }
            Fault::Rest(rest, why) => {
                // First of all, before other workers send more.
                self.cx.throttle_lane(rest).await?;
                (End::Throttled, why, JobError::snooze(rest))
            }
            Fault::Postponed(delay, why) => {
                (End::Postponed, why, JobError::snooze(delay.max(LEAST_DELAY)))
            }
        };
        match self.app.store.finish(&self.attempt, end, &message, now(self.cx)).await? {
            Saved::Yes | Saved::Changed => Ok(answer),
            Saved::Overtaken => Ok(overtaken()),
        }
    }
}

/// How long a store leaves its CRM alone. One that does not say counts as we do, so its next window is
/// a good guess.
fn rest(retry_after: Option<RetryAfter>, windows: Option<Windows>, now: Timestamp) -> Duration {
    let rest = match (retry_after, windows) {
        (Some(retry_after), _) => retry_after.from(now),
        (None, Some(windows)) => windows.end(windows.number(now)).since(now),
        (None, None) => UNKNOWN_REST,
    };
    rest.clamp(LEAST_DELAY, LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(90_000);

    #[test]
    fn a_rest_is_as_long_as_the_crm_says_within_reason() {
        let said = |seconds| Some(RetryAfter::Delay(Duration::from_secs(seconds)));

        assert_eq!(rest(said(2), None, NOW), Duration::from_secs(2));
        assert_eq!(rest(said(0), None, NOW), LEAST_DELAY);
        assert_eq!(rest(said(1_000_000), None, NOW), LONGEST_REST);
    }

    #[test]
    fn a_crm_that_does_not_say_is_left_alone_until_the_next_window() {
        let windows = Windows::of("100/min".parse().unwrap());

        assert_eq!(rest(None, windows, NOW), Duration::from_secs(30));
        assert_eq!(rest(None, None, NOW), UNKNOWN_REST);
    }
}
