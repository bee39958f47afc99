//! All of it in this process, for one run: a database, a queue, the API and workers.

use std::net::{Ipv4Addr, SocketAddr};

use program::Failure;
use tempfile::TempDir;

use super::{check_overwrite, open};
use crate::api::Rules;
use crate::api_key::ApiKey;
use crate::cli::StageArgs;
use crate::client::Client;
use crate::db::{NewKey, Store};
use crate::limits::LimitOverrides;
use crate::patrol::Rounds;
use crate::queue::OpenQueue;
use crate::service::{Service, Setup};

/// A free port of this machine.
pub(super) const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What the keys of clients are called.
const KEY_NAME: &str = "made for one run";

pub(super) struct Stage {
    pub(super) store: Store,
    pub(super) queue: OpenQueue,
    pub(super) service: Service,
    /// Holds the database, unless another one was given.
    _dir: TempDir,
}

impl Stage {
    pub(super) async fn set(args: &StageArgs) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("bulk-leads.db");
        let url = args.database.clone().unwrap_or_else(|| format!("sqlite://{}", file.display()));
        let store = open(&url).await?;
        check_overwrite(&store, &args.overwrite).await?;
        let queue = OpenQueue::open(&args.queue).await?;
        let service = Service::start(Setup {
            store: store.clone(),
            queue: queue.clone(),
            listen: ANYWHERE,
            concurrency: args.concurrency,
            rules: Rules::default(),
            rounds: Rounds::default(),
        })
        .await?;
        Ok(Self { store, queue, service, _dir: dir })
    }

    /// A client with a key of its own, without limits.
    pub(super) async fn client(
        &self,
        user_id: i64,
        webhook: Option<(&str, &str)>,
    ) -> Result<Client, Failure> {
        Client::new(self.service.url(), self.key(user_id, webhook).await?)
    }

    pub(super) async fn key(
        &self,
        user_id: i64,
        webhook: Option<(&str, &str)>,
    ) -> Result<String, Failure> {
        let key = ApiKey::generate()?;
        let new = NewKey {
            key: &key,
            user_id,
            name: KEY_NAME,
            is_premium: false,
            limits: LimitOverrides::LIFTED,
            webhook,
        };
        self.store.add_key(&new).await?;
        Ok(key.reveal())
    }

    /// Stops it; the keys of its clients are of no use any more.
    pub(super) async fn strike(self) -> Result<(), Failure> {
        for key in self.store.keys().await? {
            if key.name == KEY_NAME {
                self.store.revoke_key(&key.id).await?;
            }
        }
        self.service.stop().await
    }
}
