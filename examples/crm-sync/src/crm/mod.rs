//! The CRMs that stores can be kept in step with.
//!
//! To add one: write a file like `harbor.rs`, and name it in [`provider`].

mod access;
mod error;
mod harbor;
mod retry_after;
mod tide;
#[cfg(test)]
mod transforms;

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

pub use access::{Access, Http};
pub use error::CrmError;
pub use retry_after::RetryAfter;

use crate::entity::Entity;
use crate::fields::Fields;
use crate::ids::RecordId;

/// The CRMs there are, by the names that stores use.
pub const PROVIDERS: [&str; 2] = ["tide", "harbor"];

/// The CRM of this name, if there is one.
#[must_use]
pub fn provider(name: &str) -> Option<&'static dyn Provider> {
    match name {
        "tide" => Some(&tide::Tide),
        "harbor" => Some(&harbor::Harbor),
        _ => None,
    }
}

/// A CRM: its words for our records, and its three requests.
///
/// Each of `create`, `update` and `fetch` MUST send exactly one request: the job that calls it has paid
/// for one.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// One of our records in the CRM's words.
    fn to_remote(&self, record: RecordId, fields: &Fields) -> Value;

    /// A record of the CRM in our words.
    ///
    /// # Errors
    ///
    /// When something is missing, or cannot be ours.
    fn to_local(&self, entity: Entity, remote: &Value) -> Result<Fields, Misfit>;

    /// Adds a record and gives its id in the CRM. With the same key as before it MUST give the record of
    /// that time, and add none.
    ///
    /// # Errors
    ///
    /// What the CRM says, or that it cannot be reached. The record may have been added all the same.
    async fn create(
        &self,
        access: &Access<'_>,
        entity: Entity,
        body: Value,
        idempotency_key: &str,
    ) -> Result<String, CrmError>;

    /// Sets a record to what `body` says.
    ///
    /// # Errors
    ///
    /// What the CRM says, or that it cannot be reached.
    async fn update(
        &self,
        access: &Access<'_>,
        entity: Entity,
        external_id: &str,
        body: Value,
    ) -> Result<(), CrmError>;

    /// A record as the CRM has it.
    ///
    /// # Errors
    ///
    /// What the CRM says, or that it cannot be reached.
    async fn fetch(
        &self,
        access: &Access<'_>,
        entity: Entity,
        external_id: &str,
    ) -> Result<Value, CrmError>;
}

/// Why a record of the CRM cannot be one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the CRM's {entity} cannot be read: {field} {fault}")]
pub struct Misfit {
    entity: Entity,
    field: String,
    fault: &'static str,
}

/// A record of the CRM, read field by field.
pub(crate) struct Remote<'a> {
    entity: Entity,
    fields: &'a Value,
}

impl<'a> Remote<'a> {
    pub(crate) const fn new(entity: Entity, fields: &'a Value) -> Self {
        Self { entity, fields }
    }

    /// A text at a path such as `/emails/0`.
    pub(crate) fn text(&self, path: &str) -> Result<String, Misfit> {
        let found = self.fields.pointer(path).ok_or_else(|| self.misfit(path, "is missing"))?;
        found.as_str().map(str::to_owned).ok_or_else(|| self.misfit(path, "is no text"))
    }

    /// A text, or none where there is nothing or null.
    pub(crate) fn text_if_any(&self, path: &str) -> Result<Option<String>, Misfit> {
        match self.fields.pointer(path) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.text(path).map(Some),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, path: &str) -> Result<i64, Misfit> {
        let found = self.fields.pointer(path).ok_or_else(|| self.misfit(path, "is missing"))?;
        found.as_i64().ok_or_else(|| self.misfit(path, "is no whole number"))
    }

    /// A text as `read` understands it.
    pub(crate) fn read<T>(
        &self,
        path: &str,
        fault: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Misfit> {
        read(&self.text(path)?).ok_or_else(|| self.misfit(path, fault))
    }

    fn misfit(&self, path: &str, fault: &'static str) -> Misfit {
        let field = path.trim_start_matches('/').to_owned();
        Misfit { entity: self.entity, field, fault }
    }
}
