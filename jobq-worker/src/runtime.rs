//! What the parts of a running worker share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use jobq_core::{Backend, Cancellation, Lease, StopReason, WorkerId};

use crate::config::Config;
use crate::events;
use crate::leases::LeaseTable;
use crate::mailbox::Mailbox;
use crate::meters::{Ledger, Meters};
use crate::own_vitals::OwnVitals;
use crate::registry::Handlers;

/// One run of a worker, as all of its parts see it.
pub(crate) struct Runtime {
    pub(crate) config: Config,
    pub(crate) handlers: Handlers,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) worker: WorkerId,
    pub(crate) leases: LeaseTable,
    pub(crate) mailbox: Mailbox,
    pub(crate) meters: Meters,
    pub(crate) vitals: OwnVitals,
    /// Requested when nobody waits for handlers any more.
    pub(crate) forced: Cancellation,
    pub(crate) running: AtomicUsize,
    pub(crate) leased: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) stuck: AtomicU64,
    pub(crate) draining: AtomicBool,
}

impl Runtime {
    pub(crate) fn new(
        config: Config,
        handlers: Handlers,
        backend: Arc<dyn Backend>,
        vitals: OwnVitals,
        ledger: Option<&Ledger>,
    ) -> Self {
        Self {
            leases: LeaseTable::new(config.lease),
            meters: Meters::new(&config, &handlers, ledger),
            config,
            handlers,
            backend,
            worker: WorkerId::generate(),
            mailbox: Mailbox::default(),
            vitals,
            forced: Cancellation::new(),
            running: AtomicUsize::new(0),
            leased: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// Counts and reports a handler that ignores the request to stop.
    pub(crate) fn report_stuck(&self, lease: &Lease, reason: Option<StopReason>) {
        self.stuck.fetch_add(1, Ordering::Relaxed);
        self.meters.handlers_stuck.add(1);
        events::stuck(lease, reason);
    }

    /// Counts and reports a lost lease.
    pub(crate) fn report_lost(
        &self,
        job: jobq_core::JobId,
        token: jobq_core::Token,
        how: events::HowLost,
    ) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.meters.leases_lost.add(1);
        events::lease_lost(job, token, how);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("worker", &self.worker).finish_non_exhaustive()
    }
}
