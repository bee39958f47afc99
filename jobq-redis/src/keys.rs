//! The only file that spells a key. `lua/lib/keys.lua` says what each holds.
//!
//! All keys of a queue carry one hash tag, `{prefix:queue}`, and so live in one slot. The few keys that
//! belong to no queue carry the tag `{prefix}`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use jobq_core::QueueName;

/// How many priorities, and so ready lists, a queue has.
pub(crate) const LEVELS: usize = 16;

const QUEUE_PARTS: [&str; 15] = [
    "jobs",
    "levels",
    "scheduled",
    "leased",
    "facts",
    "reports",
    "results",
    "unique",
    "marks",
    "gone",
    "completed",
    "cancelled",
    "dead",
    "meta",
    "wake",
];

/// The keys of one queue.
#[derive(Debug)]
pub(crate) struct QueueKeys {
    /// In the order that scripts declare.
    all: Vec<String>,
}

impl QueueKeys {
    fn new(prefix: &str, queue: &QueueName) -> Self {
        let fixed = QUEUE_PARTS.iter().map(|part| format!("{{{prefix}:{queue}}}:{part}"));
        let ready = (0..LEVELS).map(|level| format!("{{{prefix}:{queue}}}:ready:{level}"));
        Self { all: fixed.chain(ready).collect() }
    }

    /// All keys, in the order that every script but `enqueue` declares.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    pub(crate) fn jobs(&self) -> &str {
        &self.all[0]
    }

    pub(crate) fn levels(&self) -> &str {
        &self.all[1]
    }

    pub(crate) fn scheduled(&self) -> &str {
        &self.all[2]
    }

    pub(crate) fn unique(&self) -> &str {
        &self.all[7]
    }

    pub(crate) fn gone(&self) -> &str {
        &self.all[9]
    }

    pub(crate) fn wake(&self) -> &str {
        &self.all[14]
    }

    pub(crate) fn ready(&self, level: u8) -> &str {
        &self.all[QUEUE_PARTS.len() + usize::from(level)]
    }
}

/// The keys of all queues under one prefix. A queue's keys are spelt once.
#[derive(Debug)]
pub(crate) struct Keys {
    prefix: Arc<str>,
    queues: RwLock<HashMap<QueueName, Arc<QueueKeys>>>,
}

impl Keys {
    pub(crate) fn new(prefix: Arc<str>) -> Self {
        Self { prefix, queues: RwLock::default() }
    }

    pub(crate) fn of(&self, queue: &QueueName) -> Arc<QueueKeys> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        let known = self.queues.read().unwrap_or_else(PoisonError::into_inner).get(queue).cloned();
        known.unwrap_or_else(|| {
            let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
            let keys = queues
                .entry(queue.clone())
                .or_insert_with(|| Arc::new(QueueKeys::new(&self.prefix, queue)));
            Arc::clone(keys)
        })
    }

    /// The set of all queues' names.
    pub(crate) fn queues(&self) -> String {
        format!("{{{}}}:queues", self.prefix)
    }

    /// Worker id → when it is forgotten, and its status.
    pub(crate) fn workers(&self) -> String {
        format!("{{{}}}:workers", self.prefix)
    }

    /// How often a restart was asked for.
    pub(crate) fn restart(&self) -> String {
        format!("{{{}}}:restart", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_queue_have_its_tag_and_the_declared_order() {
        let keys = Keys::new(Arc::from("jobq")).of(&QueueName::new("crm.sync").unwrap());

        assert!(keys.all().iter().all(|key| key.starts_with("{jobq:crm.sync}:")));
        assert_eq!(keys.all().len(), QUEUE_PARTS.len() + LEVELS);
        assert_eq!(keys.wake(), "{jobq:crm.sync}:wake");
        assert_eq!(keys.ready(15), "{jobq:crm.sync}:ready:15");

        let declared = include_str!("../lua/lib/keys.lua");
        for (position, part) in QUEUE_PARTS.iter().enumerate() {
            let line = format!("-- KEYS[{}] ", position + 1);
            let named = declared
                .lines()
                .find_map(|text| text.strip_prefix(&line))
                .and_then(|rest| rest.split_whitespace().next());
            assert_eq!(named, Some(*part));
        }
    }
}
