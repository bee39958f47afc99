//! From the outbox to the queues.

use std::time::{Duration, Instant};

use jobq_core::sql::outbox::{self, Relay};
use jobq_core::{
    Backend, ErrorKind, Inspect, JobId, JobRef, JobState, LimitScope, LimitSource, Limits,
    MemoryBackend,
};
use tokio::sync::oneshot;

use super::databases::{Place, TestDb};
use super::flaky::{Fault, Flaky};
use super::stage::{Ship, name, ready, take_all};

/// Never, as far as a test is concerned.
const NEVER: Duration = Duration::from_secs(3_600);

async fn limit_size(backend: &MemoryBackend, size: u64) {
    let scope = LimitScope::Queue(name("shipping"));
    let limits = Limits::new().max_size(size);
    backend.set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
}

pub(crate) async fn several_relays_keep_the_order_of_each_queue<DB: TestDb>(at: Place<DB>) {
    const JOBS: i64 = 300;
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    for order in 0..JOBS {
        let queue = ["shipping", "express", "post"][usize::try_from(order % 3).unwrap()];
        outbox::enqueue(&mut *connection, Ship { order }).on(queue).await.unwrap();
    }
    drop(connection);

    let relays: Vec<_> = (0..3)
        .map(|_| {
            let relay = at.relay(&backend).jobs_per_call(7);
            tokio::spawn(async move { relay.run_once().await.unwrap() })
        })
        .collect();
    let mut moved = 0;
    for relay in relays {
        moved += relay.await.unwrap().enqueued;
    }
    // One that found a queue taken has left it to the one that had it.
    moved += at.relay(&backend).run_once().await.unwrap().enqueued;

    assert_eq!(moved, JOBS.unsigned_abs());
    for (remainder, queue) in ["shipping", "express", "post"].into_iter().enumerate() {
        let orders = take_all(&backend, queue).await;
        let first = i64::try_from(remainder).unwrap();
        assert_eq!(orders, (first..JOBS).step_by(3).collect::<Vec<_>>(), "{queue}");
    }
}

pub(crate) async fn large_payloads_travel_in_small_calls<DB: TestDb>(at: Place<DB>) {
    #[derive(serde::Serialize, serde::Deserialize, jobq_core::Job)]
    #[job(queue = "letters")]
    struct Letter {
        text: String,
    }
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    for _ in 0..5 {
        let text = "x".repeat(700 * 1024);
        outbox::enqueue(&mut *connection, Letter { text }).await.unwrap();
    }
    drop(connection);
    let flaky = Flaky::new(backend.clone(), [Fault::Refuse(ErrorKind::Unavailable)]);

    let error = Relay::new(at.pool.clone(), flaky).run_once().await.unwrap_err();
    assert_eq!((error.kind(), at.count("jobq_outbox").await), (ErrorKind::Unavailable, 5));
    at.forget_claims().await;
    let moved = at.relay(&backend).run_once().await.unwrap();

    assert_eq!((moved.enqueued, ready(&backend, "letters").await), (5, 5));
}

pub(crate) async fn a_row_that_nobody_can_read_holds_nothing_up<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    at.enqueue(0..6).await;
    let seqs = at.numbers("SELECT seq FROM jobq_outbox ORDER BY seq").await;
    let spoil = async |n: usize, what: &str| {
        at.run(&format!("UPDATE jobq_outbox SET {what} WHERE seq = {}", seqs[n])).await;
    };
    spoil(0, "options = '{\"format\":1'").await;
    spoil(2, "id = 'order 2'").await;
    spoil(3, "kind = 'a kind'").await;
    spoil(5, "options = '{\"format\":99}'").await;

    let moved = at.relay(&backend).run_once().await.unwrap();

    assert_eq!((moved.enqueued, moved.rejected), (2, 4));
    assert_eq!(take_all(&backend, "shipping").await, [1, 4]);
    let mut connection = at.connection().await;
    let rejected = outbox::rejected(&mut *connection, 10).await.unwrap();
    assert_eq!(rejected.len(), 4);
    for (row, reason) in
        rejected.iter().zip(["options", "not a UUID", "a kind", "upgrade the relay"])
    {
        assert!(row.reason.contains(reason), "{row:?}");
    }
    assert_eq!((rejected[0].queue.as_str(), rejected[0].seq), ("shipping", seqs[0]));
    assert_eq!(outbox::rejected(&mut *connection, 3).await.unwrap().len(), 3);
    assert_eq!(at.count("jobq_outbox").await, 0);
}

