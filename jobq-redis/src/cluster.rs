//! The nodes of a cluster: each command goes to the one that has the slot of its key.
//!
//! Each node has a supervised connection of its own, as a single server has. The client library's
//! connection to a cluster is not used: it sends a command again when a connection breaks, whether or not
//! that has had its effect, and it does not tell where blocking waits belong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jobq_core::{Error, ErrorKind, Result};
use redis::{Cmd, ConnectionInfo, Value};

use crate::clock::ServerClock;
use crate::config::RedisConfig;
use crate::error::{
    Failed, Fault, Verdict, address_of, cluster_is_down, explain, no_cluster, verdict,
};
use crate::first::first_of;
use crate::joint::Joint;
use crate::keys::Keys;
use crate::node::{Node, Place, connect, deposed, silent};
use crate::slots::{Detour, Range, Site, detour, ranges, slot_of, slot_of_command};
use crate::tenure::{BRISK, SILENCE};
use crate::topology::at;

/// How often a command is sent on before that is taken for an error.
const MOST_DETOURS: u32 = 6;
/// How long to wait for a slot that is being moved, times the number of tries.
const BREATH: Duration = Duration::from_millis(20);
/// How long a map of the slots is good at least: a node that is down must not cost a question a call.
const MAP_AGE: Duration = Duration::from_millis(100);
/// How long others are asked whether a node that was silent has been replaced, before it is believed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a node that has failed is asked after the others.
const SUSPECT_FOR: Duration = Duration::from_secs(30);

pub(crate) struct Cluster {
    config: RedisConfig,
    /// Those that the URL names. One of them is also the model for how to log in.
    seeds: Vec<ConnectionInfo>,
    /// The slot of what belongs to no queue.
    home: u16,
    map: RwLock<Option<Arc<Map>>>,
    /// How often the map was doubted.
    doubts: AtomicU64,
    /// When no node answered last, and why.
    failed: Mutex<Option<(Instant, Failed)>>,
    asking: Joint<Result<Arc<Map>, Failed>>,
    /// Whose turn it is to be asked first.
    turn: AtomicUsize,
    /// Which nodes have failed, by address, and when. One that is cut off from the others goes on drawing
    /// the map as it was.
    suspects: Mutex<HashMap<String, Instant>>,
    nodes: Mutex<HashMap<Site, Arc<Node>>>,
    clock: Arc<ServerClock>,
}

/// Who has which slots.
struct Map {
    drawn_at: Instant,
    /// How often the one before had been doubted when this one was asked for.
    doubts: u64,
    /// In the order of slots: first, last, primary.
    owners: Vec<(u16, u16, Arc<Node>)>,
    primaries: Vec<Arc<Node>>,
    /// All nodes, primaries first.
    sites: Vec<Site>,
}

impl Cluster {
    pub(crate) fn new(
        seeds: Vec<ConnectionInfo>,
        config: &RedisConfig,
        clock: Arc<ServerClock>,
    ) -> Self {
        let home = slot_of(Keys::new(Arc::clone(&config.prefix)).queues().as_bytes());
        Self {
            config: config.clone(),
            seeds,
            home,
            map: RwLock::new(None),
            doubts: AtomicU64::new(0),
            failed: Mutex::default(),
            asking: Joint::default(),
            turn: AtomicUsize::new(0),
            suspects: Mutex::default(),
            nodes: Mutex::default(),
            clock,
        }
    }

    /// Runs a command where its key is. The outer error is of connecting, the inner one of the command.
    pub(crate) async fn try_send(self: &Arc<Self>, command: &Cmd) -> Result<Result<Value, Fault>> {
        self.try_send_to(slot_of_command(command).unwrap_or(self.home), command).await
    }

