//! Measures how long a sync takes: everything changed, then nothing, then a tenth.
//!
//! A private MariaDB server with its default settings (so a commit is on the disk before it is answered) has
//! both our database and the shop's. Statements are counted by that server, not by us.

use std::collections::HashMap;

use jobq_core::Token;
use private_mariadb::{Fault, PrivateMariaDb};
use program::Failure;
use serde::Serialize;
use sqlx::{Connection, MySqlConnection, Row};

use crate::catalogue::Product;
use crate::db::{ChunkResult, LinkKey, NewImport, Store, Update};
use crate::linking::link_shop;
use crate::pretend_shop;
use crate::shop::Shop;
use crate::sync::{Settings, SyncReport, sync};

/// Each of them has another delivery time.
const DELIVERY_TIMES: u64 = 14;
const UPDATE_BATCH: usize = 1_000;

/// What was measured. The names and their order are a promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// How many products.
    pub products: u64,
    /// All of them changed: seconds.
    pub seconds: f64,
    /// None of them changed: seconds.
    pub unchanged_seconds: f64,
    /// All of them changed: statements, in both databases, as the server counts them.
    pub statements: u64,
    /// None of them changed: statements.
    pub unchanged_statements: u64,
    /// A tenth of them changed: seconds.
    pub tenth_seconds: f64,
    /// A tenth of them changed: statements.
    pub tenth_statements: u64,
    /// All of them changed: processor time of the server, which does not depend on what else the machine
    /// does; `null` where the system does not tell.
    pub server_cpu_seconds: Option<f64>,
    /// All of them changed: processor time of this program.
    pub own_cpu_seconds: Option<f64>,
    /// Rows of the shop that were compared with what they should be after each sync.
    pub rows_verified: u64,
}

/// Measures a sync of so many products.
///
/// # Errors
///
/// When MariaDB is not installed, or the shop does not say what it should afterwards.
pub async fn run(products: u64) -> Result<Figures, Failure> {
    let bench = Bench::set_up(products).await?;
    bench.suppliers_say(1, |_| true).await?;
    let server = || bench.server.pid().map(|pid| pid.to_string());
    let cpu = || (server().and_then(|pid| cpu_seconds(&pid)), cpu_seconds("self"));
    let before = cpu();
    let (first, statements) = bench.sync().await?;
    let after = cpu();
    // The system counts in hundredths.
    let used = |before: Option<f64>, after: Option<f64>| {
        Some(((after? - before?) * 100.0).round() / 100.0)
    };
    let mut rows_verified = bench.verify(|_| 1).await?;
    let (none, unchanged_statements) = bench.sync().await?;
    bench.suppliers_say(2, |id| id.is_multiple_of(10)).await?;
    let (tenth, tenth_statements) = bench.sync().await?;
    rows_verified += bench.verify(|id| if id.is_multiple_of(10) { 2 } else { 1 }).await?;

    for (report, written) in [(&first, products), (&none, 0), (&tenth, products / 10)] {
        if report.totals.written != written {
            let wrote = report.totals.written;
            return Err(Failure::new(format!("wrote {wrote} products in place of {written}")));
        }
    }
    Ok(Figures {
        products,
        seconds: first.seconds,
        unchanged_seconds: none.seconds,
        statements,
        unchanged_statements,
        tenth_seconds: tenth.seconds,
        tenth_statements,
        server_cpu_seconds: used(before.0, after.0),
        own_cpu_seconds: used(before.1, after.1),
        rows_verified,
    })
}

struct Bench {
    server: PrivateMariaDb,
    store: Store,
    shop: Shop,
    products: u64,
}

impl Bench {
    async fn set_up(products: u64) -> Result<Self, Failure> {
        let failed = |fault: Fault| Failure::failed(&fault);
        let server = PrivateMariaDb::start().await.map_err(failed)?;
        for name in ["ours", "shop"] {
            let sql = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
            server.execute(&sql).await.map_err(failed)?;
        }
        let store = Store::open(&server.url("ours")).await?;
        store.seed(1, products).await?;
        pretend_shop::build(&server.url("shop"), products).await?;
        let shop =
            Shop::new(&server.url("shop"), "ps_", 1).map_err(|error| Failure::failed(&error))?;
        let linked = link_shop(&store, &shop).await.map_err(|error| Failure::failed(&error))?;
        if linked.linked != products {
            return Err(Failure::new(format!("linked {} of {products} products", linked.linked)));
        }
        Ok(Self { server, store, shop, products })
    }

