//! The worker.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::Rate;
use jobq_worker::Worker;
use program::Failure;

use crate::app::App;
use crate::crm::Http;
use crate::db::Store;
use crate::job::SyncRecord;
use crate::limits;
use crate::queue::Opened;
use crate::sync::sync_record;
use crate::upkeep::{UPKEEP_QUEUE, Upkeep, clean_up_old, sync_all};

/// How workers of this process work.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct Manner {
    /// How many requests the CRM allows each store.
    pub rate: Rate,
    /// How many requests of one store are under way at once, over all workers.
    pub store_concurrency: u32,
    /// How many jobs one worker runs at once.
    pub concurrency: usize,
    /// How long jobs are leased.
    pub lease: Duration,
    /// How long an answer of a CRM is waited for.
    pub http_timeout: Duration,
    /// By how much the CRMs' clocks may differ from ours.
    pub skew: Duration,
}

impl Manner {
    /// Sets the limits of all stores, so that no worker starts without them.
    ///
    /// # Errors
    ///
    /// When the queue fails.
    pub async fn install(&self, queue: &Opened) -> Result<(), Failure> {
        Ok(limits::install(&*queue.backend, self.rate, self.store_concurrency).await?)
    }

    /// A worker for all jobs of this system.
    ///
    /// # Errors
    ///
    /// When the machine's certificates cannot be read.
    pub fn worker(&self, queue: &Opened, store: Store) -> Result<Worker, Failure> {
        let upkeep = Upkeep { store: store.clone(), queue: queue.clone() };
        let app = App {
            store,
            http: Http::new(self.http_timeout).map_err(|error| Failure::failed(&error))?,
            inspect: Arc::clone(&queue.inspect),
            lease: self.lease,
            skew: self.skew,
        };
        Ok(Worker::new(Arc::clone(&queue.backend))
            // What enqueues more comes first: it is rare, and soon done.
            .queues([UPKEEP_QUEUE, <SyncRecord as jobq_core::Job>::QUEUE])
            .concurrency(self.concurrency)
            .lease(self.lease)
            .state(app)
            .state(upkeep)
            .handle(sync_record)
            .handle(sync_all)
            .handle(clean_up_old))
    }
}
