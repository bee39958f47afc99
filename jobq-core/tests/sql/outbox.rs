//! Enqueueing within a transaction.

use std::time::Duration;

use jobq_core::sql::{create_tables, outbox};
use jobq_core::{
    ErrorKind, Inspect, JobId, JobState, LaneKey, ManualClock, MemoryBackend, Priority, Timestamp,
    Unique, UniqueKey, UniqueMode,
};
use sqlx::Connection;

use super::databases::{Place, TestDb};
use super::stage::{Ship, name, ready, take_all};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn a_job_reaches_its_queue_with_all_its_options<DB: TestDb>(at: Place<DB>) {
    let clock = ManualClock::starting_at(Timestamp::from_millis(1_795_305_600_000));
    let backend = MemoryBackend::with_clock(clock.clone());
    let id = JobId::from_key("order-7");
    let unique = Unique::new(UniqueKey::from_bytes([7; 16]), UniqueMode::UntilStarted);
    let mut connection = at.connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();

    let job = outbox::enqueue(&mut *tx, Ship { order: 7 })
        .id(id)
        .on("express")
        .at(Timestamp::from_millis(1_795_305_660_000))
        .priority(9)
        .lane("store-7")
        .cost(3)
        .unique(unique)
        .max_attempts(2)
        .timeout(SECOND)
        .retention(60 * SECOND)
        .metadata("tenant", "żółw 🐢")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let moved = at.relay(&backend).run_once().await.unwrap();

    assert_eq!((moved.enqueued, moved.duplicates, moved.rejected), (1, 0, 0));
    assert_eq!((job.queue.as_str(), job.id), ("express", id));
    let view = backend.job(&job.queue, id).await.unwrap().unwrap();
    assert_eq!(view.state, JobState::Scheduled);
    let record = view.record;
    assert_eq!(record.payload.decode::<Ship>().unwrap(), Ship { order: 7 });
    assert_eq!((record.kind.as_str(), record.priority), ("ship", Priority::new(9).unwrap()));
    assert_eq!(record.lane, Some(LaneKey::new("store-7").unwrap()));
    assert_eq!((record.cost, record.max_attempts, record.unique), (3, 2, Some(unique)));
    assert_eq!((record.timeout, record.retention), (Some(SECOND), Some(60 * SECOND)));
    assert_eq!(record.metadata.get("tenant"), Some("żółw 🐢"));
    clock.advance(59 * SECOND);
    assert!(take_all(&backend, "express").await.is_empty(), "not yet");
    clock.advance(SECOND);
    assert_eq!(take_all(&backend, "express").await, [7]);
    assert_eq!(at.count("jobq_outbox").await, 0);
}

pub(crate) async fn a_rolled_back_enqueue_never_was<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();

    outbox::enqueue(&mut *tx, Ship { order: 1 }).await.unwrap();
    tx.rollback().await.unwrap();
    drop(connection);

    assert_eq!(at.relay(&backend).run_once().await.unwrap().moved(), 0);
    assert_eq!(at.count("jobq_outbox").await, 0);
}

pub(crate) async fn a_delay_starts_with_the_enqueue<DB: TestDb>(at: Place<DB>) {
    let clock = ManualClock::starting_at(Timestamp::from_millis(1_795_305_600_000));
    let backend = MemoryBackend::with_clock(clock.clone());
    let mut connection = at.connection().await;
    outbox::enqueue(&mut *connection, Ship { order: 1 }).after(3_600 * SECOND).await.unwrap();
    drop(connection);
    // No relay runs for half of it.
    at.run("UPDATE jobq_outbox SET enqueued_at_ms = enqueued_at_ms - 1800000").await;

    at.relay(&backend).run_once().await.unwrap();

    clock.advance(1_790 * SECOND);
    assert!(take_all(&backend, "shipping").await.is_empty(), "it is not over yet");
    clock.advance(11 * SECOND);
    assert_eq!(take_all(&backend, "shipping").await, [1]);
}

pub(crate) async fn what_no_queue_could_take_is_refused_in_the_transaction<DB: TestDb>(
    at: Place<DB>,
) {
    let mut connection = at.connection().await;
    let mut tx = Connection::begin(&mut *connection).await.unwrap();

    let refused = outbox::enqueue(&mut *tx, Ship { order: 1 }).on("no queue").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    // Nothing was sent, so the transaction is as good as before.
    outbox::enqueue(&mut *tx, Ship { order: 2 }).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(at.count("jobq_outbox").await, 1);
}

pub(crate) async fn without_tables_the_error_says_what_to_do<DB: TestDb>(at: Place<DB>) {
    at.run("DROP TABLE jobq_outbox").await;
    let mut connection = at.connection().await;

    let error = outbox::enqueue(&mut *connection, Ship { order: 1 }).await.unwrap_err();
    let first_look = at.relay(&MemoryBackend::new()).run_until(std::future::pending()).await;

    for error in [error, first_look.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("create_tables"), "{error}");
    }
}

pub(crate) async fn programs_may_create_the_tables_at_once<DB: TestDb>(at: Place<DB>) {
    for table in ["jobq_outbox", "jobq_outbox_queues", "jobq_outbox_rejected", "jobq_inbox"] {
        at.run(&format!("DROP TABLE {table}")).await;
    }
    let create = || {
        let at = at.clone();
        tokio::spawn(async move { create_tables(&mut *at.connection().await).await })
    };

    for created in [create(), create(), create()] {
        created.await.unwrap().unwrap();
    }

    at.enqueue(0..1).await;
    assert_eq!(at.count("jobq_outbox").await, 1);
}

pub(crate) async fn the_backlog_is_counted_by_queue<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    assert!(outbox::backlog(&mut *connection).await.unwrap().is_empty());
    at.enqueue(0..3).await;
    outbox::enqueue(&mut *connection, Ship { order: 9 }).on("express").await.unwrap();
    at.run(
        "UPDATE jobq_outbox SET enqueued_at_ms = enqueued_at_ms - 60000 WHERE queue = 'express'",
    )
    .await;

    let backlog = outbox::backlog(&mut *connection).await.unwrap();

    let found: Vec<_> = backlog.iter().map(|each| (each.queue.as_str(), each.jobs)).collect();
    assert_eq!(found, [("express", 1), ("shipping", 3)]);
    assert!((60..120).contains(&backlog[0].oldest.as_secs()), "{:?}", backlog[0].oldest);
    assert!(backlog[1].oldest < 30 * SECOND, "{:?}", backlog[1].oldest);
    drop(connection);
    at.relay(&backend).run_once().await.unwrap();
    assert_eq!((ready(&backend, "express").await, ready(&backend, "shipping").await), (1, 3));
    assert_eq!(backend.queue(&name("shipping")).await.unwrap().ready, 3);
}
