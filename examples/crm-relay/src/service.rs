//! The relay of a process: the API, if it is wanted here, and all that works.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use http_server::serve;
use program::Failure;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{Api, Token};
use crate::app::{App, Policy};
use crate::db::{Relay, Sole, Store};
use crate::patrol::Patrol;
use crate::queue::{OpenQueue, Upkeep};
use crate::tally::{Pass, Tally};

/// How a relay is put together.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Setup {
    /// The tables.
    pub store: Store,
    /// The queue.
    pub queue: OpenQueue,
    /// The API; `None` for none in this process.
    pub api: Option<ApiSetup>,
    /// The work; `None` for none in this process.
    pub work: Option<WorkSetup>,
}

/// How the API is put together.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct ApiSetup {
    /// Where to listen; port 0 for a free one.
    pub listen: SocketAddr,
    /// What callers have to show.
    pub token: Token,
}

/// How the work is done.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct WorkSetup {
    /// How deliveries are tried.
    pub policy: Policy,
    /// How many messages are worked on at once; 0 if somebody else in this process runs
    /// [`OpenQueue::message_worker`].
    pub concurrency: usize,
    /// After what time the messages of a process that died are worked on elsewhere.
    pub lease: Duration,
    /// How many messages a pass has at most.
    pub limit: Option<u64>,
    /// When the tables are pruned.
    pub upkeep: Upkeep,
}

impl Default for WorkSetup {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            concurrency: 16,
            lease: Duration::from_secs(10),
            limit: None,
            upkeep: Upkeep::default(),
        }
    }
}

/// A relay that runs. Dropped without [`stop`](Self::stop), all of it ends where it is, as if it were killed.
#[derive(Debug)]
pub struct Service {
    address: Option<SocketAddr>,
    stopping: watch::Sender<bool>,
    parts: JoinSet<(&'static str, Result<(), Failure>)>,
    tally: Tally,
    relay: Option<Relay>,
    sole: Option<Sole>,
}

impl Service {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the address is in use, the machine's certificates cannot be read, or the queue is in memory and
    /// another process works on these tables.
    pub async fn start(setup: Setup) -> Result<Self, Failure> {
        let Setup { store, queue, api, work } = setup;
        let sole = match &work {
            Some(_) if queue.is_memory() => Some(only_one(&store).await?),
            _ => None,
        };
        let stopping = watch::Sender::new(false);
        let mut parts = JoinSet::new();
        // Whoever stores a job wakes the relay beside it. With a queue in memory it must be the one that has
        // the worker, which looks every second.
        let moving = (work.is_some() || !queue.is_memory())
            .then(|| store.relay(std::sync::Arc::clone(&queue.backend)));
        let mut address = None;
        if let Some(ApiSetup { listen, token }) = api {
            let listener = TcpListener::bind(listen).await.map_err(|error| {
                let message = format!("cannot listen on {listen}: {error}");
                match error.kind() {
                    // By another process, which may end: systemd tries again.
                    ErrorKind::AddrInUse => Failure::new(message),
                    _ => Failure::usage(message),
                }
            })?;
            address = Some(listener.local_addr().map_err(|error| Failure::failed(&error))?);
            let api = Api::new(store.clone(), moving.clone(), token);
            let stopped = until(stopping.subscribe());
            parts.spawn(async move {
                serve(listener, api.router(), stopped).await;
                ("the API", Ok(()))
            });
        }
        if let Some(relay) = moving.clone() {
            let stopped = until(stopping.subscribe());
            parts.spawn(async move {
                ("the relay", relay.run_until(stopped).await.map(drop).map_err(Into::into))
            });
        }
        let tally = Tally::new(work.as_ref().and_then(|work| work.limit));
        if let (Some(work), Some(relay)) = (work, moving.clone()) {
            let app = App::new(store.clone(), work.policy, tally.clone())?;
            if work.concurrency > 0 {
                let worker = queue.message_worker(app.clone(), work.concurrency, work.lease);
                let messages = worker.run_until(until(stopping.subscribe()));
                parts.spawn(async {
                    ("the worker", messages.await.map(drop).map_err(Failure::of_worker))
                });
            }
            let upkeep = queue.upkeep_worker(app).run_until(until(stopping.subscribe()));
            let scheduler = queue.scheduler(&work.upkeep).run_until(until(stopping.subscribe()));
            parts.spawn(async {
                ("the upkeep", upkeep.await.map(drop).map_err(Failure::of_worker))
            });
            parts.spawn(async {
                ("the scheduler", scheduler.await.map(drop).map_err(Failure::of_worker))
            });
            let (patrol, stopped) = (Patrol::new(store, queue), until(stopping.subscribe()));
            parts.spawn(async move {
                tokio::select! {
                    () = patrol.run(relay) => {}
                    () = stopped => {}
                }
                ("the patrol", Ok(()))
            });
        }
        Ok(Self { address, stopping, parts, tally, relay: moving, sole })
    }

    /// The API's address for clients; `None` if there is none.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.address.map(|address| format!("http://{address}"))
    }

    /// Says that a message was stored by the [`Store`]: it is worked on at once, and not only when the relay
    /// looks next. The API does so by itself.
    pub fn nudge(&self) {
        if let Some(relay) = &self.relay {
            relay.nudge();
        }
    }

    /// What has become of messages in this process.
    #[must_use]
    pub fn total(&self) -> Pass {
        self.tally.total()
    }

    /// Counts what becomes of messages in this process.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// Waits until one of its parts has ended, which none does by itself unless something is wrong: a relay
    /// that takes messages and delivers none is worse than one that has to be started anew. Cancel safe.
    pub async fn failed(&mut self) -> Failure {
        let lost = async {
            match &self.sole {
                Some(sole) => sole.lost().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = self.parts.join_next() => ended,
            () = lost => return taken_over(),
        };
        match ended {
            Some(Ok((_, Err(failure)))) => failure,
            Some(Ok((part, Ok(())))) => Failure::new(format!("{part} has ended by itself")),
            Some(Err(crash)) => Failure::failed(&crash),
            // Without any part there is nothing that could fail.
            None => std::future::pending().await,
        }
    }

    /// Stops it: answers what was asked, lets deliveries end that are under way, and begins no others.
    ///
    /// # Errors
    ///
    /// When one of its parts had failed.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.stopping.send_replace(true);
        let mut first = Ok(());
        while let Some(ended) = self.parts.join_next().await {
            let ended = ended.map_err(|crash| Failure::failed(&crash)).and_then(|(_, done)| done);
            first = first.and(ended);
        }
        first
    }
}

/// Makes this the one process that works on these tables.
pub(crate) async fn only_one(store: &Store) -> Result<Sole, Failure> {
    store.sole().await?.ok_or_else(|| {
        Failure::new(
            "another process works on this database, and a queue in memory cannot be shared: give both \
             --queue redis://HOST:PORT",
        )
    })
}

fn taken_over() -> Failure {
    Failure::new("the database was away, and another process has taken over the work")
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // When the sender is gone nobody is left who could say so.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
