//! What is particular to a cluster. That everything else is as on a single server is shown by `cluster_conformance.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use jobq_core::{
    Backend, BatchId, BatchRef, ErrorKind, Inspect, JobState, LeaseRequest, LimitName, LimitScope,
    LimitSource, Limits, NewBatch, NewJob, QueueName, Unique, UniqueKey, UniqueMode, WorkerId,
};
use jobq_redis::{Durability, RedisBackend, RedisConfig, TestCluster, TestServer};
use support::{LEASE, PATIENCE, eventually, job};

fn name(queue: &str) -> QueueName {
    QueueName::new(queue).unwrap()
}

fn job_for(queue: &QueueName) -> NewJob {
    let mut job = job();
    job.record.queue = queue.clone();
    job
}

async fn backend(cluster: &TestCluster) -> RedisBackend {
    let config = RedisConfig::new(&cluster.url())
        .unwrap()
        .response_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(1));
    RedisBackend::connect_with(config).await.unwrap()
}

fn port_of(cluster: &TestCluster, queue: &QueueName) -> u16 {
    cluster.primary_of(&format!("{{jobq:{queue}}}:jobs")).unwrap()
}

/// A queue on each node.
fn queues(cluster: &TestCluster) -> Vec<QueueName> {
    let mut seen = HashSet::new();
    let all = (0..).map(|number| name(&format!("queue{number}")));
    all.filter(|queue| seen.insert(port_of(cluster, queue))).take(3).collect()
}

async fn lease(backend: &RedisBackend, queue: &QueueName) -> usize {
    let request = LeaseRequest::new(WorkerId::from_u64(7), 10, LEASE);
    backend.exchange(queue, &[], Some(request)).await.unwrap().leases.len()
}

/// The answer of a node.
async fn ask(port: u16, words: &[&str]) -> redis::Value {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn queues_are_spread_and_found_again() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    let queues = queues(&cluster);

    let jobs: Vec<_> = queues.iter().map(job_for).collect();
    backend.enqueue_jobs(&jobs).await.unwrap();

    for (queue, job) in queues.iter().zip(&jobs) {
        let key = format!("{{jobq:{queue}}}:jobs");
        let there = ask(port_of(&cluster, queue), &["EXISTS", &key]).await;
        assert_eq!(there, redis::Value::Int(1), "{queue}");
        assert_eq!(backend.locate(job.record.id).await.unwrap().as_ref(), Some(queue));
    }
    let stats = Inspect::queues(&backend).await.unwrap();
    assert_eq!(stats.iter().map(|queue| queue.ready).sum::<u64>(), 3);
    let facts = backend.server_facts().await.unwrap();
    assert!(facts.address.starts_with("cluster 127.0.0.1:"), "{facts:?}");
    assert_eq!(facts.eviction.as_deref(), Some("noeviction"));
    assert_eq!(backend.rights().await.unwrap().missing, [""; 0]);
    assert_eq!(backend.round_trips(3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_worker_is_woken_by_any_of_its_queues() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    let queues = queues(&cluster);
    for queue in &queues {
        let jobs = [job_for(queue)];
        let (woken, _) = tokio::join!(backend.wait(&queues), backend.enqueue_jobs(&jobs));
        assert_eq!(woken.unwrap(), *queue);
    }
}

#[tokio::test]
async fn a_job_on_another_node_is_watched() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    for queue in queues(&cluster) {
        let job = job_for(&queue);
        backend.enqueue_jobs(std::slice::from_ref(&job)).await.unwrap();
        let seen = backend.watch(&queue, job.record.id, None).await.unwrap();
        let watch = tokio::time::timeout(
            // Less than it takes to look again untold.
            Duration::from_secs(10),
            backend.watch(&queue, job.record.id, Some(&seen)),
        );
        let (told, leased) = tokio::join!(watch, lease(&backend, &queue));
        assert_eq!(leased, 1);
        assert_eq!(told.unwrap().unwrap().state, Some(JobState::Leased));
    }
}

#[tokio::test]
async fn one_node_in_the_url_is_enough_and_dead_ones_do_not_matter() {
    let cluster = TestCluster::start().unwrap();
    let mut gone = TestServer::start().unwrap();
    gone.kill();
    let url = format!(
        "redis+cluster://127.0.0.1:{},127.0.0.1:{}",
        gone.port(),
        cluster.nodes()[1].port()
    );

    let backend = RedisBackend::connect(&url).await.unwrap();

    for queue in queues(&cluster) {
        backend.enqueue_jobs(&[job_for(&queue)]).await.unwrap();
        assert_eq!(lease(&backend, &queue).await, 1);
    }
}

#[tokio::test]
async fn the_url_must_say_that_it_is_a_cluster_and_only_then() {
    let (cluster, single) = (TestCluster::start().unwrap(), TestServer::start().unwrap());
    let url = cluster.nodes()[0].url();

    let error = RedisBackend::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let form = format!("give the URL in the form {}", url.replace("redis:", "redis+cluster:"));
    assert!(error.to_string().contains(&form), "{error}");

    let url = single.url().replace("redis:", "redis+cluster:");
    let error = RedisBackend::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("does not run in cluster mode"), "{error}");
}

