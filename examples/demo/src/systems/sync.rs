//! CRM sync: three stores, each within its CRM's limit, none waiting for another.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use crm_sync::db::{Account, Store};
use crm_sync::entity::{Direction, Entity};
use crm_sync::generate::{self, Amounts};
use crm_sync::ids::{RecordId, RecordKey, StoreId};
use crm_sync::limits::DEFAULT_STORE_CONCURRENCY;
use crm_sync::producer::Producer;
use crm_sync::stub::{Chances, Crm, Fault, Plan, Server};
use crm_sync::upkeep::CleanUp;
use crm_sync::window::Windows;
use crm_sync::{Manner, Opened};
use jobq_core::{Clock, Rate, SystemClock};
use jobq_scheduler::{Schedule, TimeUnits};
use jobq_worker::Worker;
use tokio::time::interval;

use crate::system::{Promise, Result, System};

const STORES: u32 = 3;
/// In business it would be 100 a minute: this way one sees several windows.
const RATE: Rate = Rate::fixed(20, Duration::from_secs(10));
/// Of each store, of customers and of products: more than their CRM allows in a minute.
const RECORDS: u64 = 200;
/// Sales that are there from the beginning, to be made one by one.
const SALES: u64 = 4_000;

pub(super) struct Sync {
    store: Store,
    queue: Opened,
    producer: Producer,
    accounts: Vec<Account>,
    crm: Crm,
    windows: Windows,
    manner: Manner,
    _server: Server,
}

impl Sync {
    pub(super) async fn set_up(queue: Opened, folder: &Path) -> Result<Self> {
        let file = folder.join("crm-sync.db");
        let store = Store::open(&format!("sqlite://{}", file.display())).await?;
        let crm = Crm::new(Chances::default());
        let server = Server::start(crm.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let manner = Manner {
            rate: RATE,
            store_concurrency: DEFAULT_STORE_CONCURRENCY,
            concurrency: 16,
            lease: Duration::from_secs(10),
            http_timeout: Duration::from_secs(10),
            skew: Duration::ZERO,
        };
        manner.install(&queue).await?;
        let producer = Producer::new(store.clone(), queue.clone());
        let now = SystemClock::default().now();
        let amounts =
            Amounts { customers: RECORDS, products: RECORDS, sales: SALES, activities: 0 };
        let mut accounts = Vec::new();
        for number in 1..=STORES {
            let account = generate::account(StoreId::new(number)?, "Store", &server.url());
            store.put_store(&account).await?;
            generate::add_records(&store, account.store, amounts, now).await?;
            // A CRM that fails, and one that has created a record and then says nothing.
            for fault in [Fault::Fail, Fault::Cut] {
                crm.plan(Plan::next(fault, 2).of("POST").to(number));
            }
            for entity in [Entity::Customer, Entity::Product] {
                producer.full_sync(Some(account.store), entity, Direction::ToCrm).await?;
            }
            accounts.push(account);
        }
        let windows = Windows::of(RATE).ok_or("the rate has no windows")?;
        Ok(Self { store, queue, producer, accounts, crm, windows, manner, _server: server })
    }

    /// The most requests of a store in a window.
    fn most_in_a_window(&self) -> usize {
        let requests = self.crm.requests();
        let mut places: Vec<(u32, u64)> = requests
            .iter()
            .map(|request| (request.store, self.windows.number(request.at)))
            .collect();
        places.sort_unstable();
        places.chunk_by(|one, other| one == other).map(<[_]>::len).max().unwrap_or_default()
    }
}

#[async_trait]
impl System for Sync {
    fn name(&self) -> &'static str {
        "crm-sync"
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        Ok(vec![self.manner.worker(&self.queue, self.store.clone())?])
    }

    fn schedules(&self) -> Vec<(&'static str, Schedule)> {
        let clean_up = CleanUp { days: 7 };
        vec![("clean-up", Schedule::every(10.seconds()).without_overlapping().job(clean_up))]
    }

    async fn play(&self) -> Result<()> {
        let mut every = interval(Duration::from_secs(1));
        for number in 1..=SALES {
            every.tick().await;
            for account in &self.accounts {
                let (store, entity) = (account.store, Entity::Sale);
                let record = RecordId::new(number)?;
                self.producer.created(RecordKey { store, entity, record }).await?;
            }
        }
        std::future::pending().await
    }

    async fn look(&self) -> Result<String> {
        let now = self.windows.number(SystemClock::default().now());
        let requests = self.crm.requests();
        let in_window = |account: &Account| {
            let store = account.store.as_u32();
            let count = requests
                .iter()
                .filter(|request| request.store == store && self.windows.number(request.at) == now)
                .count();
            format!("{count}/{}", RATE.count)
        };
        let shares: Vec<String> = self.accounts.iter().map(in_window).collect();
        Ok(format!(
            "{} requests to 3 CRMs; in this window of {} s: {}",
            requests.len(),
            self.windows.period().as_secs(),
            shares.join(", ")
        ))
    }

    async fn is_at_rest(&self) -> Result<bool> {
        // What its CRMs do not allow before the next window may wait.
        Ok(true)
    }

    async fn promises(&self) -> Result<Vec<Promise>> {
        let (most, summary) = (self.most_in_a_window(), self.crm.summary());
        Ok(vec![
            Promise::new(
                most as u64 <= u64::from(RATE.count),
                format!(
                    "{most} requests of a store in a window at most, {} are allowed",
                    RATE.count
                ),
            ),
            Promise::new(
                summary.duplicates == 0,
                format!(
                    "{} records created, {} of them twice, though answers were lost",
                    summary.records, summary.duplicates
                ),
            ),
        ])
    }
}
