//! Small facts that travel with a job beside its payload.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The most bytes that all keys and values of a job's metadata may have together.
const MAX_BYTES: usize = 4 * 1024;

/// Text facts beside the payload, such as a trace context or a tenant: at most 4 KiB in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The key under which a W3C trace context travels (<https://www.w3.org/TR/trace-context/>).
    pub const TRACEPARENT: &'static str = "traceparent";
    /// The keys under which the names of a [workflow](crate::Workflow) and of its step travel.
    pub const WORKFLOW: &'static str = "workflow";
    #[expect(missing_docs, reason = "described above")]
    pub const STEP: &'static str = "step";

    /// No facts.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a fact, replacing what the key had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// The fact under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All facts, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let bytes: usize = self.0.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_BYTES {
            return Err(Error::invalid_input(format!(
                "metadata has {bytes} bytes, more than the {MAX_BYTES} allowed: put data in the payload"
            )));
        }
        Ok(())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Metadata {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(facts: I) -> Self {
        Self(facts.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
