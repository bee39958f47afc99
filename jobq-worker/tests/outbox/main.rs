//! The whole way, by processes that are killed with SIGKILL at any moment: a producer, two relays and a
//! worker, on a real Redis and real databases. No order is without its effect, and none has two.
//!
//! The processes are this test's own program, started again with a part to play.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(clippy::print_stdout, reason = "a test that fails needs its seed")]

#[allow(dead_code, reason = "no test uses all of it")]
#[path = "../../../jobq-core/tests/sql/databases/mod.rs"]
mod databases;
mod parts;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jobq_core::{Inspect, QueueName};
use jobq_redis::{RedisBackend, TestServer};

use databases::mariadb::MariaDb;
use databases::postgres::PostgreSql;
use databases::{Place, TestDb, sqlite_url};
use parts::{Part, QUEUE};

const KILLS: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
async fn killed_at_any_moment_on_sqlite() {
    let directory = tempfile::TempDir::new().unwrap();
    kill_and_count::<sqlx::Sqlite>(&sqlite_url(directory.path())).await;
}

#[tokio::test]
async fn killed_at_any_moment_on_mariadb() {
    let server = MariaDb::start().await;
    kill_and_count::<sqlx::MySql>(&server.database("shop").await).await;
}

#[tokio::test]
async fn killed_at_any_moment_on_postgresql() {
    let server = PostgreSql::start().await;
    kill_and_count::<sqlx::Postgres>(&server.database("shop").await).await;
}

/// Not a test of its own: a process with a part to play runs until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plays_its_part() {
    if let Some((part, database, redis)) = Part::of_this_process() {
        part.play(&database, &redis).await;
    }
}

async fn kill_and_count<DB: TestDb>(url: &str) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let redis = TestServer::start().unwrap();
    let queue = RedisBackend::connect(&redis.url()).await.unwrap();
    let at = Place::<DB>::at(url).await;
    at.run("CREATE TABLE repeats (order_id BIGINT NOT NULL)").await;
    let start = |part| Process::start(part, url, &redis.url());
    let mut running = [Part::Produce, Part::Relay, Part::Relay, Part::Work].map(start);

    // A kill after some more orders or effects: somewhere within the next ones.
    let mut aim = 0;
    for _ in 0..KILLS {
        aim = at.count("orders").await + at.count("effects").await + chance.i64(1..25);
        reaches(&at, aim).await;
        let process = &mut running[chance.usize(..4)];
        let part = process.part;
        process.kill();
        *process = start(part);
    }
    running[0].kill();
    let orders = at.count("orders").await;
    done(&at, &queue, orders).await;
    drop(running);

    let repeats = at.count("repeats").await;
    println!("{orders} orders, {KILLS} kills, {aim} steps, {repeats} runs that found it done");
    assert!(orders > 100, "{orders} orders are too few for {KILLS} kills");
    let expected = at.numbers("SELECT id FROM orders ORDER BY id").await;
    let effects = at.numbers("SELECT order_id FROM effects ORDER BY order_id").await;
    assert_eq!(effects, expected, "seed {seed}");
    assert_eq!(at.count("jobq_outbox_rejected").await, 0, "seed {seed}");
    assert_eq!(at.count("jobq_inbox").await, orders, "seed {seed}");
}

async fn reaches<DB: TestDb>(at: &Place<DB>, aim: i64) {
    let deadline = Instant::now() + PATIENCE;
    while at.count("orders").await + at.count("effects").await < aim {
        assert!(Instant::now() < deadline, "nothing moves on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until all there is has been done.
async fn done<DB: TestDb>(at: &Place<DB>, queue: &RedisBackend, orders: i64) {
    let deadline = Instant::now() + PATIENCE;
    let name = QueueName::new(QUEUE).unwrap();
    loop {
        let left = at.count("jobq_outbox").await;
        let stats = queue.queue(&name).await.unwrap();
        assert_eq!(stats.dead, 0);
        let effects = at.count("effects").await;
        if left == 0 && stats.ready + stats.leased + stats.scheduled == 0 && effects >= orders {
            return;
        }
        let state =
            format!("{left} in the outbox, {effects} effects for {orders} orders, {stats:?}");
        assert!(Instant::now() < deadline, "{state}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A process, killed when dropped.
struct Process {
    part: Part,
    child: Child,
}

impl Process {
    fn start(part: Part, database: &str, redis: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "plays_its_part", "--nocapture"]);
        part.give_to(&mut command, database, redis);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { part, child }
    }

    /// SIGKILL: no destructor, no goodbye.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), None, "{:?} had ended by itself", self.part);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