#[tokio::test]
async fn what_spans_queues_in_one_step_is_refused() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    let (queue, key) = (name("mail"), UniqueKey::from_bytes([1; 16]));
    let mut job = job_for(&queue);
    job.record.unique = Some(Unique::new(key, UniqueMode::UntilFinished).everywhere());
    let shared = LimitName::new("api").unwrap();
    let mut batch = NewBatch::new(BatchRef::new(queue.clone(), BatchId::from_key("a")), "a");
    batch.on_success = Some(job.clone());

    let refusals = [
        backend.enqueue_jobs(&[job_for(&queue), job.clone()]).await.map(drop),
        backend.open_batch(&batch).await.map(drop),
        backend
            .set_limits(
                &LimitScope::Shared(shared.clone()),
                LimitSource::Code,
                &Limits::new().concurrency(1),
            )
            .await,
        backend
            .set_limits(
                &LimitScope::Queue(queue.clone()),
                LimitSource::Code,
                &Limits::new().shared(shared),
            )
            .await,
    ];

    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains("keep it within a queue"), "{error}");
    }
    assert!(Inspect::queues(&backend).await.unwrap().is_empty(), "nothing was written");
    // Looking is no fault, though there is nothing to see.
    assert!(backend.shared_limits().await.unwrap().is_empty());
    assert!(backend.unique(&queue, key).await.unwrap().is_empty());
}

