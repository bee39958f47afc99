//! The only file that spells a key. `lua/lib/keys.lua` says what each holds.
//!
//! All keys of a queue carry one hash tag, `{prefix:queue}`, and so live in one slot. The few keys that
//! belong to no queue carry the tag `{prefix}`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jobq_core::{GroupName, JobId, QueueName, SystemClock};

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

/// What only queues with lanes, limits, batches and the like have. `lua/lib/flow/keys.lua` says what
/// each holds.
const FLOW_PARTS: [&str; 23] = [
    "lanes",
    "order",
    "held_up",
    "laned",
    "slots",
    "starts",
    "limits",
    "held_back",
    "running",
    "places",
    "idle",
    "waiting",
    "parents",
    "children",
    "batches",
    "about",
    "opened",
    "parts",
    "called_off",
    "outbox",
    "inbox",
    "until",
    "named",
];

/// The keys of one queue.
#[derive(Debug)]
pub(crate) struct QueueKeys {
    /// In the order that scripts declare.
    all: Vec<String>,
    /// How far the schedules have come whose jobs go here. Only claims and marks declare it.
    ticks: String,
    /// Whether flow control is known to be used in the queue. Set once, and never taken back: scripts
    /// for it do for queues without it too.
    has_flow: AtomicBool,
}

impl QueueKeys {
    fn new(prefix: &str, queue: &QueueName) -> Self {
        let tag = format!("{{{prefix}:{queue}}}:");
        let spelt = |part: &&str| [&tag, *part].concat();
        let fixed = QUEUE_PARTS.iter().map(spelt);
        let ready = (0..LEVELS).map(|level| format!("{tag}ready:{level}"));
        let flow = ["flow"].iter().chain(&FLOW_PARTS).map(spelt);
        Self {
            all: fixed.chain(ready).chain(flow).collect(),
            ticks: spelt(&"ticks"),
            has_flow: AtomicBool::new(false),
        }
    }

    /// All keys, in the order that every script but `enqueue` and `exchange` declares.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }

    /// The keys of a queue without flow control, in the order that `exchange` declares.
    pub(crate) fn plain(&self) -> &[String] {
        &self.all[..=QUEUE_PARTS.len() + LEVELS]
    }

    /// Whether flow control is known to be used in the queue.
    pub(crate) fn has_flow(&self) -> bool {
        self.has_flow.load(Ordering::Relaxed)
    }

    /// Notes that flow control is used in the queue.
    pub(crate) fn note_flow(&self) {
        self.has_flow.store(true, Ordering::Relaxed);
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

    pub(crate) fn leased(&self) -> &str {
        &self.all[3]
    }

    pub(crate) fn unique(&self) -> &str {
        &self.all[7]
    }

    pub(crate) fn marks(&self) -> &str {
        &self.all[8]
    }

    pub(crate) fn gone(&self) -> &str {
        &self.all[9]
    }

    pub(crate) fn completed(&self) -> &str {
        &self.all[10]
    }

    pub(crate) fn cancelled(&self) -> &str {
        &self.all[11]
    }

    pub(crate) fn dead(&self) -> &str {
        &self.all[12]
    }

    pub(crate) fn meta(&self) -> &str {
        &self.all[13]
    }

    pub(crate) fn ticks(&self) -> &str {
        &self.ticks
    }

    pub(crate) fn wake(&self) -> &str {
        &self.all[14]
    }

    pub(crate) fn flow(&self) -> &str {
        &self.all[QUEUE_PARTS.len() + LEVELS]
    }

    pub(crate) fn held_up(&self) -> &str {
        self.flow_part("held_up")
    }

    pub(crate) fn waiting(&self) -> &str {
        self.flow_part("waiting")
    }

    pub(crate) fn limits(&self) -> &str {
        self.flow_part("limits")
    }

    pub(crate) fn flow_part(&self, part: &str) -> &str {
        let position = FLOW_PARTS.iter().position(|known| *known == part).unwrap_or(0);
        &self.all[QUEUE_PARTS.len() + LEVELS + 1 + position]
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

    /// What is never there: the user's rights are tried on it, as a key and as a channel.
    pub(crate) fn rights(&self) -> String {
        format!("{{{}}}:rights", self.prefix)
    }

    /// The channel on which one process hears of changes of the jobs that it watches.
    pub(crate) fn watch_channel(&self) -> String {
        format!("{{{}}}:watch:{}", self.prefix, JobId::generate(&SystemClock::default()))
    }

    /// The limits that queues share. `lua/lib/flow/shared.lua` spells it too.
    pub(crate) fn shared(&self) -> String {
        format!("{{{}}}:shared", self.prefix)
    }

    /// Group of schedules → its revision; and the greatest one.
    pub(crate) fn groups(&self) -> String {
        format!("{{{}}}:groups", self.prefix)
    }

    /// The entries of a group of schedules.
    pub(crate) fn entries(&self, group: &GroupName) -> String {
        format!("{{{}}}:entries:{group}", self.prefix)
    }

    /// The schedulers of a group, with their words.
    pub(crate) fn attending(&self, group: &GroupName) -> String {
        format!("{{{}}}:attending:{group}", self.prefix)
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
        assert_eq!(keys.plain().len(), QUEUE_PARTS.len() + LEVELS + 1);
        assert_eq!(keys.wake(), "{jobq:crm.sync}:wake");
        assert_eq!(keys.ready(15), "{jobq:crm.sync}:ready:15");

        let declared =
            concat!(include_str!("../lua/lib/keys.lua"), include_str!("../lua/lib/flow/keys.lua"));
        for (position, key) in keys.all().iter().enumerate() {
            let part = key.trim_start_matches("{jobq:crm.sync}:");
            if part.starts_with("ready:") {
                continue;
            }
            let line = format!("-- KEYS[{}] ", position + 1);
            let named = declared
                .lines()
                .find_map(|text| text.strip_prefix(&line))
                .and_then(|rest| rest.split_whitespace().next());
            assert_eq!(named, Some(part));
        }
    }
}
