//! `work`: the messages alone.

use jobq_worker::StopSignals;

use super::open;
use crate::app::App;
use crate::cli::WorkArgs;
use crate::db::Store;
use crate::failure::Failure;
use crate::patrol::Patrol;
use crate::queue::OpenQueue;
use crate::report;
use crate::service::{Service, Setup, WorkSetup};
use crate::tally::{Pass, Tally};

pub(super) async fn work(args: WorkArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let store = open(&args.places.database.url()).await?;
    let queue = OpenQueue::open(&args.places.queue).await?;
    if args.once {
        let stop = async move { signals.next().await };
        return once(&args, store, queue, stop).await;
    }
    let service = Service::start(Setup {
        store,
        queue,
        api: None,
        work: Some(WorkSetup {
            policy: args.manner.policy(),
            concurrency: args.manner.concurrency,
            lease: args.manner.lease,
            limit: args.limit,
            upkeep: args.upkeep.upkeep(),
        }),
    })
    .await?;
    until_stopped(service, signals, args.json).await
}

/// One pass over what is there. A message whose next attempt is not due stays `pending`: its row says when it
/// is, and a later run takes it.
async fn once(
    args: &WorkArgs,
    store: Store,
    queue: OpenQueue,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let sole = if queue.is_memory() {
        let Some(sole) = store.sole().await? else {
            // An earlier run has not ended yet, or a daemon works: cron need not tell anybody.
            tracing::warn!("another process works on this database: there is nothing to do");
            print(Pass::default(), args.json);
            return Ok(());
        };
        Some(sole)
    } else {
        None
    };
    let tally = Tally::new(None);
    let app = App::new(store.clone(), args.manner.policy(), tally.clone())?;
    Patrol::new(store.clone(), queue.clone()).look_at_all().await?;
    store.relay(std::sync::Arc::clone(&queue.backend)).run_once().await?;
    let worker = queue.message_worker(app, args.manner.concurrency, args.manner.lease);
    let worker = match args.limit {
        Some(limit) => worker.max_jobs(limit),
        None => worker,
    };
    worker.stop_when_empty().run_until(stop).await?;
    drop(sole);
    print(tally.total(), args.json);
    Ok(())
}

/// Runs a service, and prints its passes, until somebody asks it to stop.
pub(super) async fn until_stopped(
    mut service: Service,
    mut signals: StopSignals,
    as_json: bool,
) -> Result<(), Failure> {
    let tally = service.tally();
    let mut printed = Pass::default();
    loop {
        tokio::select! {
            pass = tally.next_pass() => {
                printed = printed + pass;
                print(pass, as_json);
            }
            failure = service.failed() => return Err(failure),
            () = signals.next() => break,
        }
    }
    tokio::select! {
        stopped = service.stop() => stopped?,
        // What runs is done again: from Redis once its lease has expired, else by the next start.
        () = signals.next() => return Err(Failure::new("stopped before everything had ended")),
    }
    let last = tally.total() - printed;
    if last.taken() > 0 {
        print(last, as_json);
    }
    Ok(())
}

fn print(pass: Pass, as_json: bool) {
    if as_json {
        report::json(&pass);
    } else {
        report::line(&pass.to_string());
    }
}
