//! `serve`: the HTTP API, and a worker beside it.

use std::time::Duration;

use jobq_worker::{StopSignals, Summary};
use program::{Failure, report};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::open;
use super::work::{print, worker};
use crate::api::Api;
use crate::app::App;
use crate::cli::{Driver, ServeArgs};
use crate::dispatch::Dispatcher;
use crate::model::Model;
use crate::patrol::Patrol;
use crate::queue::Opened;

pub(super) async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    if args.no_worker && args.driver.driver != Driver::Redis {
        let message =
            "--no-worker needs a queue that workers elsewhere can see: add --driver redis";
        return Err(Failure::usage(message));
    }
    let key = args.model.model_key.as_deref();
    let model = Model::new(&args.model.model, key, args.model.timeout())?;
    let store = open(&args.database.url()).await?;
    let app = App { store: store.clone(), model };
    let dispatcher = match args.driver.driver {
        Driver::Sync => Dispatcher::Sync(app.clone()),
        Driver::Memory => Dispatcher::Queue(Opened::memory()),
        Driver::Redis => Dispatcher::Queue(Opened::redis(&args.driver.redis.redis).await?),
    };
    let lease = Duration::from_secs(args.manner.lease);
    let queue = dispatcher.queue().filter(|_| !args.no_worker);
    let worker = queue.map(|queue| worker(queue, app, args.manner.concurrency, lease));
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().map_err(|error| Failure::failed(&error))?;
    report::line(&format!("listening on http://{address}"));

    let (stop, stopped) = watch::channel(false);
    let until_stopped = |mut stopped: watch::Receiver<bool>| async move {
        // The sender lives until the end.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let api = axum::serve(listener, Api::new(store.clone(), dispatcher.clone()).router())
        .with_graceful_shutdown(until_stopped(stopped.clone()));
    let serving = async {
        let served = async { api.await.map_err(|error| Failure::failed(&error)) };
        let worked = async {
            match worker {
                Some(worker) => {
                    let done = worker.run_until(until_stopped(stopped)).await;
                    done.map(Some).map_err(Failure::of_worker)
                }
                None => Ok(None),
            }
        };
        tokio::try_join!(served, worked)
    };
    let two_signals = async {
        signals.next().await;
        stop.send_replace(true);
        signals.next().await;
    };
    let done: Option<Summary> = tokio::select! {
        done = serving => done?.1,
        // What runs is done again: from Redis once its lease has expired, else by the next start.
        () = two_signals => None,
        never = Patrol::new(store, dispatcher).run() => never,
    };
    if let Some(done) = done {
        print(&done, false);
    }
    Ok(())
}
