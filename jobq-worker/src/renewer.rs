//! Extends the leases of running jobs, from a thread of its own: a handler that blocks the runtime must
//! not lose its lease. Beside it a watchdog stops handlers whose leases cannot be extended, and reports
//! those that do not stop.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use jobq_core::{Backend, Error, ErrorKind, LeaseRef, QueueName, Result};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::events::{self, HowLost};
use crate::leases::LeaseKey;
use crate::mailbox::Note;
use crate::maintenance::Complaint;
use crate::panics;
use crate::runtime::Runtime;

/// How many leases one call extends.
const BATCH: usize = 1000;

/// How much longer than an attempt's own patience the watchdog waits: the attempt goes first.
const SLACK: Duration = Duration::from_millis(500);

/// The renewer of a running worker. Dropping it stops it without waiting.
#[derive(Debug)]
pub(crate) struct Renewer {
    stop: oneshot::Sender<()>,
    /// Its other end is dropped when the renewer ends, whatever it ends by.
    ended: oneshot::Receiver<()>,
    has_ended: bool,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Thread(JoinHandle<()>),
    Task(tokio::task::JoinHandle<()>),
}

impl Renewer {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(crate) fn start(runtime: &Arc<Runtime>) -> Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let part = Arc::clone(runtime);
        let home = if runtime.config.renewal_thread {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tokio = tokio.map_err(no_thread)?;
            let thread = std::thread::Builder::new().name("jobq-renewer".to_owned());
            let backend = part.backend.detached();
            let run = move || {
                // Dropped last, when nothing is left to do but to end the thread.
                let _ending: oneshot::Sender<()> = ending;
                let tokio = tokio;
                tokio.block_on(run(part, backend, stopped));
            };
            Home::Thread(thread.spawn(run).map_err(no_thread)?)
        } else {
            let backend = Arc::clone(&part.backend);
            Home::Task(tokio::spawn(async move {
                let _ending: oneshot::Sender<()> = ending;
                run(part, backend, stopped).await;
            }))
        };
        Ok(Self { stop, ended, has_ended: false, home })
    }

    /// Waits until it has ended, which it does by a panic only unless it is stopped. Cancel safe.
    pub(crate) async fn ended(&mut self) {
        if !self.has_ended {
            let _ = (&mut self.ended).await;
            self.has_ended = true;
        }
    }

    /// Stops it, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it has panicked.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if !self.has_ended {
            let _ = self.stop.send(());
            let _ = (&mut self.ended).await;
        }
        let panic = match self.home {
            Home::Task(task) => task.await.err().and_then(|cause| cause.try_into_panic().ok()),
            // It has nothing left to do, so this does not block.
            Home::Thread(thread) => thread.join().err(),
        };
        match panic {
            None => Ok(()),
            Some(panic) => {
                let message = panics::message(panic);
                Err(Error::new(ErrorKind::Corrupt, format!("leases are not extended: {message}")))
            }
        }
    }
}

fn no_thread(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Refused, "the system gives no thread to extend leases from")
        .because(cause)
}

async fn run(runtime: Arc<Runtime>, backend: Arc<dyn Backend>, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        // Also when the sender is gone: the worker was dropped.
        _ = stopped => {}
        () = renew_forever(&runtime, &*backend) => {}
        () = watch_forever(&runtime) => {}
    }
}

/// Extends leases once they are a quarter through. With a look every eighth they are extended after
/// three eighths of their duration at most, and a failure leaves time for six more tries before their
/// handlers are stopped.
async fn renew_forever(runtime: &Runtime, backend: &dyn Backend) {
    let duration = runtime.config.lease;
    let complaint = &Mutex::new(Complaint::default());
    loop {
        let due = runtime.leases.due_for_renewal(Instant::now());
        let calls = due.into_iter().flat_map(|(queue, leases)| {
            let name = &runtime.config.queues[queue].name;
            let batches: Vec<_> = leases.chunks(BATCH).map(<[_]>::to_vec).collect();
            batches.into_iter().map(move |batch| renew(runtime, backend, name, batch, complaint))
        });
        let all_renewed = join_all(calls).await.into_iter().all(|renewed| renewed);
        sleep(duration.mul_f64(if all_renewed { 0.125 } else { 0.05 })).await;
    }
}

async fn renew(
    runtime: &Runtime,
    backend: &dyn Backend,
    queue: &QueueName,
    leases: Vec<(LeaseKey, LeaseRef)>,
    complaint: &Mutex<Complaint>,
) -> bool {
    let duration = runtime.config.lease;
    let (keys, proofs): (Vec<_>, Vec<_>) = leases.into_iter().unzip();
    let sent_at = Instant::now();
    // A fifth: a link that swallows a call must leave time for another one.
    match timeout(duration / 5, backend.extend(queue, &proofs, duration)).await {
        Ok(Ok(answers)) => {
            runtime.meters.leases_extended.add(answers.len());
            for (job, token) in runtime.leases.renewed(sent_at, keys.into_iter().zip(answers)) {
                runtime.report_lost(job, token, HowLost::Renewal);
            }
            true
        }
        Ok(Err(error)) => {
            runtime.meters.backend_errors.add(1);
            let mut complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
            if !error.is_transient() && complaint.is_news(&error) {
                events::maintenance_failed("extend", &error);
            }
            runtime.mailbox.note(Note::Unreachable(error));
            false
        }
        Err(_) => {
            runtime.meters.backend_errors.add(1);
            let message = format!("leases could not be extended within {:?}", duration / 5);
            runtime.mailbox.note(Note::Unreachable(Error::new(ErrorKind::Unavailable, message)));
            false
        }
    }
}

async fn watch_forever(runtime: &Runtime) {
    let config = &runtime.config;
    let patience = config.cancel_grace.max(config.stuck_after) + SLACK;
    let every = config.lease.mul_f64(0.05).min(Duration::from_millis(500));
    loop {
        sleep(every).await;
        let now = Instant::now();
        for (job, token) in runtime.leases.cancel_unrenewed(now) {
            runtime.report_lost(job, token, HowLost::Unrenewed);
        }
        for key in runtime.leases.stuck(now, patience, SLACK) {
            runtime.mailbox.note(Note::Stuck(key));
        }
    }
}