    /// Runs a command at the node that has a slot.
    pub(crate) async fn try_send_to(
        self: &Arc<Self>,
        slot: u16,
        command: &Cmd,
    ) -> Result<Result<Value, Fault>> {
        let mut node = self.owner(slot).await?;
        let (mut may_ask, mut has_failed) = (false, false);
        for tries in 1..=MOST_DETOURS {
            // One that has long not been heard of may have been frozen before.
            let patience = if node.is_quiet() { BRISK } else { SILENCE };
            let sent_at = Instant::now();
            let answer =
                if may_ask { node.try_ask(command).await } else { node.try_send(command).await };
            let fault = match answer {
                Ok(Ok(value)) if sent_at.elapsed() <= patience => return Ok(Ok(value)),
                Ok(Ok(value)) => {
                    let address: Arc<str> = Arc::from(node.address());
                    let is_owner = self.is_owner(slot, &address).await;
                    let doubtful = || Fault { error: deposed(), address };
                    return Ok(if is_owner { Ok(value) } else { Err(doubtful()) });
                }
                Ok(Err(fault)) => fault,
                // Nothing was sent. Its replica may have taken over.
                Err(error) if !has_failed => {
                    self.suspect(node.address());
                    self.doubt();
                    let owner = self.owner(slot).await?;
                    if Arc::ptr_eq(&owner, &node) {
                        return Err(error);
                    }
                    (node, may_ask, has_failed) = (owner, false, true);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match detour(&fault.error, node.host()) {
                Some(Detour::Moved(to)) => {
                    self.doubt();
                    (node, may_ask) = (self.node_at(&to), false);
                }
                Some(Detour::Ask(to)) => (node, may_ask) = (self.node_at(&to), true),
                Some(Detour::Later) if tries < MOST_DETOURS => {
                    tokio::time::sleep(BREATH * tries).await;
                }
                Some(Detour::Later) | None => {
                    self.note(&fault);
                    return Ok(Err(fault));
                }
            }
        }
        self.doubt();
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("the nodes of {} send a command from one to the other", self.config.address()),
        ))
    }

    /// Whether a slot is still at the node where it was found: asked again.
    pub(crate) async fn is_still_at(self: &Arc<Self>, slot: u16, server: &ConnectionInfo) -> bool {
        self.is_owner(slot, &address_of(server)).await
    }

    /// Whether a node that was silent for a while still has a slot, as the others say. One that was frozen
    /// answers what it was sent before it hears that another has taken over, and then forgets it.
    async fn is_owner(self: &Arc<Self>, slot: u16, address: &str) -> bool {
        self.suspect(address);
        self.doubt();
        match tokio::time::timeout(PATIENCE, self.owner(slot)).await {
            Ok(Ok(owner)) => owner.address() == address,
            _ => true,
        }
    }

    /// What a fault says of the map.
    fn note(&self, fault: &Fault) {
        let is_down = cluster_is_down(&fault.error);
        if is_down || fault.error.is_io_error() || fault.error.is_timeout() {
            self.suspect(&fault.address);
        }
        if is_down || verdict(&fault.error) == Verdict::Broken {
            self.doubt();
        }
    }

    /// A node has failed: what it says of the others is worth less than what they say.
    fn suspect(&self, address: &str) {
        self.suspects().insert(address.to_owned(), Instant::now());
    }

