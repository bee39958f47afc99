//! The local records.

use jobq_core::Timestamp;
use serde_json::json;

use super::driver::{Record, Step, StoreError, Value, values};
use super::store::Store;
use crate::entity::{Direction, Entity};
use crate::fields::Fields;
use crate::ids::{RecordId, RecordKey, StoreId};

/// A record as we have it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalRecord {
    /// Which one it is.
    pub key: RecordKey,
    /// Its id in the CRM; `None` until it has been created there.
    pub external_id: Option<String>,
    /// What it says.
    pub fields: Fields,
    /// Grows with every change of the fields.
    pub revision: i64,
}

/// The columns by which a record is found.
pub(super) fn key_values(key: RecordKey) -> Vec<Value> {
    values![key.store.as_u32(), key.entity.as_str(), key.record.as_u64()]
}

impl Store {
    /// Adds records of one store and entity. What is there already stays as it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn add_records(
        &self,
        store: StoreId,
        entity: Entity,
        records: &[(RecordId, Fields)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = records
            .iter()
            .map(|(record, fields)| json!({"record": record, "fields": fields.to_json()}))
            .collect();
        let values = values![
            store.as_u32(),
            entity.as_str(),
            now.as_millis(),
            serde_json::Value::from(rows).to_string()
        ];
        self.driver.transaction(&[Step::new(self.driver.dialect().add_records, values)]).await?;
        Ok(())
    }

    /// Changes what a record says, as the store's own program does. `false` if it is not there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change_record(
        &self,
        key: RecordKey,
        fields: &Fields,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_records SET fields = ?, revision = revision + 1, updated_at = ?
                   WHERE store = ? AND entity = ? AND record = ?";
        let mut values = values![fields.to_json(), now.as_millis()];
        values.extend(key_values(key));
        Ok(self.driver.transaction(&[Step::guard(sql, values)]).await?.is_some())
    }

    /// A record; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// When the database fails, or what it holds cannot be read.
    pub async fn record(&self, key: RecordKey) -> Result<Option<LocalRecord>, StoreError> {
        let sql = "SELECT external_id, revision, fields FROM crm_records
                   WHERE store = ? AND entity = ? AND record = ?";
        let found = self.driver.query(sql, key_values(key)).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        let fields = Fields::from_json(key.entity, row.text(2).unwrap_or_default())
            .map_err(|error| StoreError::new(format!("the fields of {key} are broken: {error}")))?;
        Ok(Some(LocalRecord {
            key,
            external_id: row.text(0).map(str::to_owned),
            fields,
            revision: row.int(1).unwrap_or_default(),
        }))
    }

    /// The revision of a record; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revision(&self, key: RecordKey) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT revision FROM crm_records WHERE store = ? AND entity = ? AND record = ?";
        let found = self.driver.query(sql, key_values(key)).await?;
        Ok(found.first().and_then(|row| row.int(0)))
    }

    /// The numbers of the records of a store and entity that can be synced this way: at most `limit`
    /// of those above `after`, in order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn records_after(
        &self,
        (store, entity): (StoreId, Entity),
        direction: Direction,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordId>, StoreError> {
        let sql = match direction {
            Direction::ToCrm => {
                "SELECT record FROM crm_records WHERE store = ? AND entity = ? AND record > ?
                 ORDER BY record LIMIT ?"
            }
            // What was never sent to the CRM cannot be fetched from it.
            Direction::FromCrm => {
                "SELECT record FROM crm_records WHERE store = ? AND entity = ? AND record > ?
                 AND external_id IS NOT NULL ORDER BY record LIMIT ?"
            }
        };
        let values = values![store.as_u32(), entity.as_str(), after, limit];
        let found = self.driver.query(sql, values).await?;
        Ok(found.iter().filter_map(|row: &Record| RecordId::new(row.count(0)).ok()).collect())
    }

    /// Deletes all stores, records and log entries.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn clear(&self) -> Result<(), StoreError> {
        let steps =
            ["DELETE FROM crm_sync_log", "DELETE FROM crm_records", "DELETE FROM crm_stores"]
                .map(|sql| Step::new(sql, values![]));
        self.driver.transaction(&steps).await?;
        Ok(())
    }
}
