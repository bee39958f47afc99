//! Where messages go, and what they are signed with.

use std::fmt;
use std::time::Duration;

use jobq_core::Timestamp;
use sql_store::{Record, StoreError, again, values};

use super::driver::whole;
use super::store::Store;

/// Where the messages of a destination go.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Integration {
    /// Its number.
    pub id: i64,
    /// Whose messages go there.
    pub destination: String,
    /// Where they go.
    pub webhook_url: String,
    /// What they are signed with.
    pub secret: String,
    /// What they are signed with as well, until then: the receiver may not know the new secret yet.
    pub previous: Option<(String, Timestamp)>,
    /// Until when the receiver wants to be left alone, if it has said so.
    pub not_before: Option<Timestamp>,
    /// Whether messages go there now.
    pub is_active: bool,
}

impl Integration {
    /// The secrets that are good now, the newest first.
    #[must_use]
    pub fn secrets(&self, now: Timestamp) -> Vec<&str> {
        let previous = self.previous.as_ref().filter(|(_, until)| now < *until);
        let mut secrets = vec![self.secret.as_str()];
        secrets.extend(previous.map(|(secret, _)| secret.as_str()));
        secrets
    }
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("id", &self.id)
            .field("destination", &self.destination)
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Adds an integration, which takes the place of the destination's active one. Gives its number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn add_integration(
        &self,
        destination: &str,
        webhook_url: &str,
        secret: &str,
    ) -> Result<i64, StoreError> {
        let store = self.clone();
        let [destination, url, secret] = [destination, webhook_url, secret].map(str::to_owned);
        whole(async move {
            again(async || {
                let now = store.now_ms();
                let mut transaction = store.driver.begin().await?;
                let sql = "UPDATE crm_integrations SET is_active = 0, updated_at = ?
                           WHERE destination = ? AND is_active = 1";
                transaction.execute(sql, values![now, destination.as_str()]).await?;
                let sql = "INSERT INTO crm_integrations
                               (destination, webhook_url, secret, is_active, created_at, updated_at)
                           VALUES (?, ?, ?, 1, ?, ?)";
                let row = values![destination.as_str(), url.as_str(), secret.as_str(), now, now];
                let id = transaction.insert(sql, row).await?.unwrap_or_default();
                transaction.commit().await?;
                Ok(id)
            })
            .await
        })
        .await
    }

    /// Has messages go to an integration, or no longer. In the first case it takes the place of the
    /// destination's active one. `false` if there is none of this number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn activate(&self, id: i64, is_active: bool) -> Result<bool, StoreError> {
        let store = self.clone();
        whole(async move {
            again(async || {
                let now = store.now_ms();
                let mut transaction = store.driver.begin().await?;
                let sql = "SELECT destination FROM crm_integrations WHERE id = ?";
                let found = transaction.query(sql, values![id]).await?;
                let Some(destination) = found.first().map(|row| row.string(0)) else {
                    transaction.roll_back().await?;
                    return Ok(false);
                };
                if is_active {
                    let sql = "UPDATE crm_integrations SET is_active = 0, updated_at = ?
                               WHERE destination = ? AND is_active = 1";
                    transaction.execute(sql, values![now, destination]).await?;
                }
                let sql = "UPDATE crm_integrations SET is_active = ?, updated_at = ? WHERE id = ?";
                transaction.execute(sql, values![is_active, now, id]).await?;
                transaction.commit().await?;
                Ok(true)
            })
            .await
        })
        .await
    }

    /// Gives an integration another secret. Messages are signed with both until `overlap` is over. `false`
    /// if there is none of this number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rotate_secret(
        &self,
        id: i64,
        secret: &str,
        overlap: Duration,
    ) -> Result<bool, StoreError> {
        // MySQL assigns from left to right, SQLite from what was there before: this order is right for both.
        let sql = "UPDATE crm_integrations
                   SET previous_secret = secret, previous_until = ?, secret = ?, updated_at = ?
                   WHERE id = ?";
        let until = (self.now() + overlap).as_millis();
        Ok(self.change(sql, values![until, secret, self.now_ms(), id]).await? > 0)
    }

    /// Leaves the receiver of an integration alone until then, for all messages. Never makes that any shorter.
    pub(crate) async fn leave_alone(&self, id: i64, until: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE crm_integrations SET not_before = ?
                   WHERE id = ? AND (not_before IS NULL OR not_before < ?)";
        let until = until.as_millis();
        self.change(sql, values![until, id, until]).await.map(drop)
    }

    /// All integrations, by destination.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn integrations(&self) -> Result<Vec<Integration>, StoreError> {
        let sql = "SELECT id, destination, webhook_url, secret, previous_secret, previous_until,
                          is_active, not_before
                   FROM crm_integrations ORDER BY destination, id";
        self.driver.query(sql, values![]).await?.iter().map(read).collect()
    }

    /// The active integration of a destination.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn active_integration(
        &self,
        destination: &str,
    ) -> Result<Option<Integration>, StoreError> {
        let sql = "SELECT id, destination, webhook_url, secret, previous_secret, previous_until,
                          is_active, not_before
                   FROM crm_integrations WHERE destination = ? AND is_active = 1";
        self.driver.query(sql, values![destination]).await?.first().map(read).transpose()
    }
}

fn read(row: &Record) -> Result<Integration, StoreError> {
    let integration = || {
        let until = row.uint(5).map(Timestamp::from_millis);
        Some(Integration {
            id: row.int(0)?,
            destination: row.string(1),
            webhook_url: row.string(2),
            secret: row.string(3),
            previous: row.text(4).map(str::to_owned).zip(until),
            is_active: row.is_true(6),
            not_before: row.uint(7).map(Timestamp::from_millis),
        })
    };
    integration().ok_or_else(|| StoreError::new("a row of crm_integrations cannot be read"))
}
