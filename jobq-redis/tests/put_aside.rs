//! What becomes of jobs that cannot be read when a worker comes upon them: they are put aside among the dead, with what is
//! known of their failures.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::inspect::{DeleteOutcome, JobView, RequeueOutcome};
use jobq_core::{
    Backend, Failure, FailureKind, Inspect, JobId, JobState, Next, Settlement, Timestamp, WorkerId,
};
use jobq_redis::{RedisBackend, TestServer};

use support::{job, lease, queue};

/// How many jobs one script puts aside.
const AT_ONCE: usize = 50;

struct Stage {
    server: TestServer,
    backend: RedisBackend,
}

impl Stage {
    async fn set() -> Self {
        let server = TestServer::start().unwrap();
        let backend = RedisBackend::connect(&server.url()).await.unwrap();
        Self { server, backend }
    }

    async fn enqueue(&self) -> JobId {
        let job = job();
        let id = job.record.id;
        self.backend.enqueue_jobs(&[job]).await.unwrap();
        id
    }

    async fn view(&self, id: JobId) -> JobView {
        self.backend.job(&queue(), id).await.unwrap().unwrap()
    }

    /// What is stored of a job: its record in `jobs`, its failures in `facts`.
    fn read(&self, part: &str, id: JobId) -> Vec<u8> {
        let mut command = redis::cmd("HGET").arg(format!("{{jobq:mail}}:{part}")).take();
        command.arg(&id.as_bytes()[..]).query(&mut self.connection()).unwrap()
    }

    /// Overwrites that, and gives what stood there.
    fn overwrite(&self, part: &str, id: JobId, bytes: &[u8]) -> Vec<u8> {
        let before = self.read(part, id);
        let mut command = redis::cmd("HSET").arg(format!("{{jobq:mail}}:{part}")).take();
        let command = command.arg(&id.as_bytes()[..]).arg(bytes);
        let added: u64 = command.query(&mut self.connection()).unwrap();
        assert_eq!(added, 0, "nothing was overwritten");
        before
    }

    fn connection(&self) -> redis::Connection {
        redis::Client::open(self.server.url()).unwrap().get_connection().unwrap()
    }

    /// A job that has failed once, and is ready again.
    async fn failed_once(&self) -> JobId {
        let id = self.enqueue().await;
        let leases = lease(&self.backend, 1).await.leases;
        let at = self.backend.clock().now();
        let failure = Failure::new(FailureKind::Error, 1, at, WorkerId::from_u64(7), "no route");
        let next = Next::Retry { after: Duration::ZERO, failure };
        let settlement = Settlement::new(leases[0].clone(), next);
        self.backend.exchange(&queue(), &[settlement], None).await.unwrap();
        id
    }
}

#[tokio::test]
async fn a_lease_that_came_upon_one_says_that_more_may_be_ready_at_once() {
    let stage = Stage::set().await;
    let bad = stage.enqueue().await;
    let good = stage.enqueue().await;
    stage.overwrite("jobs", bad, b"hello");

    let first = lease(&stage.backend, 1).await;
    let second = lease(&stage.backend, 1).await;

    assert!(first.leases.is_empty(), "{first:?}");
    assert_eq!(first.next_in, Some(Duration::ZERO));
    assert_eq!(second.leases[0].job.id, good);
    assert_ne!(lease(&stage.backend, 1).await.next_in, Some(Duration::ZERO), "none is left");
}

#[tokio::test]
async fn its_failures_are_kept_and_one_more_is_added() {
    let stage = Stage::set().await;
    let id = stage.failed_once().await;
    let record = stage.overwrite("jobs", id, b"hello");

    assert!(lease(&stage.backend, 1).await.leases.is_empty());

    stage.overwrite("jobs", id, &record);
    let view = stage.view(id).await;
    let kinds: Vec<_> = view.history.failures().iter().map(|failure| failure.kind).collect();
    assert_eq!((view.state, view.failed_attempts), (JobState::Dead, 2));
    assert_eq!(kinds, [FailureKind::Error, FailureKind::Undecodable]);
    assert_eq!(view.history.failures()[0].message, "no route");
}

/// A newer program wrote them, and can read them when the job is put back.
#[tokio::test]
async fn failures_that_cannot_be_read_either_are_kept_as_they_are() {
    for is_record_bad in [false, true] {
        let stage = Stage::set().await;
        let id = stage.failed_once().await;
        let mut newer = stage.read("facts", id);
        // The kind of the first failure, after the two counts.
        newer[4] = 99;
        stage.overwrite("facts", id, &newer);
        if is_record_bad {
            stage.overwrite("jobs", id, b"hello");
        }

        assert!(lease(&stage.backend, 1).await.leases.is_empty());

        assert_eq!(stage.backend.queue(&queue()).await.unwrap().dead, 1);
        assert_eq!(stage.read("facts", id), newer, "the record too: {is_record_bad}");
    }
}

#[tokio::test]
async fn all_that_one_lease_comes_upon_are_put_aside_however_many() {
    let stage = Stage::set().await;
    for _ in 0..=AT_ONCE {
        let bad = stage.enqueue().await;
        stage.overwrite("jobs", bad, b"hello");
    }

    let came = lease(&stage.backend, AT_ONCE * 2).await;

    assert!(came.leases.is_empty(), "{came:?}");
    let stats = stage.backend.queue(&queue()).await.unwrap();
    assert_eq!((stats.dead, stats.leased), (AT_ONCE as u64 + 1, 0));
}

/// What evicts keys, or an operator's slip, may take the records and leave the list of the dead.
#[tokio::test]
async fn of_the_dead_that_have_no_record_is_told_and_they_can_be_deleted() {
    let stage = Stage::set().await;
    let id = stage.enqueue().await;
    let mut add = redis::cmd("ZADD").arg("{jobq:mail}:dead").arg(7_000).take();
    let _: u64 = add.arg(&id.as_bytes()[..]).query(&mut stage.connection()).unwrap();
    let forget = redis::cmd("DEL").arg("{jobq:mail}:jobs").take();
    let _: u64 = forget.query(&mut stage.connection()).unwrap();

    let listed = stage.backend.jobs(&queue(), JobState::Dead, 0, 9).await.unwrap();
    assert_eq!(listed, [stage.view(id).await]);
    assert_eq!(listed[0].at, Some(Timestamp::from_millis(7_000)));
    assert!(listed[0].unreadable.is_some(), "{listed:?}");
    let requeued = stage.backend.requeue(&queue(), &[id]).await.unwrap();
    assert_eq!(requeued, [RequeueOutcome::NotFound]);

    let mut note = redis::cmd("HSET").arg("{jobq:mail}:facts").take();
    let note = note.arg(&id.as_bytes()[..]).arg("what went wrong");
    let _: u64 = note.query(&mut stage.connection()).unwrap();

    let deleted = stage.backend.delete(&queue(), JobState::Dead, &[id, id]).await.unwrap();
    assert_eq!(deleted, [DeleteOutcome::Deleted, DeleteOutcome::NotFound]);
    let left = redis::cmd("EXISTS").arg("{jobq:mail}:facts").take();
    assert_eq!(left.query::<u64>(&mut stage.connection()).unwrap(), 0);
    assert_eq!(stage.backend.queue(&queue()).await.unwrap().dead, 0);
}
