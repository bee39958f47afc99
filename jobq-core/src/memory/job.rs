//! One stored job.

use std::sync::Arc;

use super::parents::Kin;
use super::places::Place;
use crate::clock::Timestamp;
use crate::history::History;
use crate::id::{Token, WorkerId};
use crate::inspect::JobView;
use crate::lease::{Lease, LeaseRef};
use crate::progress::Report;
use crate::record::JobRecord;

/// A job, where it is, and what has happened to it.
#[derive(Debug)]
pub(super) struct Job {
    /// The lease of the newest attempt, or of the one to come; it holds the record. Leasing fills it in
    /// and shares it with the worker, so that a payload is copied into the store and never out of it.
    lease: Arc<Lease>,
    pub(super) place: Place,
    pub(super) failed_attempts: u32,
    pub(super) crashes: u32,
    pub(super) history: History,
    pub(super) report: Option<Box<Report>>,
    pub(super) result: Option<Vec<u8>>,
    /// Where it has got to, as its newest attempt has saved it.
    pub(super) checkpoint: Option<Vec<u8>>,
    /// The jobs that it waits for, and those that wait for it; `None` if there never were any.
    pub(super) kin: Option<Box<Kin>>,
}

impl Job {
    /// A job that nothing has happened to yet.
    pub(super) fn new(record: JobRecord, place: Place) -> Self {
        let (nobody, no_token) = (WorkerId::from_u64(0), Token::from_u64(0));
        let lease_to_come = Lease::new(record, no_token, nobody, Timestamp::EPOCH);
        Self {
            lease: Arc::new(lease_to_come),
            place,
            failed_attempts: 0,
            crashes: 0,
            history: History::new(),
            report: None,
            result: None,
            checkpoint: None,
            kin: None,
        }
    }

    pub(super) fn record(&self) -> &JobRecord {
        &self.lease.job
    }

    /// Who holds it, if anybody does.
    pub(super) fn holder(&self) -> Option<LeaseRef> {
        match self.place {
            Place::Leased { .. } => Some(self.lease.proof()),
            _ => None,
        }
    }

    /// Whether somebody has asked for the running job to be cancelled.
    pub(super) const fn is_asked_to_cancel(&self) -> bool {
        matches!(self.place, Place::Leased { cancel_requested: true, .. })
    }

    /// Marks the running job; another job is left as it is.
    pub(super) const fn ask_to_cancel(&mut self) {
        if let Place::Leased { cancel_requested, .. } = &mut self.place {
            *cancel_requested = true;
        }
    }

    /// The lease of a new attempt. It is copied only if the worker of an earlier one still has that.
    pub(super) fn lease_to(
        &mut self,
        worker: WorkerId,
        token: Token,
        expires_at: Timestamp,
    ) -> Arc<Lease> {
        let lease = Arc::make_mut(&mut self.lease);
        lease.worker = worker;
        lease.token = token;
        lease.expires_at = expires_at;
        lease.failed_attempts = self.failed_attempts;
        lease.crashes = self.crashes;
        lease.history.clone_from(&self.history);
        lease.checkpoint.clone_from(&self.checkpoint);
        Arc::clone(&self.lease)
    }

    pub(super) fn view(&self) -> JobView {
        JobView {
            failed_attempts: self.failed_attempts,
            crashes: self.crashes,
            history: self.history.clone(),
            report: self.report.as_deref().cloned().unwrap_or_default(),
            cancel_requested: self.is_asked_to_cancel(),
            at: self.place.at(),
            held_by: self.holder().map(|lease| (lease.worker, lease.token)),
            result: self.result.clone(),
            ..JobView::new(self.record().clone(), self.place.state())
        }
    }
}
