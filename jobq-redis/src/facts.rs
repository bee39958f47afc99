//! What a server says of itself, for operators.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Clock, ErrorKind, Result, SystemClock, Timestamp};
use redis::{Cmd, Value};
use tokio::time::Instant;

use crate::backend::{RedisBackend, Store};
use crate::node::Node;
use crate::reply;

/// What a server is like, as far as the Redis user may know: the rest is `None`.
///
/// Of a cluster, what is worst among its primaries, fact by fact.
///
/// A snapshot, by [`RedisBackend::server_facts`]. Each answer takes as long as the server needs for a few small
/// questions, however many jobs it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// Where it is, without user or password.
    pub address: String,
    /// What it is, such as `redis` or `valkey`.
    pub product: String,
    /// Its version.
    pub version: String,
    /// How long it has been running.
    pub uptime: Option<Duration>,
    /// Whether it writes an append-only file.
    pub appends: Option<bool>,
    /// When it forces that file to the disk: `always`, `everysec` or `no`.
    pub fsync: Option<String>,
    /// Whether it saves snapshots by itself.
    pub snapshots: Option<bool>,
    /// Whether its last attempts to write to its disk have succeeded.
    pub can_write: Option<bool>,
    /// Its `maxmemory-policy`.
    pub eviction: Option<String>,
    /// The memory that its data take, in bytes.
    pub used_memory: Option<u64>,
    /// The most that they may take, in bytes; 0 for no bound.
    pub max_memory: Option<u64>,
    /// The memory of its machine, in bytes.
    pub system_memory: Option<u64>,
    /// How far its clock is ahead of this machine's, in milliseconds; less than nothing if it is behind.
    pub clock_ahead_ms: Option<i64>,
}

impl RedisBackend {
    /// What the server says of itself, in a round trip or two. What its user may not know is `None`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn server_facts(&self) -> Result<ServerFacts> {
        self.store.facts().await
    }

    /// How long the server takes to answer a question that costs it nothing, asked so often one after the
    /// other: from the shortest time to the longest.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn round_trips(&self, count: usize) -> Result<Vec<Duration>> {
        let mut trips = Vec::with_capacity(count);
        // The first one may have to connect. It is not sent again: a server that is silent now is told of
        // at once.
        self.store.link.send(&redis::cmd("PING")).await?;
        for _ in 0..count {
            let sent = Instant::now();
            self.store.link.send(&redis::cmd("PING")).await?;
            trips.push(sent.elapsed());
        }
        trips.sort_unstable();
        Ok(trips)
    }
}

impl Store {
    async fn facts(&self) -> Result<ServerFacts> {
        let nodes = self.link.nodes().await?;
        let of_each = futures_util::future::try_join_all(nodes.iter().map(facts_of)).await?;
        let facts = of_each.into_iter().reduce(worse);
        let mut facts =
            facts.unwrap_or_else(|| judge(&HashMap::new(), &HashMap::new(), &HashMap::new()));
        facts.address = self.link.address().to_owned();
        Ok(facts)
    }
}

async fn facts_of(node: &Arc<Node>) -> Result<ServerFacts> {
    let ask = async |words: &[&str]| {
        let mut question = redis::cmd(words[0]);
        question.arg(&words[1..]);
        answer(node, &question).await
    };
    let (hello, info, fsync, save, eviction, ahead) = futures_util::try_join!(
        ask(&["HELLO"]),
        ask(&["INFO"]),
        ask(&["CONFIG", "GET", "appendfsync"]),
        ask(&["CONFIG", "GET", "save"]),
        ask(&["CONFIG", "GET", "maxmemory-policy"]),
        clock_ahead(node),
    )?;
    let mut config = HashMap::new();
    for answer in [fsync, save, eviction].into_iter().flatten() {
        config.extend(reply::text_pairs(answer)?);
    }
    let info = info.map(reply::text).transpose()?.map(|text| info_pairs(&text));
    let hello = hello.map(reply::text_pairs).transpose()?;
    let mut facts = judge(&hello.unwrap_or_default(), &info.unwrap_or_default(), &config);
    facts.clock_ahead_ms = ahead;
    Ok(facts)
}

/// The answer to a question; `None` if it is refused.
async fn answer(node: &Arc<Node>, question: &Cmd) -> Result<Option<Value>> {
    match node.send(question).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        Err(_) => Ok(None),
    }
}

/// Taken to be read halfway between the question and the answer.
async fn clock_ahead(node: &Arc<Node>) -> Result<Option<i64>> {
    let before = SystemClock::default().now();
    let Some(answer) = answer(node, &redis::cmd("TIME")).await? else { return Ok(None) };
    let after = SystemClock::default().now();
    let mut parts = reply::list(answer)?.into_iter();
    let mut next = || reply::count(parts.next().unwrap_or(Value::Nil));
    let server = Timestamp::from_millis(next()? * 1_000 + next()? / 1_000);
    let here = before + after.since(before) / 2;
    let ahead = i128::from(server.as_millis()) - i128::from(here.as_millis());
    Ok(i64::try_from(ahead).ok())
}

