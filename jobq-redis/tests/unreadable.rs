//! Records that cannot be read: whatever has become of one, its queue goes on, and people can see it and delete it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jobq_core::fuzz::Fuzz;
use jobq_core::inspect::{CancelOutcome, DeleteOutcome};
use jobq_core::{
    Backend, Clock, Failure, FailureKind, Inspect, JobId, JobRecord, JobRef, JobState, Kind,
    LaneKey, Lease, LeaseRequest, ManualClock, NewJob, Next, Parent, Payload, QueueName,
    Settlement, Timestamp, Unique, UniqueKey, UniqueMode, When, WorkerId,
};
use jobq_redis::{RedisBackend, RedisConfig, TestServer};
use tokio::runtime::Runtime;

const LEASE: Duration = Duration::from_secs(10);
const WORKER: WorkerId = WorkerId::from_u64(7);

/// Where a job is when its record is overwritten.
const STATES: [JobState; 5] =
    [JobState::Ready, JobState::Leased, JobState::Scheduled, JobState::Dead, JobState::Waiting];

/// What hangs on a job besides its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Plain,
    /// With a lane of its own, and a key that holds while it runs.
    Rich,
}

/// How a bad job is got rid of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is seen, and deleted where it is.
    Deleted,
    /// It is called off first.
    Cancelled,
    /// Workers go on until nothing is due any more; then it is deleted.
    Worked,
}

fn cases() -> impl Iterator<Item = (JobState, Sort, End)> + Clone {
    let ends = [End::Deleted, End::Cancelled, End::Worked];
    STATES.into_iter().flat_map(move |state| {
        let sorts = [Sort::Plain, Sort::Rich].into_iter();
        sorts.flat_map(move |sort| ends.into_iter().map(move |end| (state, sort, end)))
    })
}

struct Stage {
    runtime: Runtime,
    server: TestServer,
    clock: ManualClock,
    backend: RedisBackend,
    /// As the user `default`, who may do what the test does by hand.
    by_hand: redis::Client,
    queues: AtomicU64,
}

impl Stage {
    fn set() -> Self {
        let runtime = Runtime::new().unwrap();
        let (server, url) = support::server_with_documented_user();
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        let config = RedisConfig::new(&url).unwrap().clock(clock.clone());
        let config = config.response_timeout(support::PATIENCE);
        let backend = runtime.block_on(RedisBackend::connect_with(config)).unwrap();
        let by_hand = redis::Client::open(server.url()).unwrap();
        Self { runtime, server, clock, backend, by_hand, queues: AtomicU64::new(0) }
    }

    /// A queue that nobody has used.
    fn queue(&self) -> QueueName {
        QueueName::new(format!("q{}", self.queues.fetch_add(1, Ordering::Relaxed))).unwrap()
    }

    fn read(&self, queue: &QueueName, id: JobId) -> Vec<u8> {
        let key = format!("{{jobq:{queue}}}:jobs");
        let mut connection = self.by_hand.get_connection().unwrap();
        redis::cmd("HGET").arg(key).arg(&id.as_bytes()[..]).query(&mut connection).unwrap()
    }

    fn overwrite(&self, queue: &QueueName, id: JobId, bytes: &[u8]) {
        let key = format!("{{jobq:{queue}}}:jobs");
        let mut connection = self.by_hand.get_connection().unwrap();
        let command = redis::cmd("HSET").arg(key).arg(&id.as_bytes()[..]).arg(bytes).take();
        let added: u64 = command.query(&mut connection).unwrap();
        assert_eq!(added, 0, "no record was overwritten");
    }

    /// Plays each state, sort and end with these bytes in the place of a record.
    fn play(&self, bytes: &[u8]) {
        cases().for_each(|case| self.play_case(bytes, case));
    }

    /// Plays a few of them, others each time.
    fn play_some(&self, bytes: &[u8]) {
        let from = self.queues.load(Ordering::Relaxed);
        let from = usize::try_from(from).unwrap() % cases().count();
        cases().cycle().skip(from).take(3).for_each(|case| self.play_case(bytes, case));
    }

    fn play_case(&self, bytes: &[u8], (state, sort, end): (JobState, Sort, End)) {
        let told = AssertUnwindSafe(|| {
            self.runtime.block_on(self.play_one(bytes, state, sort, end));
        });
        if let Err(panic) = catch_unwind(told) {
            eprintln!("of a job {state}, {sort:?}, {end:?}, with {bytes:02x?}:");
            resume_unwind(panic);
        }
    }

