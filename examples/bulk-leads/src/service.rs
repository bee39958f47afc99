//! The server: the API, the one who goes round, and workers if they are wanted here.

use std::net::SocketAddr;
use std::sync::Arc;

use jobq_core::Backend;
use jobq_worker::Worker;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{Api, Rules, router};
use crate::app::App;
use crate::change_chunk::change_chunk;
use crate::db::Store;
use crate::failure::Failure;
use crate::finish_job::finish_job;
use crate::jobs::{BULK_QUEUE, WEBHOOK_QUEUE};
use crate::patrol::{Patrol, Rounds};
use crate::queue::OpenQueue;
use crate::send_webhook::send_webhook;
use crate::split_job::split_job;

/// How many messages a worker delivers at once, at most: they wait for others, and leads do not wait for
/// them.
const WEBHOOKS_AT_ONCE: usize = 4;

/// How a server is put together.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Setup {
    /// The tables.
    pub store: Store,
    /// The queue.
    pub queue: OpenQueue,
    /// Where to listen; port 0 for a free one.
    pub listen: SocketAddr,
    /// How many jobs run at once in this process; 0 for none.
    pub concurrency: usize,
    /// How jobs are made.
    pub rules: Rules,
    /// What is looked after, and when.
    pub rounds: Rounds,
}

/// A server that runs.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    server: JoinHandle<std::io::Result<()>>,
    worker: Option<JoinHandle<jobq_core::Result<jobq_worker::Summary>>>,
    patrol: JoinHandle<()>,
}

impl Service {
    /// Starts it. Dropped without [`stop`](Self::stop), it goes on until the runtime ends.
    ///
    /// # Errors
    ///
    /// When the address is in use, or the machine's certificates cannot be read.
    pub async fn start(setup: Setup) -> Result<Self, Failure> {
        let listener = TcpListener::bind(setup.listen)
            .await
            .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", setup.listen)))?;
        let address = listener.local_addr()?;
        let app = App::new(setup.store)?;
        let stopping = watch::Sender::new(false);
        let api = Api {
            app: app.clone(),
            queue: setup.queue.clone(),
            rules: setup.rules,
            stopping: stopping.subscribe(),
        };
        let backend = setup.queue.backend;
        let worker = (setup.concurrency > 0).then(|| {
            let worker = worker(Arc::clone(&backend), app.clone()).concurrency(setup.concurrency);
            tokio::spawn(worker.run_until(until(stopping.subscribe())))
        });
        let patrol = tokio::spawn(Patrol::new(app, backend, setup.rounds).run());
        let serving =
            axum::serve(listener, router(api)).with_graceful_shutdown(until(stopping.subscribe()));
        let server = tokio::spawn(async move { serving.await });
        Ok(Self { address, stopping, server, worker, patrol })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for clients.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it: answers what was asked, ends streams of events, and lets running jobs end.
    ///
    /// # Errors
    ///
    /// When the server or the worker had failed before.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stopping.send_replace(true);
        self.patrol.abort();
        let crashed = |error: tokio::task::JoinError| Failure::failed(&error);
        self.server.await.map_err(crashed)??;
        if let Some(worker) = self.worker {
            worker.await.map_err(crashed)??;
        }
        Ok(())
    }
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // When the sender is gone nobody is left who could say so.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// A worker for all jobs of this system, to be run.
pub fn worker(backend: Arc<dyn Backend>, app: App) -> Worker {
    Worker::new(backend)
        // A message goes out now and then even if leads never end.
        .weighted_queues([(BULK_QUEUE, 4), (WEBHOOK_QUEUE, 1)])
        .queue_concurrency(WEBHOOK_QUEUE, WEBHOOKS_AT_ONCE)
        .state(app)
        .handle(split_job)
        .handle(change_chunk)
        .handle(finish_job)
        .handle(send_webhook)
}
