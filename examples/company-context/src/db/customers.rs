//! Customers, and what becomes of their texts.
//!
//! What a model has made of a text is saved only if that is still the customer's text: every statement
//! that ends a condensation names the revision it is about. So an answer to an older text finds no row.

use jobq_core::Timestamp;
use serde::Serialize;

use super::driver::{Record, StoreError, Value, values};
use super::store::Store;
use crate::customer::{ContextStatus, Customer, CustomerId, TextId};

/// What is to be changed of a customer; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Edit {
    /// The name.
    pub name: Option<String>,
    /// The text. A new one begins anew, even if it says what the one before said.
    pub text: Option<String>,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller has to tell all of them apart")]
pub enum Edited {
    /// The customer as it is now.
    Done(Box<Customer>),
    /// There is no such customer.
    Unknown,
}

/// How many customers there are, by what has become of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// The model is to condense the text.
    pub pending: u64,
    /// The model has condensed it.
    pub condensed: u64,
    /// The original text was kept for good.
    pub kept: u64,
}

const COLUMNS: &str =
    "SELECT id, name, original_text, company_context, context_status, last_error, revision
     FROM customers WHERE id = ?";

impl Store {
    /// Adds a customer. The original text is the context until the model has condensed it.
    ///
    /// # Errors
    ///
    /// When the database fails: then there is no such customer.
    pub async fn create(
        &self,
        name: &str,
        text: &str,
        now: Timestamp,
    ) -> Result<Customer, StoreError> {
        let sql = "INSERT INTO customers (name, original_text, company_context, context_status,
                                          created_at, pending_since)
                   VALUES (?, ?, ?, 'pending', ?, ?)";
        let values = values![name, text, text, now.as_millis(), now.as_millis()];
        let number = self.driver.insert(sql, values).await?;
        let id = CustomerId::new(number)
            .ok_or_else(|| StoreError::new("the database gave a number below 1"))?;
        Ok(Customer {
            id,
            name: name.to_owned(),
            original_text: text.to_owned(),
            company_context: text.to_owned(),
            context_status: ContextStatus::Pending,
            last_error: None,
            revision: 1,
        })
    }

    /// Changes a customer. A new text is a new revision, and its own context until the model has
    /// condensed it: from here on no answer to an older text is saved.
    ///
    /// # Errors
    ///
    /// When the database fails: then nothing was changed, unless it failed only afterwards, when the
    /// customer was read again.
    pub async fn edit(
        &self,
        id: CustomerId,
        edit: &Edit,
        now: Timestamp,
    ) -> Result<Edited, StoreError> {
        let name = edit.name.as_deref().map_or(Value::Null, Value::from);
        let found = match &edit.text {
            Some(text) => {
                let sql = "UPDATE customers
                           SET name = COALESCE(?, name), original_text = ?, company_context = ?,
                               context_status = 'pending', last_error = NULL,
                               revision = revision + 1, pending_since = ?, condensed_at = NULL
                           WHERE id = ?";
                let mut values = vec![name];
                values.extend(values![text.as_str(), text.as_str(), now.as_millis(), id.as_i64()]);
                self.driver.change(sql, values).await?
            }
            None => {
                let sql = "UPDATE customers SET name = COALESCE(?, name) WHERE id = ?";
                self.driver.change(sql, vec![name, Value::from(id.as_i64())]).await?
            }
        };
        let customer = if found > 0 { self.customer(id).await? } else { None };
        Ok(customer.map_or(Edited::Unknown, |customer| Edited::Done(Box::new(customer))))
    }

    /// A customer; `None` if there is no such one.
    ///
    /// # Errors
    ///
    /// When the database fails, or what it holds cannot be read.
    pub async fn customer(&self, id: CustomerId) -> Result<Option<Customer>, StoreError> {
        let found = self.driver.query(COLUMNS, values![id.as_i64()]).await?;
        found.first().map(read).transpose()
    }

    /// Replaces the context by what the model has made of the text. `false`, and nothing is changed, if
    /// the customer has another text by now, or its context was replaced before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn save_condensed(
        &self,
        text: TextId,
        condensed: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE customers
                   SET company_context = ?, context_status = 'condensed', last_error = NULL,
                       condensed_at = ?
                   WHERE id = ? AND revision = ? AND context_status <> 'condensed'";
        let values = values![condensed, now.as_millis(), text.customer.as_i64(), text.revision];
        Ok(self.driver.change(sql, values).await? > 0)
    }

    /// Says that the original text stays, and why. `false`, and nothing is changed, if the customer has
    /// another text by now, or the context was condensed after all.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_original(&self, text: TextId, why: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE customers SET context_status = 'kept', last_error = ?
                   WHERE id = ? AND revision = ? AND context_status <> 'condensed'";
        let values = values![why, text.customer.as_i64(), text.revision];
        Ok(self.driver.change(sql, values).await? > 0)
    }

    /// What is still to be condensed, of texts that have waited since before `since`: at most `limit` of
    /// the customers above `after`, in order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pending(
        &self,
        since: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<TextId>, StoreError> {
        let sql = "SELECT id, revision FROM customers
                   WHERE context_status = 'pending' AND id > ? AND pending_since <= ?
                   ORDER BY id LIMIT ?";
        let found = self.driver.query(sql, values![after, since.as_millis(), limit]).await?;
        let text = |row: &Record| {
            let customer = CustomerId::new(row.int(0)?)?;
            Some(TextId { customer, revision: row.int(1)? })
        };
        Ok(found.iter().filter_map(text).collect())
    }

    /// How many customers there are, by what has become of their texts.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "SELECT context_status, COUNT(*) FROM customers GROUP BY context_status";
        let mut counts = Counts::default();
        for row in self.driver.query(sql, values![]).await? {
            let count = row.int(1).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            match row.text(0).and_then(ContextStatus::read) {
                Some(ContextStatus::Pending) => counts.pending = count,
                Some(ContextStatus::Condensed) => counts.condensed = count,
                Some(ContextStatus::Kept) => counts.kept = count,
                None => {}
            }
        }
        Ok(counts)
    }
}

fn read(row: &Record) -> Result<Customer, StoreError> {
    let text = |column| row.text(column).map(str::to_owned);
    let customer = || {
        Some(Customer {
            id: CustomerId::new(row.int(0)?)?,
            name: text(1)?,
            original_text: text(2)?,
            company_context: text(3)?,
            context_status: ContextStatus::read(row.text(4)?)?,
            last_error: text(5),
            revision: row.int(6)?,
        })
    };
    customer().ok_or_else(|| StoreError::new("a row of customers cannot be read"))
}
