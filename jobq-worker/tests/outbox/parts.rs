//! The programs that are killed: each goes on for ever, and takes up where the one before it was killed.

use std::process::Command;
use std::time::Duration;

use jobq_core::sql::inbox;
use jobq_core::sql::outbox::{self, Relay};
use jobq_core::{Job, JobContext, JobId, JobResult};
use jobq_redis::RedisBackend;
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, MySql, Pool, Postgres, Sqlite};

use super::databases::TestDb;

pub(crate) const QUEUE: &str = "shipping";
const PART: &str = "JOBQ_TEST_PART";
const DATABASE: &str = "JOBQ_TEST_DATABASE";
const REDIS: &str = "JOBQ_TEST_REDIS";

/// Kills count as crashes of the job that ran, and this test has plenty.
#[derive(Serialize, Deserialize, Job)]
#[job(
    kind = "ship",
    queue = "shipping",
    max_attempts = 1000,
    max_crashes = 255,
    backoff = "fixed(100ms)"
)]
struct Ship {
    order: i64,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Produce,
    Relay,
    Work,
}

impl Part {
    /// What this process was started for, if for anything.
    pub(crate) fn of_this_process() -> Option<(Self, String, String)> {
        let part = match std::env::var(PART).ok()?.as_str() {
            "produce" => Self::Produce,
            "relay" => Self::Relay,
            _ => Self::Work,
        };
        Some((part, std::env::var(DATABASE).unwrap(), std::env::var(REDIS).unwrap()))
    }

    pub(crate) fn give_to(self, command: &mut Command, database: &str, redis: &str) {
        let part = match self {
            Self::Produce => "produce",
            Self::Relay => "relay",
            Self::Work => "work",
        };
        command.env(PART, part).env(DATABASE, database).env(REDIS, redis);
    }

    pub(crate) async fn play(self, database: &str, redis: &str) {
        match database.split(':').next().unwrap() {
            "sqlite" => self.play_on::<Sqlite>(database, redis).await,
            "mysql" => self.play_on::<MySql>(database, redis).await,
            _ => self.play_on::<Postgres>(database, redis).await,
        }
    }

    async fn play_on<DB: TestDb>(self, database: &str, redis: &str) {
        let pool = DB::open(database).await;
        match self {
            Self::Produce => produce(&pool).await,
            Self::Relay => {
                let queue = RedisBackend::connect(redis).await.unwrap();
                let relay =
                    Relay::new(pool, queue).jobs_per_call(5).poll(Duration::from_millis(20));
                let relay = relay.claim(Duration::from_secs(1));
                relay.run_until(std::future::pending()).await.unwrap();
            }
            Self::Work => {
                let queue = RedisBackend::connect(redis).await.unwrap();
                let worker = Worker::new(queue).queues([QUEUE]).concurrency(4).state(pool);
                worker.lease(Duration::from_secs(1)).handle(ship::<DB>).run().await.unwrap();
            }
        }
    }
}

/// An order, and the job for it, in one transaction; then the next.
async fn produce<DB: TestDb>(pool: &Pool<DB>) {
    let mut connection = pool.acquire().await.unwrap();
    let newest = "SELECT COALESCE(MAX(id), 0) FROM orders".to_owned();
    let mut order = DB::numbers(&mut connection, newest).await[0];
    loop {
        order += 1;
        let mut tx = Connection::begin(&mut *connection).await.unwrap();
        DB::run(&mut tx, format!("INSERT INTO orders VALUES ({order})")).await.unwrap();
        let job = outbox::enqueue(&mut *tx, Ship { order });
        job.id(JobId::from_key(&format!("order-{order}"))).await.unwrap();
        tx.commit().await.unwrap();
        // A shop that takes a few hundred orders a second, for a worker that keeps up.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A row for each order.
async fn ship<DB: TestDb>(job: Ship, State(pool): State<Pool<DB>>, cx: JobContext) -> JobResult {
    let mut connection = pool.acquire().await?;
    let mut tx = Connection::begin(&mut *connection).await?;
    if let Some(()) = inbox::enter(&mut *tx, &cx).await? {
        DB::run(&mut tx, format!("INSERT INTO repeats VALUES ({})", job.order)).await?;
        tx.commit().await?;
        return Ok(());
    }
    let effect = format!("INSERT INTO effects VALUES ({}, {})", job.order, cx.token());
    DB::run(&mut tx, effect).await?;
    inbox::finish(&mut *tx, &cx, &()).await?;
    tx.commit().await?;
    Ok(())
}
