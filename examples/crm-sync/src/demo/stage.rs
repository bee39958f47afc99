//! What the demonstration runs on: a stub CRM, a database, a queue, and more work than can be done.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jobq_core::{Clock, JobId, JobState, SystemClock};
use jobq_worker::Worker;
use program::Failure;
use tempfile::TempDir;

use crate::cli::DemoArgs;
use crate::commands::open;
use crate::db::{Account, Store};
use crate::entity::{Direction, Entity};
use crate::generate::{self, Amounts};
use crate::ids::{RecordId, RecordKey, StoreId};
use crate::limits::{DEFAULT_STORE_CONCURRENCY, queue_name, rate_of};
use crate::producer::Producer;
use crate::queue::{self, Opened};
use crate::run::Manner;
use crate::stub::{Chances, Crm, Fault, Plan, Request, Server};

/// By what the stores of a demonstration are told from those of anybody else.
const NAME: &str = "Demo store";
/// More than this is not seeded: nobody waits for so long.
const MOST_RECORDS: u64 = 1_000_000;
/// How many sales of each store are made before the first window. They go first, and meet the faults.
const SALES: u64 = 10;
/// A 429 asks for a second's rest. In windows below ten seconds that would be seen.
const SHORTEST_WINDOW_WITH_REST: Duration = Duration::from_secs(10);

/// What the demonstration runs on.
pub(super) struct Stage {
    pub(super) crm: Crm,
    pub(super) accounts: Vec<Account>,
    pub(super) store: Store,
    pub(super) producer: Producer,
    /// How many jobs wait at the beginning.
    pub(super) waiting: u64,
    server: Server,
    queue: Opened,
    queue_url: String,
    manner: Manner,
    _folder: TempDir,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let bulk = bulk(args)?;
        let folder = tempfile::tempdir().map_err(|error| Failure::failed(&error))?;
        let file = folder.path().join("crm-sync.db");
        let database = args.database.clone();
        let store =
            open(&database.unwrap_or_else(|| format!("sqlite://{}", file.display()))).await?;
        let accounts = store.accounts().await?;
        if let Some(other) = accounts.iter().find(|account| !account.name.starts_with(NAME)) {
            let name = &other.name;
            return Err(Failure::usage(format!(
                "the database holds {name:?}: give the demo one of its own"
            )));
        }
        let manner = Manner {
            rate: args.rate,
            store_concurrency: DEFAULT_STORE_CONCURRENCY,
            concurrency: 16,
            lease: Duration::from_secs(10),
            http_timeout: Duration::from_secs(10),
            skew: Duration::ZERO,
        };
        let queue = queue::open(&args.queue.queue).await?;
        check_unused(&queue, args, &manner).await?;