    async fn play_one(&self, bytes: &[u8], state: JobState, sort: Sort, end: End) {
        let queue = self.queue();
        let bad = self.job_in(&queue, state, sort).await;
        let others =
            [self.add(self.job(&queue, sort)).await, self.add(self.job(&queue, Sort::Plain)).await];
        self.overwrite(&queue, bad, bytes);

        self.look(&queue, bad).await;
        match end {
            End::Deleted if state == JobState::Leased => self.clock.advance(LEASE * 2),
            End::Deleted => self.delete(&queue, bad).await,
            End::Cancelled => {
                let outcomes = self.backend.cancel(&queue, &[bad]).await.unwrap();
                let expected = match state {
                    JobState::Leased => CancelOutcome::Requested,
                    JobState::Dead => CancelOutcome::AlreadyEnded,
                    _ => CancelOutcome::Cancelled,
                };
                assert_eq!(outcomes, [expected]);
            }
            End::Worked => {
                self.clock.advance(LEASE * 2);
                // The maintenance comes upon it first, or a worker.
                if bytes.len().is_multiple_of(2) {
                    self.backend.maintain(&queue, 100).await.unwrap();
                }
            }
        }
        self.work(&queue, &others).await;
        self.look(&queue, bad).await;
        self.delete(&queue, bad).await;
        self.assert_nothing_is_left(bytes, sort, &queue).await;
    }

    async fn assert_nothing_is_left(&self, bytes: &[u8], sort: Sort, queue: &QueueName) {
        // How a parent has ended of a job that was deleted is known for a day, in case that it comes again.
        self.clock.advance(Duration::from_secs(48 * 3_600));
        for _ in 0..3 {
            self.backend.maintain(queue, 1_000).await.unwrap();
        }
        let stats = self.backend.queue(queue).await.unwrap();
        let left: u64 = JobState::ALL.iter().map(|state| stats.count(*state)).sum();
        assert_eq!(left, 0, "{stats:?}");
        // What reads well is believed: that it once had another lane or key nobody can know.
        let is_whole = bytes.len() >= 16 && bytes[0] == 1;
        if sort == Sort::Plain || !is_whole {
            let servers = [self.server.url()];
            support::assert_nothing_is_left(&self.backend, "jobq", queue, &servers).await;
        }
    }

    fn job(&self, queue: &QueueName, sort: Sort) -> NewJob {
        let id = JobId::generate(&self.clock);
        let kind = Kind::new("send_welcome").unwrap();
        let mut record =
            JobRecord::new(id, queue.clone(), kind, Payload::encode(&"hello").unwrap());
        record.max_attempts = 1;
        if sort == Sort::Rich {
            record.lane = Some(LaneKey::new(id).unwrap());
            let key = UniqueKey::from_bytes(*id.as_bytes());
            record.unique = Some(Unique::new(key, UniqueMode::LatestWins));
        }
        NewJob::new(record, When::Now)
    }

    async fn add(&self, job: NewJob) -> JobId {
        let id = job.record.id;
        self.backend.enqueue_jobs(&[job]).await.unwrap();
        id
    }

    /// A job that has come to a state, alone in its queue but for the one that it may wait for.
    async fn job_in(&self, queue: &QueueName, state: JobState, sort: Sort) -> JobId {
        let mut job = self.job(queue, sort);
        match state {
            JobState::Scheduled => job.when = When::After(LEASE),
            JobState::Waiting => {
                let mut first = self.job(queue, Sort::Plain);
                first.when = When::After(LEASE * 3);
                job.parents = vec![Parent::known(JobRef::new(queue.clone(), first.record.id))];
                self.add(first).await;
            }
            _ => {}
        }
        let id = self.add(job).await;
        if matches!(state, JobState::Leased | JobState::Dead) {
            let leases = self.lease(queue, 1, &[]).await;
            if state == JobState::Dead {
                let now = self.clock.now();
                let failure = Failure::new(FailureKind::Error, 1, now, WORKER, "no route");
                let settlement = Settlement::new(leases[0].clone(), Next::Dead { failure });
                self.lease(queue, 0, &[settlement]).await;
            }
        }
        assert_eq!(self.backend.job(queue, id).await.unwrap().unwrap().state, state);
        id
    }

