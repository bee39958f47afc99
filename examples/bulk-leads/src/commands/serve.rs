//! What runs until it is stopped.

use std::process::ExitCode;
use std::sync::Arc;

use jobq_scheduler::Scheduler;
use jobq_worker::StopSignals;
use program::{Failure, report};
use tokio::sync::oneshot;

use super::open;
use crate::api::Rules;
use crate::app::App;
use crate::cli::{BESIDE_THE_API, ReceiveArgs, ServeArgs, WorkArgs};
use crate::patrol::{Patrol, Rounds};
use crate::queue::{OpenQueue, is_memory};
use crate::receiver::{Receiver, Reception};
use crate::schedules;
use crate::service::{Service, Setup};
use crate::workers::{lead_worker, webhook_worker};

pub(super) async fn serve(args: ServeArgs) -> Result<ExitCode, Failure> {
    let mut signals = StopSignals::listen()?;
    let by_default = if is_memory(&args.queue) { BESIDE_THE_API } else { 0 };
    let stuck_after = args.stuck.stuck_after;
    let queue = OpenQueue::open(&args.queue).await?;
    let scheduler = schedules::scheduler(&queue);
    let mut service = Service::start(Setup {
        store: open(&args.database.url()).await?,
        queue,
        listen: args.listen,
        concurrency: args.concurrency.unwrap_or(by_default),
        rules: Rules { chunk_leads: args.chunk_leads, job_timeout: args.job_timeout, stuck_after },
        rounds: Rounds { stuck_after, ..Rounds::default() },
    })
    .await?;
    report::line(&format!("listening on {}", service.url()));
    let serving = async {
        tokio::select! {
            () = signals.next() => Ok(()),
            failure = service.failed() => Err(failure),
        }
    };
    beside(serving, scheduler).await?;
    tokio::select! {
        stopped = service.stop() => stopped?,
        () = signals.next() => return Err(Failure::new("stopped before everything had ended")),
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn work(args: WorkArgs) -> Result<ExitCode, Failure> {
    if is_memory(&args.queue) {
        let message = "a worker process needs a queue that it can share: add --queue redis://…";
        return Err(Failure::usage(message));
    }
    let app =
        App::new(open(&args.database.url()).await?).map_err(|error| Failure::failed(&error))?;
    let queue = OpenQueue::open(&args.queue).await?;
    let rounds = Rounds { stuck_after: args.stuck.stuck_after, ..Rounds::default() };
    let scheduler = schedules::scheduler(&queue);
    let patrol = Patrol::new(app.clone(), queue.clone(), rounds);
    let leads = lead_worker(Arc::clone(&queue.backend), app.clone());
    let leads = leads.concurrency(args.concurrency).lease(args.lease);
    let webhooks = webhook_worker(queue.backend, app).lease(args.lease);
    let working = async {
        tokio::select! {
            done = async { tokio::try_join!(leads.run(), webhooks.run()) } => {
                done.map_err(Failure::of_worker)
            }
            () = patrol.run() => Err(Failure::new("nobody goes round any more")),
        }
    };
    let (leads, webhooks) = beside(working, scheduler).await?;
    report::line(&format!("leads: {leads}"));
    report::line(&format!("webhooks: {webhooks}"));
    Ok(ExitCode::SUCCESS)
}

/// Runs schedules beside something else, until that has ended.
async fn beside<T>(
    other: impl Future<Output = Result<T, Failure>>,
    scheduler: Scheduler,
) -> Result<T, Failure> {
    let (stop, stopped) = oneshot::channel::<()>();
    let other = async {
        let done = other.await;
        drop(stop);
        done
    };
    let scheduled = async {
        let told = async {
            // Dropped is told, too.
            let _ = stopped.await;
        };
        scheduler.run_until(told).await.map_err(|error| Failure::failed(&error))
    };
    let (done, _) = tokio::try_join!(other, scheduled)?;
    Ok(done)
}

pub(super) async fn receive(args: ReceiveArgs) -> Result<ExitCode, Failure> {
    let mut signals = StopSignals::listen()?;
    let mut receiver = Receiver::start(Reception::new(args.listen, args.secret)).await?;
    report::line(&format!("receiving at {}", receiver.url()));
    loop {
        tokio::select! {
            received = receiver.next() => {
                let Some(received) = received else { break };
                let verdict = match received.checked {
                    Ok(()) => "verified".to_owned(),
                    Err(why) => format!("rejected, {why}"),
                };
                report::line(&format!("{} {verdict}: {}", received.delivery, received.body));
            }
            () = signals.next() => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}
