//! What the demonstration runs on: webhooks, a database, a queue, and the relay.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use jobq_core::Backoff;
use program::Failure;
use tempfile::TempDir;

use crate::api::Token;
use crate::app::Policy;
use crate::cli::DemoArgs;
use crate::commands::open;
use crate::db::Store;
use crate::queue::OpenQueue;
use crate::service::{ApiSetup, Service, Setup, WorkSetup};
use crate::signature::random_secret;
use crate::stub::{Chances, Server, StubReceiver};

/// How many messages a pass has.
const PASS: u64 = 100;

/// How long is waited here, where a webhook that hangs must not take minutes.
fn policy() -> Policy {
    Policy {
        timeout: Duration::from_secs(1),
        backoff: Backoff::exponential(Duration::from_millis(50), Duration::from_millis(400)),
        max_attempts: 8,
        ..Policy::default()
    }
}

/// What goes wrong with a thousand deliveries.
fn chances(seed: u64) -> Chances {
    Chances { seed, fail: 150, lose: 50, busy: 30, hang: 5, refuse: 20 }
}

/// A webhook that is there, and goes wrong now and then.
pub(super) const SHOP: &str = "shop";
/// A webhook that nobody has told the relay of, at first.
pub(super) const LATE: &str = "late";
/// A webhook that nobody listens at.
pub(super) const CLOSED: &str = "closed";

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) store: Store,
    pub(super) receiver: StubReceiver,
    pub(super) service: Service,
    pub(super) scene: Scene,
    pub(super) queue: &'static str,
    pub(super) database: &'static str,
    _server: Server,
    _files: TempDir,
}

/// What those who take part know.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) store: Store,
    /// Where the API is.
    pub(super) url: String,
    pub(super) token: String,
    pub(super) secret: String,
    /// Where the late webhook will be.
    pub(super) late_url: String,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let files = TempDir::new().map_err(|error| Failure::failed(&error))?;
        let own = || format!("sqlite://{}", files.path().join("demo.db").display());
        let url = args.database.clone().unwrap_or_else(own);
        let store = open(&url).await?;
        if !store.integrations().await?.is_empty() {
            let message = "the database holds integrations: give the demonstration one of its own";
            return Err(Failure::usage(message));
        }
        let random = || random_secret().map_err(|error| Failure::failed(&error));
        let (secret, token) = (random()?, random()?);
        let receiver = StubReceiver::new([&secret], chances(args.seed));
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(receiver.clone(), free).await?;
        store.add_integration(SHOP, &server.url(SHOP), &secret).await?;
        store.add_integration(CLOSED, &closed_url()?, &secret).await?;
        let queue = OpenQueue::open(&args.queue).await?;
        let queue_name = if queue.is_memory() { "in memory" } else { "in Redis" };
        let work = WorkSetup { policy: policy(), limit: Some(PASS), ..WorkSetup::default() };
        let service = Service::start(Setup {
            store: store.clone(),
            queue,
            api: Some(ApiSetup { listen: free, token: Token::new(&token)? }),
            work: Some(work),
        })
        .await?;
        let scene = Scene {
            store: store.clone(),
            url: service.url().unwrap_or_default(),
            token,
            secret,
            late_url: server.url(LATE),
        };
        Ok(Self {
            store,
            receiver,
            service,
            scene,
            queue: queue_name,
            database: if url.starts_with("sqlite") { "SQLite" } else { "MariaDB" },
            _server: server,
            _files: files,
        })
    }
}

/// An address of this machine that nobody listens at.
fn closed_url() -> Result<String, Failure> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|probe| probe.local_addr());
    free.map(|address| format!("http://{address}/hook")).map_err(|error| Failure::failed(&error))
}
