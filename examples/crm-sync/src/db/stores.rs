//! The stores, and where each one's CRM is.

use std::fmt;

use super::driver::{Record, Step, StoreError, values};
use super::store::Store;
use crate::ids::StoreId;

/// A store's account at its CRM.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by whoever adds a store")]
pub struct Account {
    /// The store.
    pub store: StoreId,
    /// What people call it.
    pub name: String,
    /// The name of its CRM: see [`provider`](crate::crm::provider).
    pub provider: String,
    /// Where its CRM is.
    pub base_url: String,
    /// What the CRM knows it by.
    pub api_key: String,
}

impl fmt::Debug for Account {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("store", &self.store)
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Adds a store, or changes one that is there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_store(&self, account: &Account) -> Result<(), StoreError> {
        let Account { store, name, provider, base_url, api_key } = account;
        let (name, provider) = (name.as_str(), provider.as_str());
        let values = values![store.as_u32(), name, provider, base_url.as_str(), api_key.as_str()];
        self.driver.transaction(&[Step::new(self.driver.dialect().put_store, values)]).await?;
        Ok(())
    }

    /// A store; `None` if there is none of this number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn account(&self, store: StoreId) -> Result<Option<Account>, StoreError> {
        let sql = "SELECT store, name, provider, base_url, api_key FROM crm_stores WHERE store = ?";
        let found = self.driver.query(sql, values![store.as_u32()]).await?;
        Ok(found.first().and_then(account))
    }

    /// All stores, by number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = "SELECT store, name, provider, base_url, api_key FROM crm_stores ORDER BY store";
        Ok(self.driver.query(sql, values![]).await?.iter().filter_map(account).collect())
    }
}

/// `None` for a row that somebody has given an impossible number.
fn account(row: &Record) -> Option<Account> {
    let text = |column| row.text(column).unwrap_or_default().to_owned();
    Some(Account {
        store: StoreId::new(u32::try_from(row.int(0)?).ok()?).ok()?,
        name: text(1),
        provider: text(2),
        base_url: text(3),
        api_key: text(4),
    })
}
