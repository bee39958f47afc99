//! What producers meet on a cluster: nodes that are gone or frozen, and queues that are moved.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jobq_core::{Backend, ErrorKind, NewJob, QueueName};
use jobq_redis::{Durability, RedisBackend, RedisConfig, TestCluster, TestServer};
use support::job;

/// What a node that is well needs at most, on a loaded machine.
const AT_ONCE: Duration = Duration::from_millis(200);

fn job_for(queue: &QueueName) -> NewJob {
    let mut job = job();
    job.record.queue = queue.clone();
    job
}

fn port_of(cluster: &TestCluster, queue: &QueueName) -> u16 {
    cluster.primary_of(&format!("{{jobq:{queue}}}:jobs")).unwrap()
}

/// A queue on each node.
fn queues(cluster: &TestCluster) -> Vec<QueueName> {
    let mut seen = HashSet::new();
    let all = (0..).map(|number| QueueName::new(format!("queue{number}")).unwrap());
    all.filter(|queue| seen.insert(port_of(cluster, queue))).take(3).collect()
}

fn cluster() -> TestCluster {
    TestCluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).unwrap()
}

/// It waits for no replica, but on the way of those that do.
fn waiting() -> Durability {
    Durability::Replicas { count: 0, within: Duration::from_secs(1) }
}

async fn backend(url: &str, durability: Durability) -> RedisBackend {
    let config = RedisConfig::new(url)
        .unwrap()
        .response_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(2))
        .durability(durability);
    RedisBackend::connect_with(config).await.unwrap()
}

async fn ask(port: u16, words: &[&str]) -> redis::Value {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

async fn text(port: u16, words: &[&str]) -> String {
    redis::from_redis_value(ask(port, words).await).unwrap()
}

/// An empty queue's slot on its way from node to node.
struct Move {
    slot: String,
    from: u16,
    to: u16,
    third: u16,
    to_id: String,
}

impl Move {
    async fn begin(cluster: &TestCluster, queue: &QueueName) -> Self {
        let from = port_of(cluster, queue);
        let others = cluster.nodes().iter().map(TestServer::port).filter(|port| *port != from);
        let others: Vec<_> = others.collect();
        let (to, third) = (others[0], others[1]);
        let key = format!("{{jobq:{queue}}}:jobs");
        let slot: u16 =
            redis::from_redis_value(ask(from, &["CLUSTER", "KEYSLOT", &key]).await).unwrap();
        let slot = slot.to_string();
        let from_id = text(from, &["CLUSTER", "MYID"]).await;
        let to_id = text(to, &["CLUSTER", "MYID"]).await;
        ask(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
        ask(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
        Self { slot, from, to, third, to_id }
    }

    /// The third node hears of it only when the others tell it.
    async fn end(&self) {
        for port in [self.to, self.from] {
            ask(port, &["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.to_id]).await;
        }
    }
}

#[tokio::test]
async fn an_enqueue_that_waits_follows_a_queue_that_is_moved() {
    let cluster = cluster();
    for queue in queues(&cluster) {
        let moved = Move::begin(&cluster, &queue).await;
        let old = backend(&cluster.url(), waiting()).await;
        for durability in [Durability::Server, waiting()] {
            let backend = backend(&cluster.url(), durability).await;
            let error = backend.enqueue_jobs(&[job_for(&queue)]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            let told = error.to_string();
            assert!(told.contains("handing the queue over") && told.contains("passes"), "{told}");
        }

        // Those who ask the third node for the way are sent to the old one, and on from there.
        let url = format!("redis+cluster://127.0.0.1:{}", moved.third);
        let mut late = Vec::new();
        for _ in 0..3 {
            late.push(backend(&url, waiting()).await);
        }
        moved.end().await;
        for backend in late.iter().chain([&old]) {
            let enqueued = backend.enqueue_jobs(&[job_for(&queue)]).await.unwrap();
            assert!(enqueued[0].is_created());
        }
        assert_eq!(port_of(&cluster, &queue), moved.to);
    }
}

/// The list of queues is on one node, the queue on another.
#[tokio::test]
async fn a_queue_that_was_listed_once_does_not_need_the_node_of_the_list() {
    for durability in [Durability::Server, waiting()] {
        for is_frozen in [true, false] {
            let mut cluster = cluster();
            let backend = backend(&cluster.url(), durability).await;
            let home = cluster.primary_of("{jobq}:queues").unwrap();
            let mut queues = queues(&cluster);
            queues.retain(|queue| port_of(&cluster, queue) != home);
            let (known, new) = (&queues[0], QueueName::new("new").unwrap());
            backend.enqueue_jobs(&[job_for(known)]).await.unwrap();

            let node = cluster.node(home).unwrap();
            if is_frozen {
                support::signal(node, "-STOP");
            } else {
                node.kill();
            }
            for _ in 0..3 {
                // Longer than it is taken to be on the list. Time goes on only here.
                tokio::time::pause();
                tokio::time::advance(Duration::from_secs(31)).await;
                tokio::time::resume();
                let began = Instant::now();
                let enqueued = backend.enqueue_jobs(&[job_for(known)]).await.unwrap();
                assert!(enqueued[0].is_created());
                assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
            }
            // Nobody would know of this one.
            let error = backend.enqueue_jobs(&[job_for(&new)]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
    }
}

#[tokio::test]
async fn many_calls_to_a_frozen_node_hold_up_no_call_to_another() {
    let cluster = cluster();
    let queues = queues(&cluster);
    for durability in [Durability::Server, waiting()] {
        let backend = backend(&cluster.url(), durability).await;
        for queue in &queues {
            backend.enqueue_jobs(&[job_for(queue)]).await.unwrap();
        }
        let port = port_of(&cluster, &queues[0]);
        let frozen = cluster.nodes().iter().find(|node| node.port() == port).unwrap();

        support::signal(frozen, "-STOP");
        let jobs: Vec<_> = (0..6).map(|_| [job_for(&queues[0])]).collect();
        let stuck = join_all(jobs.iter().map(|jobs| backend.enqueue_jobs(jobs)));
        let others = async {
            let mut slowest = Duration::ZERO;
            for queue in queues[1..].iter().cycle().take(20) {
                let (one, two) = ([job_for(queue)], [job_for(queue)]);
                let began = Instant::now();
                let (one, two) =
                    tokio::join!(backend.enqueue_jobs(&one), backend.enqueue_jobs(&two));
                slowest = slowest.max(began.elapsed());
                assert!(one.unwrap()[0].is_created() && two.unwrap()[0].is_created());
            }
            slowest
        };
        let (stuck, slowest) = tokio::join!(stuck, others);
        support::signal(frozen, "-CONT");

        assert!(slowest < AT_ONCE, "{slowest:?}");
        for refusal in stuck {
            assert_eq!(refusal.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        support::eventually(async || backend.enqueue_jobs(&jobs[0]).await).await;
    }
}