pub(crate) async fn a_job_that_its_queue_refuses_holds_nothing_up<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    let stranger = JobRef::new(name("shipping"), JobId::from_key("nobody has enqueued it"));
    for order in 0..40 {
        let job = outbox::enqueue(&mut *connection, Ship { order });
        let job = if order % 10 == 3 { job.after(stranger.clone()) } else { job };
        job.await.unwrap();
    }
    drop(connection);

    let moved = at.relay(&backend).run_once().await.unwrap();

    assert_eq!((moved.enqueued, moved.rejected), (36, 4));
    let expected: Vec<i64> = (0..40).filter(|order| order % 10 != 3).collect();
    assert_eq!(take_all(&backend, "shipping").await, expected);
    let rejected = outbox::rejected(&mut *at.connection().await, 10).await.unwrap();
    assert!(rejected.iter().all(|row| row.reason.contains("which is not known")), "{rejected:?}");
}

pub(crate) async fn what_was_set_aside_can_be_restored_deleted_and_pruned<DB: TestDb>(
    at: Place<DB>,
) {
    let backend = MemoryBackend::new();
    at.enqueue(0..4).await;
    at.run("UPDATE jobq_outbox SET kind = ''").await;
    at.relay(&backend).run_once().await.unwrap();
    let mut connection = at.connection().await;
    let rows = outbox::rejected(&mut *connection, 10).await.unwrap();
    assert_eq!(rows.len(), 4);

    // Somebody puts the cause right.
    at.run("UPDATE jobq_outbox_rejected SET kind = 'ship'").await;
    assert!(outbox::restore_rejected(&mut *connection, rows[1].seq).await.unwrap());
    assert!(!outbox::restore_rejected(&mut *connection, rows[1].seq).await.unwrap(), "it is back");
    assert!(outbox::forget_rejected(&mut *connection, rows[2].seq).await.unwrap());
    assert!(!outbox::forget_rejected(&mut *connection, rows[2].seq).await.unwrap());
    let old = "UPDATE jobq_outbox_rejected SET rejected_at_ms = rejected_at_ms - 60000";
    at.run(&format!("{old} WHERE seq = {}", rows[3].seq)).await;
    let minute = Duration::from_secs(50);
    let pruned = outbox::prune_rejected(&mut *connection, minute, 10).await.unwrap();

    assert_eq!(pruned, 1);
    let left = outbox::rejected(&mut *connection, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.seq).collect::<Vec<_>>(), [rows[0].seq]);
    drop(connection);
    at.relay(&backend).run_once().await.unwrap();
    assert_eq!(take_all(&backend, "shipping").await, [1]);
}

pub(crate) async fn a_child_waits_for_its_parent_in_the_outbox<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let mut connection = at.connection().await;
    let parent = outbox::enqueue(&mut *connection, Ship { order: 1 }).await.unwrap();
    // Its queue comes before the parent's, by name.
    let child = outbox::enqueue(&mut *connection, Ship { order: 2 }).on("express");
    let child = child.after(parent.clone()).await.unwrap();
    drop(connection);
    // The parent's queue is full.
    limit_size(&backend, 1).await;
    let other = jobq_core::Queue::enqueue(&backend, Ship { order: 0 }).await.unwrap();

    let error = at.relay(&backend).run_once().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!((at.count("jobq_outbox").await, at.count("jobq_outbox_rejected").await), (2, 0));
    backend.delete(&name("shipping"), jobq_core::JobState::Ready, &[other.id()]).await.unwrap();
    let relay = at.relay(&backend);
    // The child's queue was looked at first, and is left alone by this run.
    let _ = relay.run_once().await;
    relay.run_once().await.unwrap();
    let view = backend.job(&child.queue, child.id).await.unwrap().unwrap();
    assert_eq!(view.state, JobState::Waiting);
    assert_eq!(take_all(&backend, "shipping").await, [1]);
    backend.maintain(&name("shipping"), 10).await.unwrap();
    assert_eq!(take_all(&backend, "express").await, [2]);
}

pub(crate) async fn a_full_queue_holds_up_nothing_but_itself<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    limit_size(&backend, 3).await;
    at.enqueue(0..10).await;
    let mut connection = at.connection().await;
    outbox::enqueue(&mut *connection, Ship { order: 77 }).on("tracking").await.unwrap();
    drop(connection);
    let relay = at.relay(&backend);

    let error = relay.run_once().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Limited, "{error}");
    assert_eq!((ready(&backend, "shipping").await, ready(&backend, "tracking").await), (3, 1));
    assert_eq!((relay.counts().enqueued, relay.counts().waits), (4, 1));
    let mut done = Vec::new();
    while at.count("jobq_outbox").await > 0 {
        done.extend(take_all(&backend, "shipping").await);
        let _ = relay.run_once().await;
    }
    done.extend(take_all(&backend, "shipping").await);
    assert_eq!(done, (0..10).collect::<Vec<_>>());
    assert_eq!(at.count("jobq_outbox_rejected").await, 0);
}