    /// An import, as the handlers write it, of the products that are picked.
    async fn suppliers_say(&self, round: u64, pick: fn(u64) -> bool) -> Result<(), Failure> {
        let failed = |error| Failure::failed(&error);
        let id = format!("round {round}");
        let import = NewImport { id: &id, contractor_id: 1, source: "the benchmark" };
        self.store.begin_import(import, Token::from_u64(1)).await.map_err(failed)?;
        let import = self.store.import(&id).await.map_err(failed)?;
        let no = import.map(|import| import.no).unwrap_or_default();
        let ids: Vec<u64> = (1..=self.products).filter(|id| pick(*id)).collect();
        for (chunk_no, ids) in (0..).zip(ids.chunks(UPDATE_BATCH)) {
            let products: HashMap<String, u64> =
                ids.iter().map(|id| (Product::nth(*id).sku, *id)).collect();
            let skus: Vec<&str> = products.keys().map(String::as_str).collect();
            let links = self.store.find_links(1, &skus, &[]).await.map_err(failed)?;
            let update = |link: &LinkKey| {
                let id = *products.get(link.sku.as_deref()?)?;
                let availability = said(id, round);
                Some(Update { link_id: link.link_id, line: id + 1, availability })
            };
            let updates = links.iter().filter_map(update).collect();
            let chunk = ChunkResult { updates, ..ChunkResult::default() };
            self.store.apply_chunk(&id, no, chunk_no, &chunk).await.map_err(failed)?;
        }
        Ok(())
    }

    /// A sync as `sync` runs it, and how many statements the server counted meanwhile.
    async fn sync(&self) -> Result<(SyncReport, u64), Failure> {
        let before = self.questions().await?;
        let report = sync(&self.store, &self.shop, Settings::default())
            .await
            .map_err(|error| Failure::failed(&error))?;
        // The later look at the counter is counted itself, and so is what a connection sends to introduce itself.
        let statements = self.questions().await? - before;
        match &report.error {
            Some(error) => Err(Failure::new(error.clone())),
            None => Ok((report, statements)),
        }
    }

    async fn questions(&self) -> Result<u64, Failure> {
        let failed = |error: sqlx::Error| Failure::failed(&error);
        let mut connection =
            MySqlConnection::connect(&self.server.url("shop")).await.map_err(failed)?;
        let sql = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
                   WHERE variable_name = 'QUESTIONS'";
        let count: i64 =
            sqlx::query_scalar(sql).fetch_one(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)?;
        Ok(count as u64)
    }

    /// Compares every row of the shop with what the supplier said in the round that counts for its product.
    async fn verify(&self, round_of: fn(u64) -> u64) -> Result<u64, Failure> {
        let failed = |error: sqlx::Error| Failure::failed(&error);
        let mut connection =
            MySqlConnection::connect(&self.server.url("shop")).await.map_err(failed)?;
        let sql = "SELECT CAST(id_product AS SIGNED), CAST(out_of_stock AS SIGNED),
                          available_now, available_later
                   FROM ps_product_lang JOIN ps_stock_available USING (id_product)";
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.map_err(failed)?;
        for row in &rows {
            let id = row.get::<i64, _>(0) as u64 - pretend_shop::SHOP_ID_OFFSET;
            let found: (i64, String, String) = (row.get(1), row.get(2), row.get(3));
            let (stock, days) = supply(id, round_of(id));
            let expected = if stock >= 20 {
                (1, "In stock".to_owned(), format!("Delivery time: {days} d"))
            } else {
                (0, "In stock".to_owned(), String::new())
            };
            if found != expected {
                let sku = Product::nth(id).sku;
                return Err(Failure::new(format!(
                    "the shop says {found:?} of {sku} in place of {expected:?}"
                )));
            }
        }
        let expected = self.products * pretend_shop::LANGUAGES.len() as u64;
        if rows.len() as u64 != expected {
            return Err(Failure::new(format!("{} rows in place of {expected}", rows.len())));
        }
        Ok(expected)
    }
}

/// A product's stock at the supplier, and the days until delivery: in each round others.
const fn supply(id: u64, round: u64) -> (u64, u64) {
    let mixed = id.wrapping_mul(2_654_435_761) >> 5;
    let stock = if mixed.is_multiple_of(4) { mixed % 20 } else { 20 + mixed % 480 };
    // In the next round what was there is gone, and what was gone is there.
    let stock = if !round.is_multiple_of(2) {
        stock
    } else if stock < 20 {
        stock + 20
    } else {
        3
    };
    (stock, 1 + (mixed >> 9) % DELIVERY_TIMES)
}

fn said(id: u64, round: u64) -> String {
    let (stock, days) = supply(id, round);
    format!(
        r#"{{"contractor_id":1,"stock_quantity":{stock},"delivery_days":{days},"purchase_price":12.30}}"#
    )
}

/// How many seconds of processor time a process has used, `self` for this one.
fn cpu_seconds(process: &str) -> Option<f64> {
    /// Clock ticks as Linux shows them, on every architecture.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name is in parentheses and may contain anything; user and system time are the 12th and
    // 13th field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}
