//! The way to the keys: one server, or that of a cluster's nodes that has them.

use std::fmt;
use std::sync::Arc;

use jobq_core::{ErrorKind, Result};
use redis::{Client, Cmd, ConnectionInfo, Value};

use crate::clock::ServerClock;
use crate::cluster::Cluster;
use crate::config::RedisConfig;
use crate::error::{Fault, explain, is_unknown_script};
use crate::node::{Node, Place, tuned};
use crate::scripts::Script;
use crate::sentinel::{Found, Sentinels};
use crate::slots::slot_of;
use crate::topology::Topology;

pub(crate) struct Link {
    way: Way,
    address: String,
    pub(crate) clock: Arc<ServerClock>,
}

enum Way {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl Link {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self> {
        let (address, clock) = (config.address(), Arc::<ServerClock>::default());
        let one = |place| Way::One(Arc::new(Node::new(place, config, Arc::clone(&clock))));
        let possible = |server| {
            Client::open(tuned(server, config)).map(drop).map_err(|error| explain(error, &address))
        };
        let way = match &config.topology {
            Topology::One(server) => {
                possible(server)?;
                one(Place::Fixed(Box::new(server.clone())))
            }
            Topology::Sentinel { sentinels, master, server } => {
                possible(server)?;
                let (all, master, server) = (sentinels.clone(), Arc::clone(master), server.clone());
                let sentinels = Sentinels::new(all, master, server, config.clone());
                one(Place::Master(Arc::new(sentinels)))
            }
            Topology::Cluster(seeds) => {
                seeds.iter().try_for_each(possible)?;
                Way::Cluster(Arc::new(Cluster::new(seeds.clone(), config, Arc::clone(&clock))))
            }
        };
        Ok(Self { way, address, clock })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether queues are on servers of their own, so that no step can span them.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self.way, Way::Cluster(_))
    }

    /// Runs a command. On failure it may or may not have had its effect.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value> {
        self.try_send(command).await?.map_err(Fault::explain)
    }

    /// Runs a script, by its digest or, if the server does not know it, by its text.
    pub(crate) async fn run(&self, script: &Script, call: &Cmd) -> Result<Value> {
        match self.try_send(call).await? {
            Err(fault) if is_unknown_script(&fault.error) => {
                self.send(&script.call_whole(call)).await
            }
            answer => answer.map_err(Fault::explain),
        }
    }

    /// Runs a command that may be repeated: a second time if the connection failed. A third time would
    /// only hide an outage.
    pub(crate) async fn send_again(&self, command: &Cmd) -> Result<Value> {
        match self.send(command).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => self.send(command).await,
            answer => answer,
        }
    }

    /// Makes sure of the connection by which a key is reached, if it has been quiet for a while: it may
    /// have died unnoticed, and a call that must not be sent twice should not be the one to find out.
    pub(crate) async fn freshen(&self, key: &str) -> Result<()> {
        match &self.way {
            Way::One(node) => {
                if node.is_quiet() {
                    self.send_again(&redis::cmd("PING")).await?;
                }
            }
            Way::Cluster(cluster) => {
                let slot = slot_of(key.as_bytes());
                if cluster.owner(slot).await?.is_quiet() {
                    let (ping, mut tries) = (redis::cmd("PING"), 0);
                    while let Err(fault) = cluster.try_send_to(slot, &ping).await? {
                        tries += 1;
                        if tries == 2 {
                            return Err(fault.explain());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// All servers that hold keys.
    pub(crate) async fn nodes(&self) -> Result<Vec<Arc<Node>>> {
        match &self.way {
            Way::One(node) => Ok(vec![Arc::clone(node)]),
            Way::Cluster(cluster) => cluster.primaries().await,
        }
    }

    /// The server that has a key just now, for a connection of one's own.
    pub(crate) async fn place_of(&self, key: &str) -> Result<Found> {
        match &self.way {
            Way::One(node) => node.find().await,
            Way::Cluster(cluster) => cluster.owner(slot_of(key.as_bytes())).await?.find().await,
        }
    }

    /// Whether a key is still at the server where it was found: asked again. A server that was frozen, and has
    /// been replaced meanwhile, answers as if nothing had been.
    pub(crate) async fn is_still_at(&self, key: &str, server: &ConnectionInfo) -> bool {
        match &self.way {
            Way::One(node) => node.is_still_at(server).await,
            Way::Cluster(cluster) => cluster.is_still_at(slot_of(key.as_bytes()), server).await,
        }
    }

    /// The servers at each of which everything that is published can be heard.
    pub(crate) async fn places_to_listen(&self) -> Result<Vec<ConnectionInfo>> {
        match &self.way {
            Way::One(node) => Ok(vec![node.find().await?.server]),
            Way::Cluster(cluster) => cluster.places().await,
        }
    }

    /// A connection of one's own was led astray, or failed.
    pub(crate) fn doubt(&self) {
        match &self.way {
            Way::One(node) => node.doubt(),
            Way::Cluster(cluster) => cluster.doubt(),
        }
    }

    /// The outer error is of connecting, the inner one of the command.
    async fn try_send(&self, command: &Cmd) -> Result<Result<Value, Fault>> {
        match &self.way {
            Way::One(node) => node.try_send(command).await,
            // Boxed so that calls of a single server do not carry the room for it.
            Way::Cluster(cluster) => Box::pin(cluster.try_send(command)).await,
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}
