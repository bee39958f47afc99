//! The core's specification of a backend, on a cluster of three nodes, as a user with just the rights that operators are
//! told to give. One cluster for all behaviours, each with a prefix of its own: to start one takes seconds.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::conformance::{Fixture, Store};
use jobq_core::{DeadRetention, ManualClock, QueueName};
use jobq_redis::{RedisBackend, RedisConfig, TestCluster};
use support::documented_user;

const PATIENCE: Duration = Duration::from_secs(60);

/// How many behaviours are tried at once.
const THREADS: usize = 4;

/// What a cluster refuses: `docs/decisions/0010-limits-across-queues.md`.
const REFUSAL: &str = "needs all queues on one server";

/// The behaviours that meet the refusal, each in a queue, a limit or a key that spans queues.
const REFUSED: [&str; 17] = [
    "unique_running::a_key_may_count_in_all_queues",
    "unique_running::a_key_of_a_queue_is_another_than_everywhere",
    "settings::shared_limits_are_listed",
    "shared::queues_share_their_slots",
    "shared::a_slot_freed_in_one_queue_wakes_another",
    "shared::a_slot_freed_by_a_crash_wakes_another_queue",
    "shared::a_freed_shared_slot_wakes_its_own_queue",
    "shared::a_raised_shared_limit_wakes_a_worker",
    "shared::what_runs_counts_as_long_as_its_queue_takes_part",
    "shared::room_of_a_shared_rate_is_announced",
    "shared::queues_share_a_rate",
    "shared::a_job_takes_its_cost_of_a_shared_rate",
    "shared::a_queues_own_limit_holds_beside_a_shared_one",
    "shared::an_operators_shared_limit_counts_first",
    "shared::a_shared_limit_without_limits_limits_nothing",
    "shared::shared_slots_neither_leak_nor_are_given_twice",
    "standing::a_shared_limit_is_said",
];

/// Random runs, which sooner or later come upon a shared limit or key.
const RANDOM: [&str; 5] = [
    "model::random_flow_1",
    "model::random_flow_2",
    "model::random_flow_3",
    "model::random_flow_4",
    "model::fresh_random_flow",
];

/// Where the cluster is: as jobq's user, and the ports of its nodes.
static CLUSTER: OnceLock<(String, Vec<u16>)> = OnceLock::new();

struct ClusterFixture {
    backend: RedisBackend,
    prefix: String,
}

#[async_trait]
impl Fixture for ClusterFixture {
    async fn create(clock: ManualClock, dead_retention: DeadRetention) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("jobq{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let config = RedisConfig::new(&CLUSTER.get().unwrap().0).unwrap().clock(clock);
        let config = config.prefix(&prefix).unwrap().dead_retention(dead_retention);
        // Time is the clock's here. That a machine is slow is no fault of the backend.
        let config = config.response_timeout(PATIENCE).connect_timeout(PATIENCE);
        Self { backend: RedisBackend::connect_with(config).await.unwrap(), prefix }
    }

    fn store(&self) -> &dyn Store {
        &self.backend
    }

    async fn assert_pristine(&self, queue: &QueueName) {
        let ports = &CLUSTER.get().unwrap().1;
        let servers: Vec<_> =
            ports.iter().map(|port| format!("redis://127.0.0.1:{port}")).collect();
        support::assert_nothing_is_left(&self.backend, &self.prefix, queue, &servers).await;
    }
}

/// Runs a behaviour; if it is not as expected, gives what it said.
fn run(name: &str, behaviour: fn()) -> Result<(), String> {
    let said = catch_unwind(behaviour).err().map(|said| match said.downcast::<String>() {
        Ok(text) => *text,
        Err(said) => (*said.downcast_ref::<&str>().unwrap_or(&"")).to_owned(),
    });
    let is_refused = said.as_ref().is_some_and(|said| said.contains(REFUSAL));
    let is_well = match (REFUSED.contains(&name), RANDOM.contains(&name)) {
        (true, _) => is_refused,
        (_, true) => is_refused || said.is_none(),
        _ => said.is_none(),
    };
    if is_well { Ok(()) } else { Err(said.unwrap_or_else(|| "it was not refused".to_owned())) }
}

#[test]
fn a_cluster_behaves_as_a_single_server_does() {
    let user: Vec<_> =
        documented_user().iter().map(|word| word.replace("{jobq", "{jobq*")).collect();
    let words: Vec<&str> =
        std::iter::once("--user").chain(user.iter().map(String::as_str)).collect();
    let cluster = TestCluster::start_with(3, 0, &words).unwrap();
    let ports = cluster.nodes().iter().map(jobq_redis::TestServer::port).collect();
    CLUSTER.set((cluster.url_for("jobq:secret@"), ports)).unwrap();
    let behaviours = jobq_core::conformance::behaviours!(ClusterFixture);
    assert!(behaviours.len() > 400, "{}", behaviours.len());
    for name in REFUSED.iter().chain(&RANDOM) {
        assert!(behaviours.iter().any(|(known, _)| known == name), "{name} is no behaviour");
    }

    // What goes wrong is told at the end, by name.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((name, behaviour)) =
                    behaviours.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(said) = run(name, *behaviour) {
                        failed.lock().unwrap().push((*name, *behaviour, said));
                    }
                }
            });
        }
    });
    // That nobody is woken is seen by waiting for a moment, which four at once on a busy machine may
    // stretch. Those that failed are tried again, one by one; but random ones would be others then.
    let failed: Vec<_> = failed
        .into_inner()
        .unwrap()
        .into_iter()
        .filter(|(name, behaviour, _)| RANDOM.contains(name) || run(name, *behaviour).is_err())
        .map(|(name, _, said)| (name, said))
        .collect();
    drop(std::panic::take_hook());
    assert!(failed.is_empty(), "{} do not behave: {failed:#?}", failed.len());
}