    async fn lease(
        &self,
        queue: &QueueName,
        limit: usize,
        settlements: &[Settlement],
    ) -> Vec<Arc<Lease>> {
        let request = LeaseRequest::new(WORKER, limit, LEASE);
        self.backend.exchange(queue, settlements, Some(request)).await.unwrap().leases
    }

    /// All jobs that come are done, until none comes any more. Those that all went well with must be among them.
    async fn work(&self, queue: &QueueName, others: &[JobId]) {
        let (mut done, mut idle) = (Vec::new(), 0);
        let mut settlements = Vec::new();
        while idle < 4 {
            let leases = self.lease(queue, 10, &settlements).await;
            if leases.is_empty() {
                idle += 1;
                self.clock.advance(LEASE * 2);
            }
            done.extend(leases.iter().map(|lease| lease.job.id));
            let complete = |lease| Settlement::new(lease, Next::Complete { result: None });
            settlements = leases.into_iter().map(complete).collect();
        }
        for id in others {
            assert_eq!(done.iter().filter(|it| *it == id).count(), 1, "{others:?} {done:?}");
        }
    }

    /// Whatever people may ask is answered, and the bad job is in one place if it is anywhere.
    async fn look(&self, queue: &QueueName, bad: JobId) {
        let names = self.backend.queues().await.unwrap();
        assert!(names.iter().any(|stats| stats.queue == *queue));
        self.backend.lanes(queue, None, 10).await.unwrap();
        let is_there = self.is_there(queue, bad);
        let mut places = Vec::new();
        for state in JobState::ALL {
            let jobs = self.backend.jobs(queue, state, 0, 100).await.unwrap();
            places.extend(jobs.into_iter().filter(|job| job.record.id == bad));
        }
        assert_eq!(places.len(), usize::from(is_there), "{places:?}");
        let shown = self.backend.job(queue, bad).await.unwrap();
        assert_eq!(shown.as_ref(), places.first());
        if let Some(job) = shown.filter(|job| job.unreadable.is_some()) {
            assert_eq!((job.record.id, &job.record.queue), (bad, queue));
        }
        assert_eq!(self.backend.standing(queue, bad).await.unwrap().is_some(), is_there);
    }

    fn is_there(&self, queue: &QueueName, id: JobId) -> bool {
        let key = format!("{{jobq:{queue}}}:jobs");
        let mut connection = self.by_hand.get_connection().unwrap();
        redis::cmd("HEXISTS").arg(key).arg(&id.as_bytes()[..]).query(&mut connection).unwrap()
    }

    async fn delete(&self, queue: &QueueName, bad: JobId) {
        for _ in 0..3 {
            let Some(job) = self.backend.job(queue, bad).await.unwrap() else { break };
            let outcomes = self.backend.delete(queue, job.state, &[bad]).await.unwrap();
            if outcomes == [DeleteOutcome::Deleted] {
                break;
            }
            assert_eq!((job.state, &*outcomes), (JobState::Leased, &[DeleteOutcome::Running][..]));
            self.clock.advance(LEASE * 2);
            self.backend.maintain(queue, 100).await.unwrap();
        }
        assert!(!self.is_there(queue, bad), "{bad} cannot be got rid of");
    }
}

/// The record of a job as it is written.
fn record(stage: &Stage, sort: Sort) -> Vec<u8> {
    stage.runtime.block_on(async {
        let queue = stage.queue();
        let id = stage.job_in(&queue, JobState::Ready, sort).await;
        stage.read(&queue, id)
    })
}

#[test]
fn a_record_that_an_operators_slip_has_overwritten_stops_nobody() {
    let stage = Stage::set();

    for bytes in [&b""[..], b"\x01", &[0xff; 40], b"hello", &[0; 14], &[1; 200], b"\xff\xff"] {
        stage.play(bytes);
    }
}

#[test]
fn a_record_that_is_cut_off_anywhere_stops_nobody() {
    let stage = Stage::set();

    let record = record(&stage, Sort::Rich);
    for length in 0..record.len() {
        stage.play_some(&record[..length]);
    }
}

#[test]
fn no_record_that_chance_writes_stops_anybody() {
    let stage = Stage::set();
    let corpus = Fuzz::corpus(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/records"));

    corpus.input(record(&stage, Sort::Plain)).run(|bytes| stage.play_some(bytes));
}