pub(crate) async fn an_outage_of_the_queue_loses_nothing<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let faults = [ErrorKind::Unavailable, ErrorKind::Full, ErrorKind::Refused].map(Fault::Refuse);
    let relay = Relay::new(at.pool.clone(), Flaky::new(backend.clone(), faults)).poll(NEVER);
    at.enqueue(0..5).await;

    // It tries again by itself, after a moment each time.
    let moved = run_while(&relay, async {
        backend.wait(&[name("shipping")]).await.unwrap();
    })
    .await;

    assert_eq!((moved.enqueued, moved.waits), (5, 3));
    assert_eq!(take_all(&backend, "shipping").await, [0, 1, 2, 3, 4]);
}

pub(crate) async fn a_lost_answer_adds_nothing_twice<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let flaky = Flaky::new(backend.clone(), [Fault::LoseAnswer]);
    at.enqueue(0..5).await;
    let relay = Relay::new(at.pool.clone(), flaky);

    assert_eq!(relay.run_once().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(at.count("jobq_outbox").await, 5, "who knows");
    let moved = relay.run_once().await.unwrap();

    assert_eq!((moved.enqueued, moved.duplicates), (0, 5));
    assert_eq!(take_all(&backend, "shipping").await, [0, 1, 2, 3, 4]);
    assert_eq!(at.count("jobq_outbox").await, 0);
}

pub(crate) async fn a_queue_that_never_answers_is_given_up_for_a_while<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let flaky = Flaky::new(backend.clone(), [Fault::Hang]);
    at.enqueue(0..2).await;
    let relay = Relay::new(at.pool.clone(), flaky).claim(Duration::from_millis(200));

    let error = relay.run_once().await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    assert_eq!(relay.run_once().await.unwrap().duplicates, 2);
    assert_eq!(take_all(&backend, "shipping").await, [0, 1]);
}

pub(crate) async fn a_nudge_wakes_a_relay_and_a_stop_ends_it<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let relay = at.relay(&backend).poll(NEVER);

    let moved = run_while(&relay, async {
        for order in 0..3 {
            at.enqueue(order..order + 1).await;
            relay.nudge();
            backend.wait(&[name("shipping")]).await.unwrap();
            assert_eq!(take_all(&backend, "shipping").await, [order]);
        }
    })
    .await;

    assert_eq!((moved.enqueued, moved.failures), (3, 0));
    assert_eq!(relay.counts(), moved);
}

pub(crate) async fn a_broken_database_is_tried_again<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    let relay = at.relay(&backend).poll(Duration::from_millis(1));

    let moved = run_while(&relay, async {
        at.enqueue(0..1).await;
        backend.wait(&[name("shipping")]).await.unwrap();
        // Perhaps before the relay has removed what it has just handed over.
        at.run("ALTER TABLE jobq_outbox RENAME TO elsewhere").await;
        while relay.counts().failures == 0 {
            tokio::task::yield_now().await;
        }
        at.run("ALTER TABLE elsewhere RENAME TO jobq_outbox").await;
        at.enqueue(1..2).await;
        while at.count("jobq_outbox").await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    assert_eq!((moved.moved(), moved.rejected), (2, 0));
    assert_eq!(take_all(&backend, "shipping").await, [0, 1]);
}

pub(crate) async fn a_queue_is_moved_by_one_relay_at_a_time<DB: TestDb>(at: Place<DB>) {
    let backend = MemoryBackend::new();
    at.enqueue(0..2).await;
    let flaky = Flaky::new(backend.clone(), [Fault::Hang]);
    let stuck = Relay::new(at.pool.clone(), flaky);
    let busy = tokio::spawn(async move { stuck.run_once().await });
    // It has handed them over, and waits for the answer that never comes.
    backend.wait(&[name("shipping")]).await.unwrap();

    let left = at.relay(&backend).run_once().await.unwrap();
    assert_eq!((left.moved(), at.count("jobq_outbox").await), (0, 2));
    busy.abort();
    assert!(busy.await.unwrap_err().is_cancelled());
    at.forget_claims().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut duplicates = 0;
    // The server may take a moment to learn that the transaction is over.
    while duplicates < 2 {
        assert!(Instant::now() < deadline, "the queue of a dead relay is never anybody's");
        duplicates += at.relay(&backend).run_once().await.unwrap().duplicates;
    }

    assert_eq!(take_all(&backend, "shipping").await, [0, 1]);
}

/// Runs a relay while something happens.
async fn run_while<DB: TestDb>(
    relay: &Relay<DB>,
    what: impl Future<Output = ()>,
) -> outbox::RelayCounts {
    let (stop, stopped) = oneshot::channel::<()>();
    let running = relay.run_until(async {
        let _ = stopped.await;
    });
    let happening = async {
        what.await;
        stop.send(()).unwrap();
    };
    let both = async { tokio::join!(running, happening).0.unwrap() };
    tokio::time::timeout(Duration::from_secs(60), both).await.expect("a minute is enough")
}
