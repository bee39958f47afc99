//! `work`: the messages alone.

use jobq_worker::StopSignals;
use program::Failure;
use tokio::sync::oneshot;

use super::open;
use crate::app::App;
use crate::cli::{MannerArgs, WorkArgs};
use crate::db::Store;
use crate::pass::{self, Once};
use crate::queue::OpenQueue;
use crate::report;
use crate::service::{Service, Setup, WorkSetup};
use crate::tally::{Pass, Tally};

pub(super) async fn work(args: WorkArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let store = open(&args.places.database.url()?).await?;
    let queue = OpenQueue::open(&args.places.queue).await?;
    if args.once {
        let (told, stop) = oneshot::channel::<()>();
        let two_signals = async {
            signals.next().await;
            drop(told);
            signals.next().await;
        };
        return tokio::select! {
            done = once(&args, store, queue, async { drop(stop.await) }) => done,
            () = two_signals => Err(Failure::new("stopped before everything had ended")),
        };
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

/// One pass over what is there.
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
    let app = App::new(store, args.manner.policy(), Tally::new(None))?;
    let MannerArgs { concurrency, lease, .. } = args.manner;
    let pass =
        pass::once(&app, &queue, Once { concurrency, lease, limit: args.limit }, stop).await?;
    drop(sole);
    print(pass, args.json);
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
