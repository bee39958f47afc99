//! Goes round every few seconds: ends jobs that are past their time, enqueues again what was lost or has
//! died, and tells of jobs that are stuck.
//!
//! What is enqueued has an id of its own, so that it is added only where it is missing. Any number of
//! processes may go round at once.

use std::collections::HashSet;
use std::time::Duration;

use jobq_core::JobId;
use program::Failure;
use tracing::{error, info, warn};

use crate::app::App;
use crate::jobs::{BULK_QUEUE, FinishJob, SendWebhook, SplitJob, WEBHOOK_QUEUE, run_dead};
use crate::queue::OpenQueue;

/// How many jobs are put right at once.
const BATCH: u32 = 100;

/// When to go round, and what to mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Rounds {
    /// How often.
    pub every: Duration,
    /// For how long nothing may be done for a job that has not ended.
    pub stuck_after: Duration,
    /// After what time the queue jobs of a job are enqueued once more.
    pub again_after: Duration,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            stuck_after: Duration::from_secs(300),
            again_after: Duration::from_secs(60),
        }
    }
}

/// The one who goes round.
#[derive(Debug)]
pub(crate) struct Patrol {
    app: App,
    queue: OpenQueue,
    rounds: Rounds,
    /// Jobs that were told to be stuck, so that each is told once.
    told: HashSet<String>,
}

impl Patrol {
    pub(crate) fn new(app: App, queue: OpenQueue, rounds: Rounds) -> Self {
        Self { app, queue, rounds, told: HashSet::new() }
    }

    /// Puts right at once what an earlier process has left behind, and then goes round for ever. May be
    /// dropped at any time.
    pub(crate) async fn run(mut self) {
        let mut before = self.app.store.now().as_millis();
        // No schedule: it also puts right what the queue has lost.
        let mut tick = tokio::time::interval(self.rounds.every);
        loop {
            tick.tick().await;
            if let Err(failure) = self.go_round(before).await {
                warn!("bulk jobs could not be looked after: {failure}");
            }
            before = (self.app.store.now() - self.rounds.again_after).as_millis();
        }
    }

    async fn go_round(&mut self, before: u64) -> Result<(), Failure> {
        self.end_overdue().await?;
        self.enqueue_again(before).await?;
        self.tell_stuck().await
    }

    async fn end_overdue(&self) -> Result<(), Failure> {
        for id in self.app.store.overdue_jobs().await? {
            if self.app.store.end_overdue_job(&id).await? {
                warn!("bulk job {id} was past its time: it was ended");
                self.app.feed.ring();
            }
            FinishJob::enqueue(&self.queue.backend, &id).await?;
        }
        Ok(())
    }

    /// Enqueues what belongs to jobs that were last looked at before an instant.
    async fn enqueue_again(&self, before: u64) -> Result<(), Failure> {
        loop {
            let found = self.app.store.unattended(before, BATCH).await?;
            let (mut for_leads, mut messages) = (Vec::new(), Vec::new());
            for id in &found {
                // It may have been forgotten meanwhile.
                let Some(job) = self.app.store.job(id).await? else { continue };
                if job.state.has_ended() {
                    messages.push(SendWebhook::enqueue(&self.queue.backend, &job).await?);
                } else {
                    let (user_id, is_premium) = (job.user_id, job.is_premium);
                    let backend = &self.queue.backend;
                    for_leads.push(SplitJob::enqueue(backend, &job.id, user_id, is_premium).await?);
                    for_leads.push(FinishJob { job_id: job.id }.id());
                }
            }
            self.run_dead(&for_leads, &messages).await?;
            self.app.store.note_checked(&found).await?;
            if found.len() < BATCH as usize {
                return Ok(());
            }
        }
    }

    /// A job that died while the database was away for long still has its work to do.
    async fn run_dead(&self, for_leads: &[JobId], messages: &[JobId]) -> Result<(), Failure> {
        run_dead(&self.queue.inspect, BULK_QUEUE, for_leads).await?;
        run_dead(&self.queue.inspect, WEBHOOK_QUEUE, messages).await?;
        Ok(())
    }

    async fn tell_stuck(&mut self) -> Result<(), Failure> {
        let stuck = self.app.store.stuck_jobs(self.rounds.stuck_after).await?;
        for id in stuck.iter().filter(|id| !self.told.contains(*id)) {
            let seconds = self.rounds.stuck_after.as_secs();
            error!("bulk job {id} is stuck: nothing was done for it for {seconds} s");
        }
        for id in self.told.iter().filter(|id| !stuck.contains(id)) {
            info!("bulk job {id} is not stuck any more");
        }
        self.told = stuck.into_iter().collect();
        Ok(())
    }
}
