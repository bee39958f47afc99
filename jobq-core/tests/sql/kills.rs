//! Every step of the way, cut short at every await: no job is lost, and its effect is there once.

use std::time::{Duration, Instant};

use jobq_core::sql::outbox;
use jobq_core::{JobId, MemoryBackend, Next, Queue};
use sqlx::Connection;

use super::cut::{MOMENTS, cut};
use super::databases::{Place, TestDb};
use super::inbox::ship;
use super::stage::{Ship, complete, context, lease, settle, take_all};

const PATIENCE: Duration = Duration::from_secs(30);

/// More awaits than anything here has; to reach it means that a cut is no cut.
const MANY: u32 = 400;

/// Takes an order: a row and a job, in one transaction.
async fn order<DB: TestDb>(at: &Place<DB>, id: i64) {
    let mut connection = at.mortal_connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();
    DB::run(&mut tx, format!("INSERT INTO orders VALUES ({id})")).await.unwrap();
    let job = outbox::enqueue(&mut *tx, Ship { order: id });
    job.id(JobId::from_key(&format!("order-{id}"))).await.unwrap();
    tx.commit().await.unwrap();
}

pub(crate) async fn an_enqueue_killed_anywhere_is_whole_or_not_there<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (mut id, mut whole) = (0, 0);
    for moment in MOMENTS.repeat(DB::ROUNDS) {
        for awaits in 1.. {
            assert!(awaits < MANY);
            id += 1;
            let done = cut(awaits, moment, order(&at, id)).await.is_some();
            whole += i64::from(done);
            if done {
                break;
            }
        }
    }

    assert!(id > 8, "only {id} cuts");
    let deadline = Instant::now() + PATIENCE;
    let mut shipped = Vec::new();
    // A commit that was asked for may come about a moment later.
    loop {
        relayed(&at, &backend).await;
        shipped.extend(take_all(&backend, "shipping").await);
        shipped.sort_unstable();
        let orders = at.numbers("SELECT id FROM orders ORDER BY id").await;
        if orders == shipped && at.count("jobq_outbox").await == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "orders {orders:?}, jobs {shipped:?}");
    }
    assert!(at.count("orders").await >= whole);
}

pub(crate) async fn a_relay_killed_anywhere_loses_and_doubles_nothing<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut orders = 0;
    for moment in MOMENTS.repeat(DB::ROUNDS) {
        for awaits in 1.. {
            assert!(awaits < MANY);
            at.enqueue(orders..orders + 3).await;
            orders += 3;
            // One row of the way is set aside.
            let spoil = "UPDATE jobq_outbox SET kind = '' WHERE seq IN (SELECT seq FROM
                         (SELECT MAX(seq) AS seq FROM jobq_outbox) AS newest)";
            at.run(spoil).await;
            let relay = at.relay(&backend).jobs_per_call(2);
            let done = cut(awaits, moment, relay.run_once()).await;
            drop(relay);
            at.forget_claims().await;
            if let Some(moved) = done {
                assert_eq!(moved.unwrap().rejected, 1);
                break;
            }
            relayed(&at, &backend).await;
        }
    }

    assert!(orders > 30, "only {orders} orders");
    let expected: Vec<i64> = (0..orders).filter(|order| order % 3 != 2).collect();
    assert_eq!(take_all(&backend, "shipping").await, expected, "each once, in order");
    assert_eq!(at.count("jobq_outbox_rejected").await, orders / 3);
}

pub(crate) async fn a_handler_killed_anywhere_has_its_effect_once<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut order = 0;
    for moment in MOMENTS.repeat(DB::ROUNDS) {
        for awaits in 1.. {
            assert!(awaits < MANY);
            order += 1;
            backend.enqueue(Ship { order }).await.unwrap();
            let first = lease(&backend, "shipping", 1).await.pop().unwrap();
            let done = cut(awaits, moment, ship(&at, &context(&backend, &first))).await;
            // Its worker is dead either way: nobody has heard of what it did.
            settle(&backend, &first, Next::Release).await;
            let second = lease(&backend, "shipping", 1).await.pop().unwrap();
            let answer = ship(&at, &context(&backend, &second)).await.unwrap();
            complete(&backend, &second).await;
            assert_eq!(answer, order - 1, "what the run returned that wrote it");
            if let Some(first_answer) = done {
                assert_eq!(first_answer.unwrap(), answer);
                break;
            }
        }
    }

    assert!(order > 8, "only {order} cuts");
    let effects = at.numbers("SELECT order_id FROM effects ORDER BY order_id").await;
    assert_eq!(effects, (1..=order).collect::<Vec<_>>());
}

/// A job leaves nothing behind when it is done, so what a dead relay had handed over may be handed over
/// again as if it were new: the inbox knows.
pub(crate) async fn a_job_that_is_handed_over_again_has_its_effect_once<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (mut id, mut runs) = (0, 0);
    let deadline = Instant::now() + PATIENCE;
    // Whether a cut falls between the handover and the commit hangs on how fast the database answers.
    for (round, moment) in MOMENTS.into_iter().cycle().enumerate() {
        if round >= MOMENTS.len() && runs > id {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{runs} runs for {id} orders: none was handed over again"
        );
        for awaits in 1.. {
            assert!(awaits < MANY);
            id += 1;
            order(&at, id).await;
            let relay = at.relay(&backend);
            let done = cut(awaits, moment, relay.run_once()).await;
            drop(relay);
            runs += work_off(&at, &backend).await;
            at.forget_claims().await;
            relayed(&at, &backend).await;
            runs += work_off(&at, &backend).await;
            if done.is_some() {
                break;
            }
        }
    }

    let effects = at.numbers("SELECT order_id FROM effects ORDER BY order_id").await;
    assert_eq!(effects, (1..=id).collect::<Vec<_>>());
}

/// Runs all jobs that are ready, and says how many.
async fn work_off<DB: TestDb>(at: &Place<DB>, backend: &MemoryBackend) -> i64 {
    let mut runs = 0;
    while let Some(leased) = lease(backend, "shipping", 1).await.pop() {
        ship(at, &context(backend, &leased)).await.unwrap();
        complete(backend, &leased).await;
        runs += 1;
    }
    runs
}

/// Relays what there is, until nothing is left. A server may take a moment to learn that a transaction is
/// over, and what a killed relay had asked for may come about a moment later: its claim, too.
async fn relayed<DB: TestDb>(at: &Place<DB>, backend: &MemoryBackend) {
    let deadline = Instant::now() + PATIENCE;
    while at.count("jobq_outbox").await > 0 {
        assert!(Instant::now() < deadline, "something is left");
        at.forget_claims().await;
        at.relay(backend).run_once().await.unwrap();
    }
}
