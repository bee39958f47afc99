//! A private Redis Cluster for tests, on free loopback ports, gone when dropped.

use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result};
use redis::{Client, FromRedisValue, Value};

use crate::TestServer;
use crate::slots::slot_of;
use crate::test_server::START_TIMEOUT;

/// How long a node may be silent before the others take it for dead.
const NODE_TIMEOUT_MS: u32 = 1_000;

/// All slots.
const SLOTS: usize = 16_384;

/// A running cluster: primaries, and as many replicas of each as asked for. It takes two to three seconds
/// to start, most of which Redis waits by itself.
#[derive(Debug)]
pub struct TestCluster {
    nodes: Vec<TestServer>,
}

impl TestCluster {
    /// Starts a cluster of three primaries without replicas.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) when the program is missing, or the nodes do not come
    /// together.
    pub fn start() -> Result<Self> {
        Self::start_with(3, 0, &[])
    }

    /// Starts a cluster of so many primaries, each with so many replicas, whose nodes have further
    /// arguments.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_with(primaries: usize, replicas: usize, arguments: &[&str]) -> Result<Self> {
        let timeout = NODE_TIMEOUT_MS.to_string();
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", timeout.as_str()];
        // Otherwise a first copy begins five seconds later.
        all.extend(["--repl-diskless-sync-delay", "0"]);
        all.extend(arguments);
        let nodes = (0..primaries * (1 + replicas)).map(|_| TestServer::start_with(&all));
        let cluster = Self { nodes: nodes.collect::<Result<_>>()? };
        cluster.join(primaries)?;
        Ok(cluster)
    }

    /// Its URL, with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for("")
    }

    /// Its URL for a user, such as `name:password@`.
    #[must_use]
    pub fn url_for(&self, user: &str) -> String {
        let nodes: Vec<_> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{user}{}", nodes.join(","))
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[TestServer] {
        &self.nodes
    }

    /// The node with a port.
    #[must_use]
    pub fn node(&mut self, port: u16) -> Option<&mut TestServer> {
        self.nodes.iter_mut().find(|node| node.port() == port)
    }

    /// The port of the primary that has a key, as any node that answers says.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when none knows.
    pub fn primary_of(&self, key: &str) -> Result<u16> {
        let slot = slot_of(key.as_bytes());
        for node in &self.nodes {
            let Ok(answer) = ask::<Value>(node.port(), &["CLUSTER", "SLOTS"]) else { continue };
            for range in crate::slots::ranges(answer, "127.0.0.1")? {
                if (range.first..=range.last).contains(&slot)
                    && let Some((_, port)) = range.sites.first()
                {
                    return Ok(*port);
                }
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "no node knows who has the slot"))
    }

    /// Puts the nodes together: the first ones are primaries.
    fn join(&self, primaries: usize) -> Result<()> {
        let ports: Vec<u16> = self.nodes.iter().map(TestServer::port).collect();
        for (nth, port) in ports.iter().enumerate() {
            tell(*port, &["CLUSTER", "SET-CONFIG-EPOCH", &(nth + 1).to_string()])?;
            if nth < primaries {
                let slots = SLOTS * nth / primaries..SLOTS * (nth + 1) / primaries;
                let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
                let mut words = vec!["CLUSTER", "ADDSLOTS"];
                words.extend(slots.iter().map(String::as_str));
                tell(*port, &words)?;
            }
        }
        for port in &ports[1..] {
            tell(ports[0], &["CLUSTER", "MEET", "127.0.0.1", &port.to_string()])?;
        }
        let known = ports.len().to_string();
        until("the nodes do not meet", || {
            ports.iter().all(|port| {
                fact(*port, "CLUSTER", "cluster_known_nodes").as_deref() == Some(&*known)
                    && ask::<String>(*port, &["CLUSTER", "NODES"])
                        .is_ok_and(|nodes| !nodes.contains("handshake"))
            })
        })?;
        for (nth, port) in ports.iter().enumerate().skip(primaries) {
            let primary: String = ask(ports[nth % primaries], &["CLUSTER", "MYID"])?;
            until("a replica does not know its primary", || {
                tell(*port, &["CLUSTER", "REPLICATE", &primary]).is_ok()
            })?;
        }
        until("the cluster does not get well", || {
            ports.iter().all(|port| {
                fact(*port, "CLUSTER", "cluster_state").as_deref() == Some("ok")
                    && sites_of(*port) == ports.len()
            }) && ports[primaries..]
                .iter()
                .all(|port| fact(*port, "", "master_link_status").as_deref() == Some("up"))
        })
    }
}

/// How many servers a node names as having slots.
fn sites_of(port: u16) -> usize {
    let answer = ask::<Value>(port, &["CLUSTER", "SLOTS"]).unwrap_or(Value::Nil);
    let ranges = crate::slots::ranges(answer, "127.0.0.1").unwrap_or_default();
    ranges.iter().map(|range| range.sites.len()).sum()
}

/// A line of `INFO`, or of `CLUSTER INFO`.
fn fact(port: u16, of: &str, name: &str) -> Option<String> {
    let words: Vec<&str> = [of, "INFO"].into_iter().filter(|word| !word.is_empty()).collect();
    let text: String = ask(port, &words).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
}

fn tell(port: u16, words: &[&str]) -> Result<()> {
    ask::<Value>(port, words).map(drop)
}

/// The answer of a server.
pub(crate) fn ask<T: FromRedisValue>(port: u16, words: &[&str]) -> Result<T> {
    ask_at(&format!("redis://127.0.0.1:{port}"), words)
}

/// The answer of the server at a URL.
pub(crate) fn ask_at<T: FromRedisValue>(url: &str, words: &[&str]) -> Result<T> {
    let failed = |cause| Error::new(ErrorKind::Unavailable, "a test server failed").because(cause);
    let mut connection =
        Client::open(url).and_then(|client| client.get_connection()).map_err(failed)?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query(&mut connection).map_err(failed)
}

/// Waits for something that servers do by themselves.
pub(crate) fn until(complaint: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > START_TIMEOUT {
            return Err(Error::new(ErrorKind::Misconfigured, complaint));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
