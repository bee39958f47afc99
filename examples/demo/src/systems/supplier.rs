//! Supplier import: a list of 12,465 rows by schedule, and its news to the shop.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::{Backend, Inspect, Job, JobState, QueueName};
use jobq_scheduler::{Schedule, TimeUnits};
use jobq_worker::Worker;
use private_mariadb::PrivateMariaDb;
use serde_json::Value;
use supplier_import::db::Store;
use supplier_import::generate::Recipe;
use supplier_import::jobs::{ImportSupplier, PruneFailed, QUEUES, SyncAvailability};
use supplier_import::linking::link_shop;
use supplier_import::location::Location;
use supplier_import::rows::{Format, Layout};
use supplier_import::shop::Shop;
use supplier_import::{App, pretend_shop, worker};
use tokio::time::interval;

use crate::queue::Queue;
use crate::system::{Promise, Result, System};

const CONTRACTOR: i64 = 1;
const ROWS: u64 = 12_465;
/// Malformed rows of each list.
const BAD: u64 = 12;
/// How often the supplier writes a new list.
const NEWS_EVERY: Duration = Duration::from_secs(8);

pub(super) struct Supplier {
    backend: Arc<dyn Backend>,
    inspect: Arc<dyn Inspect>,
    store: Store,
    /// The shop, if there is a database server for it.
    shop: Option<(Shop, PrivateMariaDb)>,
    list: PathBuf,
}

impl Supplier {
    pub(super) async fn set_up(queue: &Queue, folder: &Path, with_shop: bool) -> Result<Self> {
        let file = folder.join("supplier-import.db");
        let store = Store::open(&format!("sqlite://{}", file.display())).await?;
        store.seed(CONTRACTOR, ROWS).await?;
        let list = folder.join("supplier.csv");
        write(&list, 1)?;
        let shop = if with_shop { open_shop(&store).await? } else { None };
        let (backend, inspect) = (queue.backend(), queue.inspect());
        Ok(Self { backend, inspect, store, shop, list })
    }

    async fn syncs(&self) -> Result<(usize, u64)> {
        let queue = QueueName::new(SyncAvailability::QUEUE)?;
        let done = self.inspect.jobs(&queue, JobState::Completed, 0, 100).await?;
        let syncs: Vec<_> =
            done.iter().filter(|job| job.record.kind.as_str() == SyncAvailability::KIND).collect();
        let written = |job: &&jobq_core::inspect::JobView| {
            let report: Value = rmp_serde::from_slice(job.result.as_ref()?).ok()?;
            report["written"].as_u64()
        };
        Ok((syncs.len(), syncs.iter().filter_map(written).sum()))
    }
}

#[async_trait]
impl System for Supplier {
    fn name(&self) -> &'static str {
        "supplier-import"
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        // One for each queue, as in business.
        let app = || {
            let shop = self.shop.as_ref().map(|(shop, _)| shop.clone());
            App::new(self.store.clone()).shop(shop).queues(Arc::clone(&self.inspect))
        };
        Ok(QUEUES.map(|queue| worker(Arc::clone(&self.backend), app(), [queue], 2)).into())
    }

    fn schedules(&self) -> Vec<(&'static str, Schedule)> {
        let import = ImportSupplier {
            contractor_id: CONTRACTOR,
            source: Location::Path(self.list.clone()),
            layout: Layout::default(),
            chunk_rows: 500,
            max_bytes: u64::MAX,
            http_timeout_s: 30,
        };
        let mut schedules = vec![
            ("import", Schedule::every(5.seconds()).without_overlapping().job(import)),
            ("prune-failed", Schedule::every(10.seconds()).job(PruneFailed::default())),
        ];
        if self.shop.is_some() {
            let sync = Schedule::every(3.seconds()).without_overlapping();
            schedules.push(("sync-availability", sync.job(SyncAvailability::default())));
        }
        schedules
    }

    async fn play(&self) -> Result<()> {
        let mut every = interval(NEWS_EVERY);
        every.tick().await;
        for seed in 2.. {
            every.tick().await;
            let news = self.list.with_extension("new");
            write(&news, seed)?;
            // An import reads one list or the other, and never half of each.
            std::fs::rename(&news, &self.list)?;
        }
        Ok(())
    }

    async fn look(&self) -> Result<String> {
        let totals = self.store.import_totals().await?;
        let shop = match (&self.shop, self.syncs().await?) {
            (None, _) => "no shop: install mariadb-server to see one".to_owned(),
            (Some(_), (syncs, told)) => format!("{syncs} syncs have told the shop {told} changes"),
        };
        Ok(format!(
            "{} lists imported: {} rows, {} rejected, {} unmatched; {shop}",
            totals.imports, totals.rows_read, totals.rejected, totals.unmatched
        ))
    }

    async fn is_at_rest(&self) -> Result<bool> {
        Ok(self.store.import_totals().await?.running == 0)
    }

    async fn promises(&self) -> Result<Vec<Promise>> {
        let totals = self.store.import_totals().await?;
        let rows = totals.imports * ROWS;
        let mut promises = vec![
            Promise::new(
                totals.imports > 0 && totals.rows_read == rows,
                format!("{} lists, {} rows of {rows} read", totals.imports, totals.rows_read),
            ),
            Promise::new(
                totals.rejected == totals.imports * BAD,
                format!("{} malformed rows rejected, {BAD} of each list", totals.rejected),
            ),
        ];
        if self.shop.is_some() {
            let (syncs, told) = self.syncs().await?;
            let what = format!("the shop was told {told} changes by {syncs} syncs");
            promises.push(Promise::new(told > 0, what));
        }
        Ok(promises)
    }
}

/// A shop on a server of its own; `None` if none is installed.
async fn open_shop(store: &Store) -> Result<Option<(Shop, PrivateMariaDb)>> {
    if !PrivateMariaDb::is_installed() {
        return Ok(None);
    }
    let server = PrivateMariaDb::start().await?;
    server.execute("CREATE DATABASE shop CHARACTER SET utf8mb4").await?;
    let url = server.url("shop");
    pretend_shop::build(&url, ROWS).await?;
    let shop = Shop::new(&url, "ps_", 1)?;
    link_shop(store, &shop).await?;
    Ok(Some((shop, server)))
}

/// Writes a list; another seed makes other stocks and prices.
fn write(file: &Path, seed: u64) -> Result<()> {
    let recipe = Recipe { rows: ROWS, bad: BAD, seed, format: Format::Csv };
    Ok(recipe.write(&mut BufWriter::new(File::create(file)?))?)
}