    fn suspects(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The map may be wrong: a new one is drawn before the next use.
    pub(crate) fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::Relaxed);
    }

    /// The node that has a slot.
    pub(crate) async fn owner(self: &Arc<Self>, slot: u16) -> Result<Arc<Node>> {
        let map = self.map().await?;
        let owner = map.owners.partition_point(|(_, last, _)| *last < slot);
        match map.owners.get(owner) {
            Some((first, _, node)) if *first <= slot => Ok(Arc::clone(node)),
            _ => {
                self.doubt();
                Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("no node of {} has slot {slot}", self.config.address()),
                ))
            }
        }
    }

    /// All primaries.
    pub(crate) async fn primaries(self: &Arc<Self>) -> Result<Vec<Arc<Node>>> {
        Ok(self.map().await?.primaries.clone())
    }

    /// Where all nodes are, primaries first.
    pub(crate) async fn places(self: &Arc<Self>) -> Result<Vec<ConnectionInfo>> {
        let map = self.map().await?;
        Ok(map.sites.iter().map(|(host, port)| self.place(host, *port)).collect())
    }

    fn place(&self, host: &str, port: u16) -> ConnectionInfo {
        at(&self.seeds[0], host, port)
    }

    fn node_at(&self, site: &Site) -> Arc<Node> {
        let node = || {
            let place = Place::Fixed(Box::new(self.place(&site.0, site.1)));
            Arc::new(Node::new(place, &self.config, Arc::clone(&self.clock)))
        };
        Arc::clone(self.nodes().entry(site.clone()).or_insert_with(node))
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<Site, Arc<Node>>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn map(self: &Arc<Self>) -> Result<Arc<Map>> {
        if let Some(map) = self.current() {
            return Ok(map);
        }
        let outcome = self.asking.outcome(|| {
            let cluster = Arc::clone(self);
            async move {
                if let Some(map) = cluster.current() {
                    return Ok(map);
                }
                if let Some((at, failed)) = cluster.failed().clone()
                    && at.elapsed() < MAP_AGE
                {
                    return Err(failed);
                }
                let doubts = cluster.doubts.load(Ordering::Relaxed);
                let ranges = cluster.ask_any().await.map_err(|error| Failed::from(&error));
                *cluster.failed() =
                    ranges.as_ref().err().map(|failed| (Instant::now(), failed.clone()));
                Ok(cluster.draw(ranges?, doubts))
            }
        });
        outcome.await.map_err(|failed| failed.as_error())
    }

    /// The map, unless it is doubted and not quite new.
    fn current(&self) -> Option<Arc<Map>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_doubted = self.doubts.load(Ordering::Relaxed) > map.doubts;
        let is_good = !is_doubted || map.drawn_at.elapsed() < MAP_AGE;
        is_good.then_some(map)
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, Failed)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, ranges: Vec<Range>, doubts: u64) -> Arc<Map> {
        let (mut owners, mut primaries, mut replicas) = (Vec::new(), Vec::new(), Vec::new());
        for range in ranges {
            let mut sites = range.sites.into_iter();
            if let Some(primary) = sites.next() {
                owners.push((range.first, range.last, self.node_at(&primary)));
                primaries.push(primary);
            }
            replicas.extend(sites);
        }
        for sites in [&mut primaries, &mut replicas] {
            sites.sort();
            sites.dedup();
        }
        // Connections to nodes that have nothing any more end with them.
        self.nodes().retain(|site, _| primaries.contains(site));
        let map = Arc::new(Map {
            drawn_at: Instant::now(),
            doubts,
            owners,
            primaries: primaries.iter().map(|site| self.node_at(site)).collect(),
            sites: primaries.into_iter().chain(replicas).collect(),
        });
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&map));
        map
    }

    /// Who has which slots, by the first node that answers: those known last and those of the URL, each
    /// time beginning with another one, and those that have failed after all others.
    async fn ask_any(&self) -> Result<Vec<Range>> {
        let known = self.map.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut places: Vec<ConnectionInfo> = Vec::new();
        let known = known.iter().flat_map(|map| &map.sites);
        let known = known.map(|(host, port)| self.place(host, *port));
        for place in known.chain(self.seeds.iter().cloned()) {
            if !places.iter().any(|other| other.addr() == place.addr()) {
                places.push(place);
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % places.len().max(1);
        places.rotate_left(turn);
        {
            let mut suspects = self.suspects();
            suspects.retain(|_, since| since.elapsed() < SUSPECT_FOR);
            places.sort_by_key(|place| suspects.contains_key(&address_of(place)));
        }
        let asked = places.into_iter().map(|place| async {
            let address = address_of(&place);
            let answer = self.ask(place).await;
            if answer.is_err() {
                self.suspect(&address);
            }
            answer
        });
        first_of(asked).await
    }

    async fn ask(&self, place: ConnectionInfo) -> Result<Vec<Range>> {
        let address = address_of(&place);
        let asking = async {
            let mut connection = connect(&place, &self.config).await?;
            let question = redis::cmd("CLUSTER").arg("SLOTS").take();
            question.query_async::<Value>(&mut connection).await.map_err(|error| {
                if error.to_string().contains("cluster support disabled") {
                    no_cluster(&address)
                } else {
                    explain(error, &address)
                }
            })
        };
        let limit = self.config.connect_timeout + self.config.response_timeout;
        let answer =
            tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| Err(silent(&address)))?;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let ranges = ranges(answer, host)?;
        if ranges.is_empty() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("Redis at {address} knows of no slots: is the cluster put together?"),
            ));
        }
        Ok(ranges)
    }
}