/// Moves a queue's slot to another node, key by key, while somebody works on it.
#[tokio::test]
async fn a_queue_may_move_to_another_node_meanwhile() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    let queue = name("mail");
    let jobs = [job_for(&queue), job_for(&queue)];
    backend.enqueue_jobs(&jobs).await.unwrap();
    let request = LeaseRequest::new(WorkerId::from_u64(7), 10, LEASE);
    let from = port_of(&cluster, &queue);
    let to = cluster.nodes().iter().map(TestServer::port).find(|port| *port != from).unwrap();
    let key = format!("{{jobq:{queue}}}:jobs");
    let redis::Value::Int(slot) = ask(from, &["CLUSTER", "KEYSLOT", &key]).await else {
        panic!("no slot")
    };
    let slot = slot.to_string();
    let text = |value| match value {
        redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    let (from_id, to_id) =
        (text(ask(from, &["CLUSTER", "MYID"]).await), text(ask(to, &["CLUSTER", "MYID"]).await));
    ask(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    ask(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    let keys = match ask(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await {
        redis::Value::Array(keys) => keys.into_iter().map(text).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(keys.len() > 2, "{keys:?}");
    let migrate = async |keys: &[String]| {
        let port = to.to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        words.extend(keys.iter().map(String::as_str));
        ask(from, &words).await;
    };

    // Scripts name keys that are not there, so they have to wait for the whole slot.
    migrate(&keys[..1]).await;
    for rest in [&keys[1..2], &keys[2..]] {
        let error = backend.exchange(&queue, &[], Some(request)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("handing the queue over"), "{error}");
        // Those with one key follow it.
        assert!(backend.locate(jobs[1].record.id).await.unwrap().is_some());
        migrate(rest).await;
    }

    for node in cluster.nodes() {
        ask(node.port(), &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    assert_eq!(lease(&backend, &queue).await, 2);
    assert_eq!(port_of(&cluster, &queue), to);
    let jobs = [job_for(&queue)];
    let wait = tokio::time::timeout(PATIENCE, backend.wait(std::slice::from_ref(&queue)));
    let (woken, _) = tokio::join!(wait, backend.enqueue_jobs(&jobs));
    assert_eq!(woken.unwrap().unwrap(), queue);
}

/// One whose process is stopped takes connections and never answers.
#[tokio::test]
async fn a_frozen_node_holds_up_no_queue_but_its_own() {
    let cluster =
        TestCluster::start_with(3, 0, &["--cluster-require-full-coverage", "no"]).unwrap();
    let backend = backend(&cluster).await;
    let queues = queues(&cluster);
    for queue in &queues {
        backend.enqueue_jobs(&[job_for(queue)]).await.unwrap();
    }
    let frozen = port_of(&cluster, &queues[0]);
    let frozen = cluster.nodes().iter().find(|node| node.port() == frozen).unwrap();

    support::signal(frozen, "-STOP");
    let began = Instant::now();
    let others = async {
        for queue in &queues[1..] {
            backend.enqueue_jobs(&[job_for(queue)]).await.unwrap();
            assert_eq!(lease(&backend, queue).await, 2);
        }
        began.elapsed()
    };
    let jobs = [job_for(&queues[0])];
    let (error, others_took) = tokio::join!(backend.enqueue_jobs(&jobs), others);
    let gave_up_after = began.elapsed();
    // Also those that come when the map of the slots is in doubt.
    backend.enqueue_jobs(&[job_for(&queues[1])]).await.unwrap();
    support::signal(frozen, "-CONT");

    assert_eq!(error.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(others_took < Duration::from_millis(900), "{others_took:?}");
    assert!(gave_up_after < Duration::from_secs(5), "{gave_up_after:?}");
    eventually(async || backend.enqueue_jobs(&jobs).await).await;
    let woken = eventually(async || backend.wait(&queues[..1]).await).await;
    assert_eq!(woken, queues[0]);
}

/// It answers what its socket took while it was frozen before it hears that its replica has taken over.
#[tokio::test]
async fn what_a_thawed_primary_answers_late_is_not_believed() {
    for level in
        [Durability::Server, Durability::Replicas { count: 0, within: Duration::from_secs(1) }]
    {
        let cluster = TestCluster::start_with(3, 1, &[]).unwrap();
        let config = RedisConfig::new(&cluster.url())
            .unwrap()
            .response_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .durability(level);
        let backend = RedisBackend::connect_with(config).await.unwrap();
        let queue = name("mail");
        backend.enqueue_jobs(&[job_for(&queue)]).await.unwrap();
        let port = port_of(&cluster, &queue);
        let frozen = cluster.nodes().iter().find(|node| node.port() == port).unwrap();
        let other = cluster.nodes().iter().find(|node| node.port() != port).unwrap();
        let jobs: Vec<_> = (0..5).map(|_| job_for(&queue)).collect();

        support::signal(frozen, "-STOP");
        let answers = jobs.iter().map(|job| backend.enqueue_jobs(std::slice::from_ref(job)));
        let answers = futures_util::future::join_all(answers);
        let thawed = async {
            eventually(async || {
                let nodes = ask(other.port(), &["CLUSTER", "NODES"]).await;
                let nodes: String = redis::from_redis_value(nodes).unwrap();
                let masters = nodes
                    .lines()
                    .filter(|line| line.contains("master") && !line.contains("fail"))
                    .count();
                if masters == 3 && nodes.contains("fail") { Ok(()) } else { Err("no failover") }
            })
            .await;
            support::signal(frozen, "-CONT");
        };
        let (answers, ()) = tokio::join!(answers, thawed);

        let new = eventually(async || {
            let new = RedisBackend::connect(&cluster.url()).await?;
            new.enqueue_jobs(&[job_for(&queue)]).await?;
            Ok::<_, jobq_core::Error>(new)
        })
        .await;
        for (answer, job) in answers.iter().zip(&jobs) {
            match answer {
                Ok(_) => {
                    let found = new.job(&queue, job.record.id).await.unwrap();
                    assert!(found.is_some(), "acknowledged and lost ({level:?})");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
            }
        }
    }
}

/// One that is cut off knows itself only, says that the cluster is down, and would say so for ever.
#[tokio::test]
async fn a_node_that_is_cut_off_does_not_hide_who_has_its_queues_now() {
    let cluster = TestCluster::start().unwrap();
    let backend = backend(&cluster).await;
    let queues = queues(&cluster);
    // The one that would be asked first in the order of ports.
    let first = cluster.nodes().iter().map(TestServer::port).min().unwrap();
    let queue = queues.iter().find(|queue| port_of(&cluster, queue) == first).unwrap();
    backend.enqueue_jobs(&[job_for(queue)]).await.unwrap();

    cut_off(&cluster, first).await;
    let began = Instant::now();
    let job = job_for(queue);
    eventually(async || backend.enqueue_jobs(std::slice::from_ref(&job)).await).await;

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(lease(&backend, queue).await, 1);
}

/// Takes a node out of a cluster of three, and gives its slots to another. It does not know more than that
/// the others are gone.
async fn cut_off(cluster: &TestCluster, node: u16) {
    let id = async |port| {
        let id = ask(port, &["CLUSTER", "MYID"]).await;
        redis::from_redis_value::<String>(id).unwrap()
    };
    let ports: Vec<u16> = cluster.nodes().iter().map(TestServer::port).collect();
    let nth = ports.iter().position(|port| *port == node).unwrap();
    let others: Vec<u16> = ports.into_iter().filter(|port| *port != node).collect();
    let its_id = id(node).await;
    for other in &others {
        ask(node, &["CLUSTER", "FORGET", &id(*other).await]).await;
        ask(*other, &["CLUSTER", "FORGET", &its_id]).await;
    }
    let slots = 16_384 * nth / 3..16_384 * (nth + 1) / 3;
    let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
    let mut words = vec!["CLUSTER", "ADDSLOTS"];
    words.extend(slots.iter().map(String::as_str));
    ask(others[0], &words).await;
    eventually(async || {
        for other in &others {
            let state = ask(*other, &["CLUSTER", "INFO"]).await;
            let state = redis::from_redis_value::<String>(state).unwrap();
            if !state.contains("cluster_state:ok") {
                return Err(state);
            }
        }
        Ok(())
    })
    .await;
}

/// Whoever listens for changes does so at one node, which may be the one that is killed.
#[tokio::test]
async fn a_watch_outlives_the_node_it_listens_at() {
    let arguments = ["--cluster-require-full-coverage", "no"];
    let mut cluster = TestCluster::start_with(3, 0, &arguments).unwrap();
    let backend = backend(&cluster).await;
    let queues = queues(&cluster);
    let jobs: Vec<_> = queues[..2].iter().map(job_for).collect();
    backend.enqueue_jobs(&jobs).await.unwrap();
    let watch = async |job: &NewJob| {
        let (queue, id) = (&job.record.queue, job.record.id);
        let seen = eventually(async || backend.watch(queue, id, None).await).await;
        eventually(async || backend.watch(queue, id, Some(&seen)).await).await
    };
    let mut watches = jobs.iter().map(|job| Box::pin(watch(job))).collect::<Vec<_>>();

    let listener = async {
        loop {
            for node in cluster.nodes() {
                if clients(node.port()).await.contains("cmd=subscribe") {
                    return node.port();
                }
            }
        }
    };
    let listener = tokio::select! {
        port = listener => port,
        _ = futures_util::future::select_all(watches.iter_mut()) => panic!("nothing changed"),
    };
    let watched = usize::from(port_of(&cluster, &queues[0]) == listener);
    cluster.node(listener).unwrap().kill();
    let told = watches.swap_remove(watched);
    let change = async {
        assert_eq!(lease(&backend, &queues[watched]).await, 1);
    };
    let (told, ()) = tokio::join!(tokio::time::timeout(PATIENCE, told), change);
    assert_eq!(told.unwrap().state, Some(JobState::Leased));
}

async fn clients(port: u16) -> String {
    match ask(port, &["CLIENT", "LIST"]).await {
        redis::Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
        redis::Value::VerbatimString { text, .. } => text,
        other => panic!("{other:?}"),
    }
}
