//! Invented stores and records, the same each time.

use jobq_core::Timestamp;
use program::Failure;

use crate::crm::PROVIDERS;
use crate::db::{Account, Store};
use crate::entity::Entity;
use crate::fields::{Activity, Customer, Fields, Product, Sale};
use crate::ids::{RecordId, StoreId};

/// How many records one statement adds.
const PAGE: u64 = 1_000;

/// How many records of each entity a store gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct Amounts {
    /// Customers.
    pub customers: u64,
    /// Products.
    pub products: u64,
    /// Sales.
    pub sales: u64,
    /// Activities.
    pub activities: u64,
}

impl Amounts {
    const fn of(self, entity: Entity) -> u64 {
        match entity {
            Entity::Customer => self.customers,
            Entity::Product => self.products,
            Entity::Sale => self.sales,
            Entity::Activity => self.activities,
        }
    }
}

/// The account of an invented store at the [stub](crate::stub). The stores take turns with the providers.
#[must_use]
pub fn account(store: StoreId, name: &str, stub_url: &str) -> Account {
    let provider = PROVIDERS[(store.as_u32() - 1) as usize % PROVIDERS.len()];
    Account {
        store,
        name: format!("{name} {store}"),
        provider: provider.to_owned(),
        base_url: format!("{}/{provider}/{store}", stub_url.trim_end_matches('/')),
        api_key: format!("key-{store}"),
    }
}

/// Adds the records 1 to so many of each entity to a store. What is there already stays as it is.
///
/// # Errors
///
/// When the database fails.
pub async fn add_records(
    store: &Store,
    to: StoreId,
    amounts: Amounts,
    now: Timestamp,
) -> Result<(), Failure> {
    for entity in Entity::ALL {
        let count = amounts.of(entity);
        for first in (1..=count).step_by(PAGE as usize) {
            let page: Vec<(RecordId, Fields)> = (first..=count.min(first + PAGE - 1))
                .map(|number| Ok((RecordId::new(number)?, fields(entity, number)?)))
                .collect::<Result<_, Failure>>()?;
            store.add_records(to, entity, &page, now).await?;
        }
    }
    Ok(())
}

/// What an invented record says.
///
/// # Errors
///
/// For a number that is none of a record.
pub fn fields(entity: Entity, number: u64) -> Result<Fields, Failure> {
    let customer = RecordId::new(number % 1_000 + 1)?;
    let day = format!("2026-{:02}-{:02}", number % 12 + 1, number % 28 + 1);
    let cents = i64::try_from(number % 1_000_000).unwrap_or_default() * 7 + 99;
    Ok(match entity {
        Entity::Customer => Fields::Customer(Customer {
            name: format!("Customer {number}"),
            email: format!("customer-{number}@example.com"),
            phone: number.is_multiple_of(3).then(|| format!("+48 600 {number:06}")),
        }),
        Entity::Product => Fields::Product(Product {
            sku: format!("AGD-{number:07}"),
            title: format!("Product {number}"),
            price_cents: cents,
        }),
        Entity::Sale => Fields::Sale(Sale {
            number: format!("2026/{number}"),
            customer,
            total_cents: cents,
            sold_on: day,
        }),
        Entity::Activity => Fields::Activity(Activity {
            customer,
            sort: "call".to_owned(),
            note: format!("Note {number}"),
            done_on: day,
        }),
    })
}