/// What is worse of two nodes of a cluster, for each fact: that is what operators have to know.
fn worse(a: ServerFacts, b: ServerFacts) -> ServerFacts {
    let both = |a: Option<bool>, b: Option<bool>| Some(a? && b?);
    let number = |version: &str| {
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>()
    };
    let sureness = |fsync: &Option<String>| match fsync.as_deref() {
        Some("always") => 2,
        Some("everysec") => 1,
        _ => 0,
    };
    let deletes = |policy: &Option<String>| {
        policy.as_deref().is_none_or(|policy| policy.starts_with("allkeys-"))
    };
    // By how full they are; those without a bound by what they hold.
    let fullness = |facts: &ServerFacts| {
        let (used, most) = (facts.used_memory.unwrap_or(0), facts.max_memory.unwrap_or(0));
        (used.saturating_mul(1_000).checked_div(most).unwrap_or(0), used)
    };
    let apart = |facts: &ServerFacts| facts.clock_ahead_ms.map(i64::unsigned_abs);
    let fuller = if fullness(&a) >= fullness(&b) { &a } else { &b };
    let mut worse = fuller.clone();
    worse.appends = both(a.appends, b.appends);
    worse.snapshots = both(a.snapshots, b.snapshots);
    worse.can_write = both(a.can_write, b.can_write);
    worse.uptime = a.uptime.min(b.uptime);
    worse.clock_ahead_ms = if apart(&a) >= apart(&b) { a.clock_ahead_ms } else { b.clock_ahead_ms };
    worse.version = if number(&a.version) <= number(&b.version) { a.version } else { b.version };
    worse.fsync = if sureness(&a.fsync) <= sureness(&b.fsync) { a.fsync } else { b.fsync };
    worse.eviction = if deletes(&a.eviction) { a.eviction } else { b.eviction };
    worse
}

/// The lines `name:value` of `INFO`.
fn info_pairs(text: &str) -> HashMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn judge(
    hello: &HashMap<String, String>,
    info: &HashMap<String, String>,
    config: &HashMap<String, String>,
) -> ServerFacts {
    let text = |name: &str| info.get(name).cloned();
    let number = |name: &str| info.get(name).and_then(|value| value.parse::<u64>().ok());
    let told = |name: &str| hello.get(name).cloned().unwrap_or_default();
    let states = ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"];
    let states: Vec<_> = states.into_iter().filter_map(|name| info.get(name)).collect();
    ServerFacts {
        address: String::new(),
        product: text("server_name").unwrap_or_else(|| told("server")),
        version: text("valkey_version").unwrap_or_else(|| told("version")),
        uptime: number("uptime_in_seconds").map(Duration::from_secs),
        appends: number("aof_enabled").map(|enabled| enabled == 1),
        fsync: config.get("appendfsync").cloned(),
        snapshots: config.get("save").map(|save| !save.trim().is_empty()),
        can_write: (!states.is_empty()).then(|| states.iter().all(|state| *state == "ok")),
        eviction: config.get("maxmemory-policy").cloned().or_else(|| text("maxmemory_policy")),
        used_memory: number("used_memory"),
        max_memory: number("maxmemory"),
        system_memory: number("total_system_memory"),
        clock_ahead_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestServer;

    #[test]
    fn what_may_not_be_known_is_left_out() {
        let hello = HashMap::from([("server".to_owned(), "redis".to_owned())]);
        let facts = judge(&hello, &HashMap::new(), &HashMap::new());

        assert_eq!(facts.product, "redis");
        assert_eq!((facts.appends, facts.used_memory, facts.can_write), (None, None, None));
    }

    #[test]
    fn of_several_servers_the_worst_is_told() {
        let facts = |info: &[(&str, &str)], fsync: &str, policy: &str| {
            let pairs = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
            };
            let config = pairs(&[("appendfsync", fsync), ("maxmemory-policy", policy)]);
            judge(&HashMap::new(), &pairs(info), &config)
        };
        let mut a = facts(
            &[("aof_enabled", "1"), ("used_memory", "5"), ("maxmemory", "10")],
            "no",
            "noeviction",
        );
        let mut b = facts(
            &[("aof_enabled", "0"), ("used_memory", "8"), ("maxmemory", "99")],
            "always",
            "allkeys-lru",
        );
        (a.version, b.version) = ("10.0.0".to_owned(), "7.0.15".to_owned());
        (a.clock_ahead_ms, b.clock_ahead_ms) = (Some(-5_000), Some(3));

        for worse in [worse(a.clone(), b.clone()), worse(b, a)] {
            assert_eq!((worse.appends, worse.fsync.as_deref()), (Some(false), Some("no")));
            assert_eq!(worse.eviction.as_deref(), Some("allkeys-lru"));
            assert_eq!((worse.used_memory, worse.max_memory), (Some(5), Some(10)));
            assert_eq!((worse.version.as_str(), worse.clock_ahead_ms), ("7.0.15", Some(-5_000)));
        }
    }

    #[tokio::test]
    async fn a_server_tells_of_itself_and_is_left_as_it_was() {
        let server = TestServer::start_with(&["--appendonly", "yes"]).unwrap();
        let backend = RedisBackend::connect(&server.url()).await.unwrap();

        let facts = backend.server_facts().await.unwrap();

        assert!(facts.version.starts_with(|c: char| c.is_ascii_digit()), "{facts:?}");
        assert_eq!((facts.appends, facts.snapshots), (Some(true), Some(false)));
        assert_eq!(facts.fsync.as_deref(), Some("everysec"));
        assert_eq!(facts.eviction.as_deref(), Some("noeviction"));
        assert!(facts.clock_ahead_ms.unwrap().abs() < 1_000, "{facts:?}");
        assert!(backend.round_trips(9).await.unwrap().is_sorted());
        assert_eq!(backend.rights().await.unwrap().missing, [""; 0]);
        let keys = backend.store.link.send(&redis::cmd("DBSIZE")).await.unwrap();
        assert_eq!(keys, Value::Int(0));
    }
}
