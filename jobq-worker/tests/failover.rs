//! Workers on servers one of which is killed, and whose replica takes over by itself.
//!
//! Whether a replica has all that was acknowledged when it takes over is up to Redis, which copies a moment later: how much
//! was lost is printed. What has waited for the replica must be there.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]
#![allow(clippy::print_stderr, reason = "the figures of a run")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jobq_core::{Inspect, Job, JobResult, Queue, QueueName};
use jobq_redis::{Durability, RedisBackend, RedisConfig, TestCluster, TestSentinels};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many jobs are enqueued before the kill and after it, each way.
const MANY: u32 = 150;

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "failover", max_attempts = 3)]
struct Work {
    number: u32,
}

/// How often each job was finished.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<u32, u32>>>);

async fn work(job: Work, State(ledger): State<Ledger>) -> JobResult {
    tokio::time::sleep(Duration::from_millis(10)).await;
    *ledger.0.lock().unwrap().entry(job.number).or_default() += 1;
    Ok(())
}

/// The numbers of jobs that were acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<HashSet<u32>>>);

impl Acknowledged {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    async fn reaches(&self, count: usize) {
        let reached = async {
            while self.count() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let what = || format!("{} of {count} were acknowledged", self.count());
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{}", what()));
    }
}

/// Enqueues one job after the other for as long as anybody wants.
fn produce(backend: RedisBackend, from: u32) -> (Acknowledged, tokio::task::JoinHandle<()>) {
    let acknowledged = Acknowledged::default();
    let noted = acknowledged.clone();
    let task = tokio::spawn(async move {
        for number in from.. {
            match backend.enqueue(Work { number }).await {
                Ok(_) => drop(noted.0.lock().unwrap().insert(number)),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    });
    (acknowledged, task)
}

/// Kills a primary while workers work and producers produce, and sees what has become of the jobs.
async fn survives(url: &str, kill: impl FnOnce()) {
    let config = || {
        RedisConfig::new(url)
            .unwrap()
            .response_timeout(Duration::from_secs(1))
            .connect_timeout(Duration::from_secs(1))
    };
    let level = Durability::Replicas { count: 1, within: Duration::from_secs(1) };
    let plain = RedisBackend::connect_with(config()).await.unwrap();
    let durable = RedisBackend::connect_with(config().durability(level)).await.unwrap();
    let ledger = Ledger::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(plain.clone())
        .queues(["failover"])
        .concurrency(5)
        .lease(Duration::from_secs(2))
        .state(ledger.clone())
        .handle(work);
    let worker = tokio::spawn(worker.run_until(async {
        let _ = stopped.await;
    }));
    let (first, first_task) = produce(plain.clone(), 0);
    let (second, second_task) = produce(durable, 1_000_000);
    first.reaches(MANY as usize).await;
    second.reaches(MANY as usize).await;

    kill();
    let killed = Instant::now();

    let before = first.count();
    // More than could have been under way.
    first.reaches(before + 3).await;
    let outage = killed.elapsed();
    first.reaches(before + MANY as usize).await;
    // Nobody is left to copy to, so these are acknowledged no more.
    first_task.abort();
    second_task.abort();
    let queue = QueueName::new("failover").unwrap();
    let settled = async {
        loop {
            if let Ok(stats) = Inspect::queue(&plain, &queue).await
                && stats.ready + stats.scheduled + stats.leased == 0
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.expect("the queue is emptied");
    stop.send(()).unwrap();
    let summary = tokio::time::timeout(PATIENCE, worker).await.unwrap().unwrap().unwrap();

    let finished = ledger.0.lock().unwrap();
    let lost = |acknowledged: &Acknowledged| -> Vec<u32> {
        let acknowledged = acknowledged.0.lock().unwrap();
        acknowledged.iter().copied().filter(|number| !finished.contains_key(number)).collect()
    };
    let again = finished.values().filter(|count| **count > 1).count();
    eprintln!(
        "no enqueue for {outage:?}; of {} acknowledged {} lost; of {} that waited for the replica {} \
         lost; {again} ran again; {summary:?}",
        first.count(),
        lost(&first).len(),
        second.count(),
        lost(&second).len(),
    );
    assert_eq!(lost(&second), [0; 0], "lost though the replica had them");
    // What the replica had not got is a matter of milliseconds.
    assert!(lost(&first).len() <= MANY as usize / 5, "{:?}", lost(&first));
}

#[tokio::test]
async fn a_worker_goes_on_when_a_node_of_the_cluster_is_killed_and_replaced() {
    let mut cluster = TestCluster::start_with(3, 1, &[]).unwrap();
    let url = cluster.url();

    survives(&url, || {
        let primary = cluster.primary_of("{jobq:failover}:jobs").unwrap();
        cluster.node(primary).unwrap().kill();
    })
    .await;
}

#[tokio::test]
async fn a_worker_goes_on_when_sentinels_have_replaced_the_master() {
    let mut servers = TestSentinels::start().unwrap();
    let url = servers.url();

    survives(&url, || servers.master.kill()).await;
}
