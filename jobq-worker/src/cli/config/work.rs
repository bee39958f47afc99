//! `[work]` of `jobq.toml`: what is set for workers, unless a flag says otherwise.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::cli::units::{self, QueueSpec};

/// What the file says; each as the flag of `jobq work` of its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct WorkTable {
    #[serde(default, deserialize_with = "queues")]
    pub(in crate::cli) queue: Vec<QueueSpec>,
    #[serde(default, deserialize_with = "one_or_more")]
    pub(in crate::cli) concurrency: Option<usize>,
    pub(in crate::cli) name: Option<String>,
    #[serde(default, deserialize_with = "attempts")]
    pub(in crate::cli) tries: Option<u32>,
    #[serde(default, deserialize_with = "time")]
    pub(in crate::cli) timeout: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    pub(in crate::cli) grace: Option<Duration>,
    #[serde(default, deserialize_with = "lease")]
    pub(in crate::cli) lease: Option<Duration>,
    /// Together with those that flags allow.
    #[serde(default)]
    pub(in crate::cli) allow_command: Vec<String>,
    /// Together with those that flags allow.
    #[serde(default)]
    pub(in crate::cli) allow_url: Vec<String>,
}

fn queues<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<QueueSpec>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| units::queue_spec(text).map_err(de::Error::custom)).collect()
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    units::duration(&text).map(Some).map_err(de::Error::custom)
}

fn lease<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    units::lease(&text).map(Some).map_err(de::Error::custom)
}

fn attempts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let attempts = u64::deserialize(from)?.to_string();
    units::attempts(&attempts).map(Some).map_err(de::Error::custom)
}

fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(from)? {
        0 => Err(de::Error::custom("a worker runs at least one job at a time")),
        jobs => Ok(Some(jobs)),
    }
}