        store.clear().await?;
        let crm = Crm::new(Chances { slow_for: Duration::from_secs(3), ..Chances::default() });
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(crm.clone(), local).map_err(|error| Failure::failed(&error))?;
        let producer = Producer::new(store.clone(), queue.clone());
        let mut stage = Self {
            crm,
            accounts: Vec::new(),
            store,
            producer,
            waiting: 0,
            server,
            queue,
            queue_url: args.queue.queue.clone(),
            manner,
            _folder: folder,
        };
        for number in 1..=args.stores {
            stage.add_store(StoreId::new(number)?, bulk, args.seconds).await?;
        }
        stage.plan_faults(args);
        Ok(stage)
    }

    /// Seeds a store, and enqueues all of its customers and products, and some sales in front.
    async fn add_store(&mut self, store: StoreId, bulk: u64, seconds: u64) -> Result<(), Failure> {
        let account = generate::account(store, NAME, &self.server.url());
        self.store.put_store(&account).await?;
        self.accounts.push(account);
        let amounts = Amounts {
            customers: bulk.div_ceil(2),
            products: bulk.div_ceil(2),
            sales: SALES + seconds,
            activities: 0,
        };
        let now = SystemClock::default().now();
        generate::add_records(&self.store, store, amounts, now).await?;
        for entity in [Entity::Customer, Entity::Product] {
            let done = self.producer.full_sync(Some(store), entity, Direction::ToCrm).await?;
            self.waiting += done.iter().map(|done| done.enqueued).sum::<u64>();
        }
        for record in 1..=SALES {
            let record = RecordId::new(record)?;
            self.producer.created(RecordKey { store, entity: Entity::Sale, record }).await?;
            self.waiting += 1;
        }
        Ok(())
    }

    /// The first requests of each store are creations; some of them meet a CRM that fails, is slow, or
    /// has created the record and then says nothing.
    fn plan_faults(&self, args: &DemoArgs) {
        for account in &self.accounts {
            let store = account.store.as_u32();
            for (fault, times) in [(Fault::Fail, 2), (Fault::Cut, 2), (Fault::Slow, 1)] {
                self.crm.plan(Plan::next(fault, times).of("POST").to(store));
            }
        }
        if args.rate.per >= SHORTEST_WINDOW_WITH_REST {
            self.crm.plan(Plan::next(Fault::Throttle, 1).to(1));
        }
    }

    /// A worker over a connection of its own, as it would have in a process of its own.
    pub(super) async fn worker(&self) -> Result<Worker, Failure> {
        let queue = if queue::is_memory(&self.queue_url) {
            self.queue.clone()
        } else {
            queue::open(&self.queue_url).await?
        };
        self.manner.worker(&queue, self.store.clone())
    }

    /// The CRM's own log, as it gives it to everybody.
    pub(super) async fn requests(&self) -> Result<Vec<Request>, Failure> {
        let url = format!("{}/log", self.server.url());
        let answer = reqwest::get(url).await.map_err(|error| Failure::failed(&error))?;
        let log = answer.text().await.map_err(|error| Failure::failed(&error))?;
        log.lines()
            .map(|line| serde_json::from_str(line).map_err(|error| Failure::failed(&error)))
            .collect()
    }

    /// Takes back what is left to do: others may use the queue after us.
    pub(super) async fn clear_queue(&self) -> Result<(), Failure> {
        if queue::is_memory(&self.queue_url) {
            return Ok(());
        }
        let queue = queue_name()?;
        for state in [JobState::Ready, JobState::Scheduled, JobState::Dead] {
            loop {
                let jobs = self.queue.inspect.jobs(&queue, state, 0, 500).await?;
                let ids: Vec<JobId> = jobs.iter().map(|job| job.record.id).collect();
                if ids.is_empty() {
                    break;
                }
                self.queue.inspect.delete(&queue, state, &ids).await?;
            }
        }
        Ok(())
    }
}

/// How many records of each store are synced as a whole: more than its CRM allows in the time.
fn bulk(args: &DemoArgs) -> Result<u64, Failure> {
    let windows = u128::from(args.seconds) * 1_000 / args.rate.per.as_millis().max(1) + 3;
    let bulk = u64::try_from(windows * u128::from(args.rate.count)).unwrap_or(u64::MAX);
    if bulk.saturating_mul(u64::from(args.stores)) > MOST_RECORDS {
        return Err(Failure::usage(format!(
            "{} stores at {} for {} s need more than the {MOST_RECORDS} records a demo seeds: \
                 choose less of something",
            args.stores, args.rate, args.seconds
        )));
    }
    Ok(bulk)
}

/// Refuses a queue that others use, or whose limits would not be those that are shown. Sets the limits.
async fn check_unused(queue: &Opened, args: &DemoArgs, manner: &Manner) -> Result<(), Failure> {
    let found = queue.inspect.queue(&queue_name()?).await?;
    if found.ready + found.scheduled + found.waiting + found.leased > 0 {
        let message = "the queue has jobs in it: give the demo one of its own";
        return Err(Failure::usage(message));
    }
    manner.install(queue).await?;
    for number in 1..=args.stores {
        let store = StoreId::new(number)?;
        let rate = rate_of(&*queue.inspect, store).await?;
        if rate != Some(args.rate) {
            let rate = rate.map_or("no rate".to_owned(), |rate| rate.to_string());
            return Err(Failure::usage(format!(
                "the queue has {rate} for store {store}: take it back with `crm-sync rate \
                     --store {store} --reset` and `crm-sync rate --reset`"
            )));
        }
    }
    Ok(())
}
