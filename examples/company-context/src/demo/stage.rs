//! What the demonstration runs on: a model, a database, a queue, and the HTTP API.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jobq_core::{JobId, JobState};
use jobq_worker::Worker;
use program::Failure;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::api::Api;
use crate::app::App;
use crate::cli::{DemoArgs, Driver};
use crate::commands::{open, worker};
use crate::db::{Counts, Store};
use crate::dispatch::Dispatcher;
use crate::job::queue_name;
use crate::model::Model;
use crate::monitor::status;
use crate::queue::Opened;
use crate::stub::{Chances, Server, StubModel};

/// How long an answer is waited for here, where a model that hangs must not take minutes.
const HTTP_TIMEOUT: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(10);

/// What goes wrong with a thousand requests.
fn chances(seed: u64) -> Chances {
    Chances {
        seed,
        fail: 100,
        hang: 20,
        empty: 30,
        nonsense: 50,
        least_delay: Duration::from_millis(20),
        most_delay: Duration::from_millis(200),
    }
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) model: StubModel,
    pub(super) store: Store,
    /// Where the API is.
    pub(super) url: String,
    pub(super) driver: &'static str,
    pub(super) database: &'static str,
    app: App,
    dispatcher: Dispatcher,
    _server: Server,
    _files: TempDir,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let files = TempDir::new().map_err(|error| Failure::failed(&error))?;
        let own = || format!("sqlite://{}", files.path().join("demo.db").display());
        let url = args.database.clone().unwrap_or_else(own);
        let store = open(&url).await?;
        if store.counts().await? != Counts::default() {
            let message = "the database holds customers: give the demonstration one of its own";
            return Err(Failure::usage(message));
        }
        let model = StubModel::new(chances(args.seed));
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(model.clone(), free).map_err(|error| Failure::failed(&error))?;
        let way = Model::new(&server.endpoint(), None, HTTP_TIMEOUT)?;
        let app = App { store: store.clone(), model: way };
        let (driver, dispatcher) = match args.driver.driver {
            Driver::Sync => ("sync", Dispatcher::Sync(app.clone())),
            Driver::Memory => ("memory", Dispatcher::Queue(Opened::memory())),
            Driver::Redis => {
                let queue = Opened::redis(&args.driver.redis.redis).await?;
                let stats = queue.inspect.queue(&queue_name()?).await?;
                if stats.ready + stats.scheduled + stats.leased + stats.dead > 0 {
                    let message = "the queue holds jobs: give the demonstration one of its own";
                    return Err(Failure::usage(message));
                }
                ("redis", Dispatcher::Queue(queue))
            }
        };
        let listener = TcpListener::bind(free).await.map_err(|error| Failure::failed(&error))?;
        let address = listener.local_addr().map_err(|error| Failure::failed(&error))?;
        let api = Api::new(store.clone(), dispatcher.clone()).router();
        // It ends with the process.
        tokio::spawn(async move { axum::serve(listener, api).await });
        Ok(Self {
            model,
            store,
            url: format!("http://{address}"),
            driver,
            database: if url.starts_with("sqlite") { "sqlite" } else { "mysql" },
            app,
            dispatcher,
            _server: server,
            _files: files,
        })
    }

    /// A worker; `None` if the driver needs none.
    pub(super) fn worker(&self, concurrency: usize) -> Option<Worker> {
        let queue = self.dispatcher.queue()?;
        Some(worker(queue, self.app.clone(), concurrency, LEASE))
    }

    /// Whether nothing waits or runs.
    pub(super) async fn is_idle(&self) -> Result<bool, Failure> {
        let status = status(&self.store, self.dispatcher.queue()).await?;
        let left = status.queue.map_or(0, |jobs| jobs.waiting + jobs.scheduled + jobs.running);
        Ok(left == 0 && status.customers.pending == 0)
    }

    /// How many jobs have failed for good.
    pub(super) async fn failed_jobs(&self) -> Result<u64, Failure> {
        let status = status(&self.store, self.dispatcher.queue()).await?;
        Ok(status.queue.map_or(0, |jobs| jobs.failed))
    }

    /// Takes away what the demonstration leaves in the queue: jobs that have failed.
    pub(super) async fn clear_queue(&self) -> Result<(), Failure> {
        let Some(queue) = self.dispatcher.queue() else { return Ok(()) };
        let name = queue_name()?;
        loop {
            let dead = queue.inspect.jobs(&name, JobState::Dead, 0, 100).await?;
            if dead.is_empty() {
                return Ok(());
            }
            let ids: Vec<JobId> = dead.iter().map(|job| job.record.id).collect();
            queue.inspect.delete(&name, JobState::Dead, &ids).await?;
        }
    }
}
