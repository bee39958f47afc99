//! `[work]` of `jobq.toml`: what is set for workers, unless a flag says otherwise.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::values::Whole;
use crate::cli::units::{self, MOST_AT_ONCE, QueueSpec};

/// What the file says; each as the flag of `jobq work` of its name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct WorkTable {
    #[serde(default, deserialize_with = "queues")]
    pub(in crate::cli) queue: Vec<QueueSpec>,
    #[serde(default, deserialize_with = "concurrency")]
    pub(in crate::cli) concurrency: Option<usize>,
    #[serde(default, deserialize_with = "name")]
    pub(in crate::cli) name: Option<String>,
    #[serde(default, deserialize_with = "attempts")]
    pub(in crate::cli) tries: Option<u32>,
    #[serde(default, deserialize_with = "timeout")]
    pub(in crate::cli) timeout: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    pub(in crate::cli) grace: Option<Duration>,
    #[serde(default, deserialize_with = "lease")]
    pub(in crate::cli) lease: Option<Duration>,
    /// Together with those that flags allow. Whether they are there is seen when a worker starts.
    #[serde(default)]
    pub(super) allow_command: Vec<Spanned<String>>,
    /// Together with those that flags allow.
    #[serde(default)]
    pub(super) allow_url: Vec<Spanned<String>>,
}

fn queues<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<QueueSpec>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let queues: Result<Vec<_>, _> = texts.iter().map(|text| units::queue_spec(text)).collect();
    let queues = queues.map_err(de::Error::custom)?;
    units::each_queue_once(queues.iter().map(|queue| &queue.name)).map_err(de::Error::custom)?;
    Ok(queues)
}

/// A text that is read as the flag of its name is.
fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    read(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    text(from, units::duration)
}

fn timeout<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    text(from, |text| units::timeout(text).map_err(|fault| format!("timeout {text:?}: {fault}")))
}

fn lease<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    text(from, units::lease)
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    text(from, units::worker_name)
}

fn attempts<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let attempts = u64::deserialize(from)?.to_string();
    units::attempts(&attempts).map(Some).map_err(de::Error::custom)
}

fn concurrency<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    Whole::<1, MOST_AT_ONCE>::deserialize(from).map(|jobs| Some(jobs.number()))
}
