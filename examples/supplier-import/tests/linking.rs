//! Which rows become links, which are left to people, and what a faulty list does.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::{Ended, Place};
use sqlx::{Connection, MySqlConnection};
use supplier_import::catalogue::Product;
use supplier_import::db::{Link, Store};
use supplier_import::linking::{LinkReport, link_shop};
use supplier_import::pretend_shop;
use supplier_import::shop::Shop;

use support::PROGRAM;
use support::servers::MariaDb;

const HEADER: &str = "sku,ean,stock_quantity,delivery_days,purchase_price\n";
/// A contractor who has no links: those of contractor 1 are seeded.
const CONTRACTOR: i64 = 9;

struct Stage {
    place: Place,
    db: String,
    store: Store,
}

impl Stage {
    async fn set(db: Option<String>, products: u64) -> Self {
        let place = Place::new();
        let db = db.unwrap_or_else(|| place.sqlite());
        let store = Store::open(&db).await.unwrap();
        store.seed(1, products).await.unwrap();
        Self { place, db, store }
    }

    fn link(&self, rows: &str) -> Ended {
        let list = self.place.file("list.csv", format!("{HEADER}{rows}"));
        PROGRAM.run(&[
            "link",
            list.to_str().unwrap(),
            "--contractor",
            "9",
            "--db",
            &self.db,
            "--json",
        ])
    }

    async fn links(&self) -> Vec<(i64, Option<String>)> {
        let links = self.store.links(CONTRACTOR).await.unwrap();
        let mut links: Vec<_> =
            links.into_iter().map(|Link { product_id, sku, .. }| (product_id, sku)).collect();
        links.sort();
        links
    }
}

fn counts(report: &serde_json::Value) -> [u64; 6] {
    ["read", "linked", "already", "unmatched", "ambiguous", "rejected"]
        .map(|name| report[name].as_u64().unwrap())
}

