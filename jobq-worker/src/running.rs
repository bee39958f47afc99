//! A worker's parts while it runs: started in one order, stopped in the other.

use std::sync::Arc;

use jobq_core::vitals::Condition;
use jobq_core::{Error, ErrorKind, Result, StopReason};
use tokio::task::JoinHandle;

use crate::events;
use crate::mailbox::Note;
use crate::maintenance::{farewell, maintain_forever};
use crate::pump::Pump;
use crate::renewer::Renewer;
use crate::runtime::Runtime;
use crate::summary::{EndReason, Summary};

/// The parts of a worker. Dropped, it stops them all without waiting.
#[derive(Debug)]
pub(crate) struct Running {
    runtime: Arc<Runtime>,
    renewer: Option<Renewer>,
    maintenance: JoinHandle<()>,
    pump: JoinHandle<Result<Summary>>,
}

impl Running {
    pub(crate) fn start(runtime: Arc<Runtime>) -> Result<Self> {
        events::started(&runtime);
        // The renewer is there before the first lease, and the pump starts last.
        let renewer = Renewer::start(&runtime)?;
        let maintenance = tokio::spawn(maintain_forever(Arc::clone(&runtime)));
        let pump = tokio::spawn(pump_and_beat(Arc::clone(&runtime)));
        Ok(Self { runtime, renewer: Some(renewer), maintenance, pump })
    }

    /// Waits until the worker has ended, telling it to stop whenever `stop` says so: first gracefully,
    /// the second time at once.
    pub(crate) async fn finish(mut self, mut stop: impl AsyncFnMut()) -> Result<Summary> {
        let mailbox = &self.runtime.mailbox;
        let stopping = async {
            stop().await;
            mailbox.note(Note::Drain(EndReason::Requested));
            stop().await;
            mailbox.note(Note::Force);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = &mut self.pump => ended,
            // Without it every lease is lost soon: better now than when somebody else has the jobs.
            () = renewer_ended(&mut self.renewer) => {
                mailbox.note(Note::Force);
                (&mut self.pump).await
            }
            // It never ends; the type does not know.
            () = stopping => unreachable!("a future that is pending for ever has ended"),
        };
        self.maintenance.abort();
        let _ = (&mut self.maintenance).await;
        farewell(&self.runtime).await;
        let renewed = match self.renewer.take() {
            Some(renewer) => renewer.stop().await,
            None => Ok(()),
        };
        self.runtime.meters.ended();
        self.runtime.vitals.set(Condition::Stopped);
        let defect =
            || Error::new(ErrorKind::Corrupt, "the worker was brought down by a defect in it");
        let summary = ended.map_err(|cause| defect().because(cause))??;
        renewed.map_err(|cause| defect().because(cause))?;
        events::stopped(&summary);
        Ok(summary)
    }
}

/// In one task, so that the beats stop when the pump cannot go on.
async fn pump_and_beat(runtime: Arc<Runtime>) -> Result<Summary> {
    let vitals = runtime.vitals.shared().clone();
    tokio::select! {
        biased;
        ended = Pump::new(runtime).run() => ended,
        never = vitals.beat_on() => match never {},
    }
}

async fn renewer_ended(renewer: &mut Option<Renewer>) {
    match renewer {
        Some(renewer) => renewer.ended().await,
        None => std::future::pending().await,
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.maintenance.abort();
        self.pump.abort();
        // Handlers that still run belong to nobody now. After an orderly end there are none.
        self.runtime.leases.cancel_all(StopReason::Shutdown);
        self.runtime.forced.request(StopReason::Shutdown);
        self.runtime.meters.ended();
        self.runtime.vitals.set(Condition::Stopped);
    }
}
