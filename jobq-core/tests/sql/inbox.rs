//! What a handler writes, once.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::sql::inbox;
use jobq_core::{Backend, ErrorKind, JobContext, Lease, MemoryBackend, Next, Queue};
use sqlx::Connection;

use super::databases::{Place, TestDb};
use super::stage::{LEASE, Ship, context, lease, name, settle};

/// A handler: one row for each order, and how many there were before as its result.
pub(crate) async fn ship<DB: TestDb>(at: &Place<DB>, cx: &JobContext) -> jobq_core::Result<i64> {
    let order = cx.lease().job.payload.decode::<Ship>()?.order;
    let mut connection = at.mortal_connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();
    if let Some(before) = inbox::enter(&mut *tx, cx).await? {
        return Ok(before);
    }
    let before = DB::numbers(&mut tx, "SELECT COUNT(*) FROM effects".to_owned()).await[0];
    let effect = format!("INSERT INTO effects VALUES ({order}, {})", cx.token());
    DB::run(&mut tx, effect).await.unwrap();
    inbox::finish(&mut *tx, cx, &before).await?;
    tx.commit().await.unwrap();
    Ok(before)
}

async fn leased(backend: &MemoryBackend) -> Arc<Lease> {
    let mut leases = lease(backend, "shipping", 1).await;
    leases.pop().expect("a job")
}

/// A job that is leased a second time, its first attempt none the wiser.
async fn two_attempts(backend: &MemoryBackend) -> (JobContext, JobContext) {
    backend.enqueue(Ship { order: 1 }).await.unwrap();
    let first = leased(backend).await;
    // As good as a lease that has run out.
    settle(backend, &first, Next::Release).await;
    let second = leased(backend).await;
    assert!(second.token > first.token);
    (context(backend, &first), context(backend, &second))
}

pub(crate) async fn a_second_run_is_given_what_the_first_returned<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    at.run("INSERT INTO effects VALUES (99, 0)").await;
    let (first, second) = two_attempts(&backend).await;

    assert_eq!(ship(&at, &first).await.unwrap(), 1);
    assert_eq!(ship(&at, &second).await.unwrap(), 1, "what the first returned");
    assert_eq!(ship(&at, &first).await.unwrap(), 1, "and whoever comes late");

    assert_eq!(at.count("effects WHERE order_id = 1").await, 1);
    assert_eq!(at.count("jobq_inbox").await, 1);
    let wrong = inbox::enter::<_, String>(&mut *at.connection().await, &second).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Corrupt, "{wrong}");
}

pub(crate) async fn a_failed_run_leaves_nothing_behind<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (first, second) = two_attempts(&backend).await;
    let mut connection = at.connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();
    assert_eq!(inbox::enter::<_, i64>(&mut *tx, &first).await.unwrap(), None);
    DB::run(&mut tx, "INSERT INTO effects VALUES (1, 0)".to_owned()).await.unwrap();
    inbox::finish(&mut *tx, &first, &5_i64).await.unwrap();
    tx.rollback().await.unwrap();
    drop(connection);

    assert_eq!(ship(&at, &second).await.unwrap(), 0);

    assert_eq!(at.numbers("SELECT order_id FROM effects").await, [1]);
}

pub(crate) async fn a_zombie_cannot_write_after_a_newer_attempt<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (zombie, newer) = two_attempts(&backend).await;
    let mut connection = at.connection().await;
    // The newer attempt has begun, and not finished: a handler of several transactions.
    let mut tx = Connection::begin(&mut *connection).await.unwrap();
    assert_eq!(inbox::enter::<_, ()>(&mut *tx, &newer).await.unwrap(), None);
    tx.commit().await.unwrap();

    let refused = ship(&at, &zombie).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("a newer attempt"), "{refused}");
    let finish = inbox::finish(&mut *connection, &zombie, &()).await.unwrap_err();
    assert_eq!(finish.kind(), ErrorKind::Conflict);
    assert_eq!(at.count("effects").await, 0);

    drop(connection);
    assert_eq!(ship(&at, &newer).await.unwrap(), 0, "the newer one goes on");
    assert_eq!(at.count("effects").await, 1);
}

pub(crate) async fn of_two_runs_at_once_one_writes<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (first, second) = two_attempts(&backend).await;
    let mut connection = at.connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();
    assert_eq!(inbox::enter::<_, i64>(&mut *tx, &first).await.unwrap(), None);
    DB::run(&mut tx, "INSERT INTO effects VALUES (1, 0)".to_owned()).await.unwrap();

    // The second has to wait for the first, which commits only when the second has been on its way.
    let mut late = tokio::spawn({
        let (at, second) = (at.clone(), second.clone());
        async move { ship(&at, &second).await }
    });
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut late).await;
    assert!(waited.is_err(), "it went past the first");
    inbox::finish(&mut *tx, &first, &41_i64).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(late.await.unwrap().unwrap(), 41);
    assert_eq!(at.count("effects").await, 1);
}

pub(crate) async fn a_handler_that_did_not_enter_cannot_finish<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (_, cx) = two_attempts(&backend).await;
    let mut connection = at.connection().await;

    let error = inbox::finish(&mut *connection, &cx, &()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    drop(connection);
    ship(&at, &cx).await.unwrap();
    let twice = inbox::finish(&mut *at.connection().await, &cx, &()).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict, "{twice}");
}

pub(crate) async fn a_pruned_job_is_forgotten<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let (first, _) = two_attempts(&backend).await;
    ship(&at, &first).await.unwrap();
    at.run("INSERT INTO jobq_inbox (id, queue, token, written_at_ms) VALUES ('a', 'b', 1, 0)")
        .await;
    at.run("INSERT INTO jobq_inbox (id, queue, token, written_at_ms) VALUES ('c', 'b', 1, 5)")
        .await;
    let mut connection = at.connection().await;
    let day = Duration::from_secs(86_400);

    assert_eq!(inbox::prune(&mut *connection, day, 1).await.unwrap(), 1, "no more than asked for");
    assert_eq!(at.count("jobq_inbox WHERE id = 'c'").await, 1, "the oldest go first");
    assert_eq!(inbox::prune(&mut *connection, day, 10).await.unwrap(), 1);
    assert_eq!(at.count("jobq_inbox").await, 1, "the job's own row is younger");
    assert_eq!(inbox::prune(&mut *connection, Duration::MAX, 10).await.unwrap(), 0);
    drop(connection);
    // Nobody is meant to wait for it: such a run would be a second effect.
    at.run("UPDATE jobq_inbox SET written_at_ms = 0").await;
    assert_eq!(inbox::prune(&mut *at.connection().await, day, 10).await.unwrap(), 1);
    assert_eq!(ship(&at, &first).await.unwrap(), 1);

    assert_eq!(at.count("effects").await, 2);
    let leases = backend.exchange(&name("shipping"), &[], None).await.unwrap().leases;
    assert!(leases.is_empty(), "{LEASE:?} have not passed");
}
