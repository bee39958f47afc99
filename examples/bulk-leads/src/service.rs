//! The server: the API, the one who goes round, and workers if they are wanted here.

use std::net::SocketAddr;
use std::sync::Arc;

use http_server::serve;
use jobq_worker::Summary;
use program::Failure;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::api::{Api, Rules, router};
use crate::app::App;
use crate::db::Store;
use crate::patrol::{Patrol, Rounds};
use crate::queue::OpenQueue;
use crate::workers::{lead_worker, webhook_worker};

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
    /// How many jobs that change leads run at once in this process; 0 for no workers at all.
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
    server: JoinHandle<()>,
    /// Without a worker there is nothing to wait for, and nothing to say.
    workers: JoinHandle<jobq_core::Result<Option<Done>>>,
    patrol: JoinHandle<()>,
}

/// What workers have done for leads, and for messages.
type Done = (Summary, Summary);

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
        let app = App::new(setup.store).map_err(|error| Failure::failed(&error))?;
        let stopping = watch::Sender::new(false);
        let api = Api {
            app: app.clone(),
            queue: setup.queue.clone(),
            rules: setup.rules,
            stopping: stopping.subscribe(),
        };
        let workers =
            work(setup.queue.clone(), app.clone(), setup.concurrency, stopping.subscribe());
        let workers = tokio::spawn(workers);
        let patrol = tokio::spawn(Patrol::new(app, setup.queue, setup.rounds).run());
        let server = tokio::spawn(serve(listener, router(api), until(stopping.subscribe())));
        Ok(Self { address, stopping, server, workers, patrol })
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

    /// Waits until one of its parts has ended, which none does by itself unless something is wrong: a
    /// server that accepts jobs and does none is worse than one that has to be started anew. What is left
    /// of it is to be dropped then. Cancel safe before.
    pub async fn failed(&mut self) -> Failure {
        tokio::select! {
            ended = &mut self.server => has_ended("the API", ended.err()),
            ended = &mut self.patrol => has_ended("the one who goes round", ended.err()),
            ended = &mut self.workers => match ended {
                Ok(Ok(_)) => has_ended("a worker", None),
                Ok(Err(error)) => Failure::failed(&error),
                Err(error) => has_ended("a worker", Some(error)),
            },
        }
    }

    /// Stops it: answers what was asked, ends streams of events, and lets running jobs end.
    ///
    /// # Errors
    ///
    /// When one of its parts had failed before.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stopping.send_replace(true);
        self.patrol.abort();
        let crashed = |error: JoinError| Failure::failed(&error);
        self.server.await.map_err(crashed)?;
        self.workers.await.map_err(crashed)??;
        Ok(())
    }
}

async fn work(
    queue: OpenQueue,
    app: App,
    concurrency: usize,
    stopping: watch::Receiver<bool>,
) -> jobq_core::Result<Option<Done>> {
    if concurrency == 0 {
        until(stopping).await;
        return Ok(None);
    }
    let leads = lead_worker(Arc::clone(&queue.backend), app.clone()).concurrency(concurrency);
    let webhooks = webhook_worker(queue.backend, app);
    let leads = leads.run_until(until(stopping.clone()));
    tokio::try_join!(leads, webhooks.run_until(until(stopping))).map(Some)
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // When the sender is gone nobody is left who could say so.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn has_ended(what: &str, crash: Option<JoinError>) -> Failure {
    let why = crash.map(|crash| format!(": {crash}")).unwrap_or_default();
    Failure::new(format!("{what} has ended by itself{why}"))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// A server of which nothing has ended.
    fn running() -> Service {
        Service {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            stopping: watch::Sender::new(false),
            server: tokio::spawn(pending()),
            workers: tokio::spawn(pending()),
            patrol: tokio::spawn(pending()),
        }
    }

    #[tokio::test]
    async fn the_end_of_any_part_is_told() {
        let refused = jobq_core::Error::new(jobq_core::ErrorKind::Refused, "no limits here");
        let cases = [
            (Service { server: tokio::spawn(async {}), ..running() }, "the API has ended"),
            (
                Service { workers: tokio::spawn(async { Err(refused) }), ..running() },
                "no limits here",
            ),
            (Service { workers: tokio::spawn(async { Ok(None) }), ..running() }, "a worker has"),
            (
                Service { patrol: tokio::spawn(async { panic!("it fell over") }), ..running() },
                "the one who goes round has ended by itself: ",
            ),
        ];

        for (mut service, expected) in cases {
            let failure = service.failed().await.to_string();
            assert!(failure.contains(expected), "{failure}");
        }
    }
}