fn reasons(report: &serde_json::Value) -> Vec<String> {
    let notes = report["notes"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    notes
        .iter()
        .map(|note| format!("{}: {}", text(&note["about"]), text(&note["reason"])))
        .collect()
}

async fn rows_are_linked(db: Option<String>) {
    let stage = Stage::set(db, 20).await;
    let [by_sku, by_ean, both, ean_only] = [1, 2, 3, 4].map(Product::nth);
    let other_ean = Product::nth(5).ean;
    let rows = format!(
        "{},,1,1,1\nTHEIRS-2,{},1,1,1\n{},{other_ean},1,1,1\n,{},1,1,1\nX-1,,1,1,1\nX-2,,-1,1,1\n",
        by_sku.sku, by_ean.ean, both.sku, ean_only.ean
    );

    let ended = stage.link(&rows);
    let again = stage.link(&rows);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(counts(&ended.json()), [6, 4, 0, 1, 0, 1]);
    let expected = vec![
        (1, Some(by_sku.sku)),
        (2, Some("THEIRS-2".to_owned())),
        (3, Some(both.sku)),
        (4, None),
    ];
    assert_eq!(stage.links().await, expected);
    assert_eq!(
        reasons(&ended.json()),
        [
            "line 7: stock_quantity \"-1\" is negative",
            "line 4: its sku is of product 3, its ean of 5",
        ]
    );
    assert_eq!(counts(&again.json()), [6, 0, 4, 1, 0, 1], "the second time changes nothing");
    assert_eq!(stage.links().await, expected);
}

#[tokio::test]
async fn a_row_is_linked_by_sku_or_else_by_ean_in_sqlite() {
    rows_are_linked(None).await;
}

#[tokio::test]
async fn a_row_is_linked_by_sku_or_else_by_ean_in_mariadb() {
    let server = MariaDb::start().await;
    rows_are_linked(Some(server.url())).await;
}

#[tokio::test]
async fn what_is_not_certain_is_reported_and_not_linked() {
    let stage = Stage::set(None, 20).await;
    let mut ours = sqlx::SqliteConnection::connect(&stage.db).await.unwrap();
    let sql = "UPDATE products SET ean = (SELECT ean FROM products WHERE id = 7) WHERE id = 8";
    sqlx::raw_sql(sql).execute(&mut ours).await.unwrap();
    let (two, seven) = (Product::nth(2), Product::nth(7));
    let rows = format!("A,{},1,1,1\n{},,1,1,1\nB,{},1,1,1\n", seven.ean, two.sku, two.ean);

    let ended = stage.link(&rows);

    assert_eq!(counts(&ended.json()), [3, 1, 0, 0, 2, 0]);
    assert_eq!(
        reasons(&ended.json()),
        [
            format!("line 2: ean \"{}\" belongs to 2 products: 7, 8", seven.ean),
            format!("line 4: product 2 is linked to \"{}\" of this contractor", two.sku),
        ]
    );
    assert_eq!(stage.links().await.len(), 1);
}

#[tokio::test]
async fn a_faulty_list_links_nothing() {
    let stage = Stage::set(None, 20).await;
    let good = format!("{},,1,1,1\n", Product::nth(1).sku);
    let file = stage.place.file("wrong.csv", format!("{HEADER}{good}"));
    let file = file.to_str().unwrap();

    let cut = stage.link(&format!("{good}\"AGD"));
    let args = ["link", file, "--contractor", "9", "--db", &stage.db, "--map", "sku=KOD"];
    let mapping = PROGRAM.run(&args);

    assert_eq!((cut.code, mapping.code), (Some(1), Some(1)));
    assert!(cut.stderr.contains("nothing was linked: line 3"), "{}", cut.stderr);
    assert!(mapping.stderr.contains("no column \"KOD\" (for sku)"), "{}", mapping.stderr);
    assert_eq!(stage.links().await, []);
}

#[tokio::test]
async fn our_products_are_linked_to_those_of_the_shop() {
    let server = MariaDb::start().await;
    let stage = Stage::set(None, 7).await;
    pretend_shop::build(&server.url(), 6).await.unwrap();
    let mut connection = MySqlConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql(
        "UPDATE ps_product SET reference = ' OLD-2 ' WHERE id_product = 100002;
         UPDATE ps_product SET reference = NULL, ean13 = '' WHERE id_product = 100003;
         INSERT INTO ps_product (id_tax_rules_group, reference, ean13, date_add, date_upd)
             SELECT 0, reference, NULL, NOW(), NOW() FROM ps_product WHERE id_product = 100004",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let shop = Shop::new(&server.url(), "ps_", 1).unwrap();
    let counts = |report: &LinkReport| {
        [report.read, report.linked, report.already, report.unmatched, report.ambiguous]
    };

    let first = link_shop(&stage.store, &shop).await.unwrap();
    let second = link_shop(&stage.store, &shop).await.unwrap();
    sqlx::raw_sql(
        "DELETE FROM ps_product WHERE id_product = 100001;
         UPDATE ps_product SET reference = NULL WHERE id_product = 100005",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let third = link_shop(&stage.store, &shop).await.unwrap();

    assert_eq!(counts(&first), [7, 4, 0, 2, 1]);
    assert!(first.notes[0].about.starts_with("product 4 "), "{:?}", first.notes);
    assert!(first.notes[0].reason.contains("belongs to 2 products"), "{:?}", first.notes);
    assert_eq!(counts(&second), [7, 0, 4, 2, 1]);
    assert_eq!(counts(&third), [7, 0, 3, 3, 1], "one is gone, the others stay");
    let pairs = stage.store.shop_products().await.unwrap();
    let pairs: Vec<(i64, i64)> = pairs.iter().map(|p| (p.product, p.counterpart)).collect();
    assert_eq!(pairs, [(1, 100_001), (2, 100_002), (5, 100_005), (6, 100_006)]);
}
