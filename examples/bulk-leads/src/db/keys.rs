//! API keys.

use jobq_core::Timestamp;

use super::driver::{Record, StoreError, values};
use super::store::Store;
use crate::api_key::ApiKey;
use crate::limits::LimitOverrides;

/// A key to be stored.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct NewKey<'a> {
    /// The key; its secret is not stored.
    pub key: &'a ApiKey,
    /// Who calls with it.
    pub user_id: i64,
    /// What people call it.
    pub name: &'a str,
    /// Whether its jobs go before those of ordinary callers.
    pub is_premium: bool,
    /// What it has in place of everybody's limits.
    pub limits: LimitOverrides,
    /// Who is told when a job ends: the address, and the secret of the signature.
    pub webhook: Option<(&'a str, &'a str)>,
}

/// A row of `crm_api_keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRecord {
    /// The part that may be shown.
    pub id: String,
    /// Who calls with it.
    pub user_id: i64,
    /// What people call it.
    pub name: String,
    /// What is kept of its secret.
    pub secret_hash: String,
    /// Whether its jobs go before those of ordinary callers.
    pub is_premium: bool,
    /// What it has in place of everybody's limits.
    pub limits: LimitOverrides,
    /// Who is told when a job ends: the address, and the secret of the signature.
    pub webhook: Option<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is of no use any more.
    pub revoked_at: Option<Timestamp>,
}

/// The columns of [`KeyRecord::read`], in its order.
macro_rules! key_columns {
    () => {
        "id, user_id, name, secret_hash, is_premium, max_pending_jobs, max_jobs_per_day,
         max_leads_per_job, max_leads_per_day, min_seconds_between_jobs, webhook_url,
         webhook_secret, created_at, revoked_at"
    };
}

impl KeyRecord {
    fn read(row: &Record) -> Self {
        let webhook = row.text(10).zip(row.text(11));
        Self {
            id: row.string(0),
            user_id: row.int(1).unwrap_or_default(),
            name: row.string(2),
            secret_hash: row.string(3),
            is_premium: row.is_true(4),
            limits: LimitOverrides {
                max_pending_jobs: row.uint(5),
                max_jobs_per_day: row.uint(6),
                max_leads_per_job: row.uint(7),
                max_leads_per_day: row.uint(8),
                min_seconds_between_jobs: row.uint(9),
            },
            webhook: webhook.map(|(url, secret)| (url.to_owned(), secret.to_owned())),
            created_at: Timestamp::from_millis(row.count(12)),
            revoked_at: row.uint(13).map(Timestamp::from_millis),
        }
    }
}

impl Store {
    /// Stores a key, and its user if there is none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn add_key(&self, new: &NewKey<'_>) -> Result<(), StoreError> {
        let (now, limits) = (self.now_ms(), new.limits);
        let mut transaction = self.driver.begin().await?;
        transaction.execute(self.driver.dialect().add_user, values![new.user_id, now]).await?;
        transaction
            .execute(
                "INSERT INTO crm_api_keys
                    (id, user_id, name, secret_hash, is_premium, max_pending_jobs,
                     max_jobs_per_day, max_leads_per_job, max_leads_per_day,
                     min_seconds_between_jobs, webhook_url, webhook_secret, created_at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values![
                    new.key.id(),
                    new.user_id,
                    new.name,
                    new.key.secret_hash(),
                    new.is_premium,
                    limits.max_pending_jobs,
                    limits.max_jobs_per_day,
                    limits.max_leads_per_job,
                    limits.max_leads_per_day,
                    limits.min_seconds_between_jobs,
                    new.webhook.map(|(url, _)| url),
                    new.webhook.map(|(_, secret)| secret),
                    now,
                ],
            )
            .await?;
        transaction.commit().await
    }

    /// The key with this id, revoked or not; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn key(&self, id: &str) -> Result<Option<KeyRecord>, StoreError> {
        let sql = concat!("SELECT ", key_columns!(), " FROM crm_api_keys WHERE id = ?");
        let found = self.driver.query(sql, values![id]).await?;
        Ok(found.first().map(KeyRecord::read))
    }

    /// All keys, by user and age.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let sql = concat!(
            "SELECT ",
            key_columns!(),
            " FROM crm_api_keys ORDER BY user_id, created_at, id"
        );
        let found = self.driver.query(sql, values![]).await?;
        Ok(found.iter().map(KeyRecord::read).collect())
    }

    /// Gives a key these limits in place of those it had. `false` if there is no such key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn limit_key(&self, id: &str, limits: LimitOverrides) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_api_keys
                   SET max_pending_jobs = ?, max_jobs_per_day = ?, max_leads_per_job = ?,
                       max_leads_per_day = ?, min_seconds_between_jobs = ?
                   WHERE id = ?";
        let values = values![
            limits.max_pending_jobs,
            limits.max_jobs_per_day,
            limits.max_leads_per_job,
            limits.max_leads_per_day,
            limits.min_seconds_between_jobs,
            id
        ];
        let mut transaction = self.driver.begin().await?;
        let changed = transaction.execute(sql, values).await?;
        transaction.commit().await?;
        Ok(changed > 0)
    }

    /// Makes a key of no use any more. `false` if there is no such key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_key(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_api_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE id = ?";
        let mut transaction = self.driver.begin().await?;
        let changed = transaction.execute(sql, values![self.now_ms(), id]).await?;
        transaction.commit().await?;
        Ok(changed > 0)
    }
}
