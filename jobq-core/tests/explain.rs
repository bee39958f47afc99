//! What is said about a job: every reason, and the guess of when it starts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::time::Duration;

use jobq_core::backend::WorkerStatus;
use jobq_core::explain::{Reason, explain};
use jobq_core::inspect::JobView;
use jobq_core::{
    Backend, BatchId, BatchRef, Block, Clock, Explanation, Failure, FailureKind, JobId, JobRecord,
    JobRef, JobState, Kind, LaneKey, LeaseRequest, LimitName, LimitScope, LimitSource, Limits,
    ManualClock, MemoryBackend, NewJob, Payload, QueueName, Rate, Standing, Timestamp, Token, When,
    WorkerId,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

fn queue() -> QueueName {
    QueueName::new("crm").unwrap()
}

fn job(state: JobState) -> JobView {
    let payload = Payload::encode(&()).unwrap();
    let id = JobId::from_key("it");
    JobView::new(JobRecord::new(id, queue(), Kind::new("crm.sync").unwrap(), payload), state)
}

fn worker(name: &str, id: u64) -> WorkerStatus {
    let mut worker = WorkerStatus::new(WorkerId::from_u64(id), name, NOW);
    worker.queues = vec!["crm".to_owned()];
    worker.kinds = vec!["crm.sync".to_owned()];
    worker.concurrency = 10;
    worker
}

/// A ready job of lane 7 with these blocks, while an idle worker lives.
fn blocked(blocks: Vec<Block>) -> Explanation {
    let mut standing = Standing::new(job(JobState::Ready));
    standing.lane = Some(LaneKey::new(7).unwrap());
    standing.blocks = blocks;
    Explanation::new(&standing, &[worker("w1", 1)], NOW)
}

fn only(explanation: &Explanation) -> &Reason {
    let [reason] = explanation.reasons.as_slice() else { panic!("{explanation}") };
    reason
}

#[test]
fn every_block_has_its_sentence() {
    let until = NOW + HALF_A_MINUTE;
    let rate = Rate::fixed(100, Duration::from_secs(60));
    let (one, other) = (JobId::from_key("one"), JobId::from_key("other"));
    let name = LimitName::new("crm-api").unwrap();
    let batch = BatchRef::new(queue(), BatchId::from_key("prices"));
    let parent = |id| JobRef::new(queue(), id);
    let moment = "2027-01-15T08:00:30.000Z (in 30s)";
    let cases = [
        (Block::NotDue { at: until }, "not_due", format!("it is due at {moment}")),
        (
            Block::Parents(vec![parent(one)]),
            "parents",
            format!("it waits for job crm/{one} to end"),
        ),
        (
            Block::Parents((0..7).map(|_| parent(one)).collect()),
            "parents",
            format!(
                "it waits for 7 jobs to end: {} and 2 more",
                vec![format!("crm/{one}"); 5].join(", ")
            ),
        ),
        (
            Block::QueuePaused,
            "queue_paused",
            "queue crm is paused until somebody resumes it".into(),
        ),
        (
            Block::QueueConcurrency { limit: 50 },
            "queue_concurrency",
            "as many jobs of queue crm run as may at once: 50".into(),
        ),
        (
            Block::QueueRate { rate, until },
            "queue_rate",
            format!("queue crm has used up its rate of 100/min: it has room at {moment}"),
        ),
        (Block::LanePaused, "lane_paused", "lane 7 is paused until somebody resumes it".into()),
        (
            Block::LaneRests { until, failures: 0 },
            "lane_rests",
            format!("lane 7 was told to rest until {moment}"),
        ),
        (
            Block::LaneRests { until, failures: 5 },
            "lane_rests",
            format!("lane 7 rests after 5 failures in a row until {moment}"),
        ),
        (
            Block::LaneConcurrency { limit: 2, holders: vec![one, other] },
            "lane_concurrency",
            format!("as many jobs of lane 7 run as may at once (2): {one}, {other}"),
        ),
        (
            Block::LaneRate { rate, until },
            "lane_rate",
            format!("lane 7 has used up its rate of 100/min: it has room at {moment}"),
        ),
        (
            Block::Shared { name: name.clone(), until: Some(until) },
            "shared",
            format!("shared limit crm-api is used up: it has room at {moment}"),
        ),
        (
            Block::Shared { name, until: None },
            "shared",
            "as many jobs run as shared limit crm-api allows: it has room when one ends".into(),
        ),
        (
            Block::CalledOff { batch: batch.clone() },
            "called_off",
            format!("batch {batch} is called off: it ends as cancelled instead of being leased"),
        ),
        (
            Block::UniqueKey { holder: one },
            "unique_key",
            format!("job {one} runs with its unique key, and only one may at a time"),
        ),
    ];
    for (block, code, text) in cases {
        let (explained, until) = (blocked(vec![block.clone()]), block.until());
        let reason = only(&explained);
        assert_eq!((reason.code, reason.text.as_str()), (code, text.as_str()), "{block:?}");
        assert_eq!(reason.until, until, "{block:?}");
        // What passes with time is an estimate; what hangs on others is none.
        assert_eq!(explained.starts_at, until, "{block:?}");
    }
}

#[test]
fn several_blocks_are_told_one_by_one_and_the_last_to_go_counts() {
    let (soon, later) = (NOW + HALF_A_MINUTE, NOW + HALF_A_MINUTE * 2);
    let rate = Rate::fixed(100, Duration::from_secs(60));
    let explained = blocked(vec![
        Block::LaneRests { until: later, failures: 5 },
        Block::LaneRate { rate, until: soon },
    ]);

    let codes: Vec<_> = explained.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, ["lane_rests", "lane_rate"]);
    assert_eq!(explained.starts_at, Some(later));

    let paused = blocked(vec![Block::LaneRate { rate, until: soon }, Block::QueuePaused]);
    assert_eq!(paused.starts_at, None);
}

#[test]
fn a_job_that_nothing_keeps_is_next() {
    let explained = blocked(Vec::new());

    assert_eq!(only(&explained).text, "nothing keeps it from running: it is next");
    assert_eq!(explained.starts_at, Some(NOW));
    assert!(explained.to_string().ends_with("it may start at any moment"), "{explained}");
}

#[test]
fn a_job_that_no_worker_would_run_says_so() {
    let standing = Standing::new(job(JobState::Ready));
    let mut elsewhere = worker("w1", 1);
    elsewhere.queues = vec!["mail".to_owned()];
    let mut stranger = worker("w2", 2);
    stranger.kinds = vec!["mail.send".to_owned()];
    let mut stopping = worker("w3", 3);
    stopping.draining = true;
    for (workers, code, text) in [
        (vec![], "no_worker", "no living worker serves queue crm"),
        (vec![elsewhere.clone()], "no_worker", "no living worker serves queue crm"),
        (
            vec![elsewhere, stranger.clone()],
            "no_handler",
            "no living worker of queue crm handles kind crm.sync",
        ),
        (
            vec![stranger, stopping],
            "draining",
            "all workers of queue crm that handle kind crm.sync are stopping",
        ),
    ] {
        let explained = Explanation::new(&standing, &workers, NOW);

        let reason = only(&explained);
        assert_eq!((reason.code, reason.text.as_str()), (code, text));
        assert_eq!(explained.starts_at, None, "{explained}");
    }
}

#[test]
fn workers_that_have_enough_to_do_are_mentioned() {
    let mut standing = Standing::new(job(JobState::Ready));
    let (mut full, idle) = (worker("w1", 1), worker("w2", 2));
    full.running = 10;

    let explained = Explanation::new(&standing, &[full.clone()], NOW);
    assert_eq!(only(&explained).text, "all workers of queue crm are busy: they run 10 jobs");

    let explained = Explanation::new(&standing, &[full.clone(), idle], NOW);
    assert_eq!(only(&explained).code, "next");

    // It says nothing about a job that could not be leased anyway.
    standing.job.state = JobState::Scheduled;
    standing.blocks = vec![Block::NotDue { at: NOW + HALF_A_MINUTE }];
    assert_eq!(only(&Explanation::new(&standing, &[full], NOW)).code, "not_due");
}

#[test]
fn what_goes_before_it_is_counted_and_timed() {
    let mut standing = Standing::new(job(JobState::Ready));
    for (ahead, lanes, rate, text, after) in [
        (1, 0, None, "1 job goes before it", None),
        (30, 0, Some(0.5), "30 jobs go before it; of late 0.50 a second were leased", Some(60)),
        (
            0,
            1,
            Some(20.0),
            "it is first in its lane, which takes turns with another one; of late 20 a second were leased",
            Some(0),
        ),
        (
            9,
            3,
            Some(1.0),
            "9 jobs of its lane go before it, and the lane takes turns with 3 others; of late 1.00 a second were leased",
            Some(39),
        ),
        // Nothing was leased of late: that says nothing about when it will be.
        (3, 0, Some(0.0), "3 jobs go before it", None),
    ] {
        (standing.ahead, standing.lanes, standing.rate) = (ahead, lanes, rate);

        let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);

        assert_eq!(only(&explained).text, text);
        let expected = after.map(|seconds| NOW.as_millis() / 1_000 + seconds);
        assert_eq!(explained.starts_at.map(|at| at.as_millis() / 1_000), expected, "{text}");
    }
}

#[test]
fn those_before_it_use_up_the_rate_of_its_lane_too() {
    let mut standing = Standing::new(job(JobState::Ready));
    let until = NOW + HALF_A_MINUTE;
    standing.blocks =
        vec![Block::LaneRate { rate: Rate::fixed(100, Duration::from_secs(60)), until }];

    for (ahead, rate, windows) in [(99, None, 0), (100, None, 1), (250, Some(1_000.0), 2)] {
        (standing.ahead, standing.rate) = (ahead, rate);
        let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);
        assert_eq!(explained.starts_at, Some(until + Duration::from_secs(60) * windows), "{ahead}");
    }
    // A queue that is slower than its limits decides.
    (standing.ahead, standing.rate) = (250, Some(1.0));
    let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);
    assert_eq!(explained.starts_at, Some(until + Duration::from_secs(250)));
}

#[test]
fn a_slot_is_as_far_away_as_the_next_lease() {
    let mut standing = Standing::new(job(JobState::Ready));
    standing.blocks = vec![Block::QueueConcurrency { limit: 1 }];
    standing.rate = Some(0.5);

    let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);

    assert_eq!(explained.starts_at, Some(NOW + Duration::from_secs(2)));
}

fn failure(kind: FailureKind, attempt: u32) -> Failure {
    Failure::new(kind, attempt, NOW, WorkerId::from_u64(1), "the CRM answered 500")
}

#[test]
fn a_job_that_backs_off_tells_its_last_error() {
    let mut standing = Standing::new(job(JobState::Scheduled));
    standing.job.failed_attempts = 2;
    standing.job.history.push(failure(FailureKind::Error, 2));
    standing.blocks = vec![Block::NotDue { at: NOW + HALF_A_MINUTE }];

    let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW + Duration::from_secs(1));

    assert_eq!(
        explained.to_string(),
        format!(
            "job crm/{}, kind crm.sync: scheduled\n  \
             it is due at 2027-01-15T08:00:30.000Z (in 29s)\n  \
             attempt 2 of 5 failed at 2027-01-15T08:00:00.000Z (1s ago): error: the CRM answered 500\n  \
             it may start at about 2027-01-15T08:00:30.000Z (in 29s)",
            JobId::from_key("it")
        )
    );
}

#[test]
fn a_job_that_came_back_from_a_crash_is_next_again() {
    let mut standing = Standing::new(job(JobState::Ready));
    standing.job.crashes = 1;
    standing.job.history.push(failure(FailureKind::Crash, 1));

    let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);

    let texts: Vec<_> = explained.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "a worker that ran it was lost at 2027-01-15T08:00:00.000Z (now): 1 of 3",
            "nothing keeps it from running: it is next"
        ]
    );
}

#[test]
fn a_job_that_was_requeued_starts_anew() {
    let mut standing = Standing::new(job(JobState::Ready));
    standing.job.history.push(failure(FailureKind::Error, 5));

    assert_eq!(only(&Explanation::new(&standing, &[worker("w1", 1)], NOW)).code, "next");
}

#[test]
fn a_job_whose_parents_have_ended_in_another_queue_is_being_told() {
    let explained =
        Explanation::new(&Standing::new(job(JobState::Waiting)), &[worker("w1", 1)], NOW);

    assert_eq!(only(&explained).code, "told");
    assert_eq!(explained.starts_at, None);
}

#[test]
fn a_running_job_says_who_has_it() {
    let mut standing = Standing::new(job(JobState::Leased));
    standing.job.held_by = Some((WorkerId::from_u64(1), Token::from_u64(3)));
    standing.job.at = Some(NOW + Duration::from_secs(10));
    standing.job.cancel_requested = true;

    let explained = Explanation::new(&standing, &[worker("w1", 1)], NOW);

    let texts: Vec<_> = explained.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "worker w1 (0000000000000001) runs it, and holds it until 2027-01-15T08:00:10.000Z (in 10s)",
            "somebody has asked it to end"
        ]
    );
    assert_eq!(explained.starts_at, None);

    let explained = Explanation::new(&standing, &[], NOW);
    assert!(explained.reasons[0].text.contains("which is not among the living"), "{explained}");
}

#[test]
fn an_ended_job_says_how_it_ended() {
    let end = |state, failures: &[Failure]| {
        let mut view = job(state);
        view.at = Some(NOW + HALF_A_MINUTE);
        view.crashes = 3;
        view.history = failures.iter().cloned().collect();
        let explained = Explanation::new(&Standing::new(view), &[], NOW);
        assert_eq!(explained.starts_at, None);
        only(&explained).text.clone()
    };
    let kept = "and is kept until 2027-01-15T08:00:30.000Z (in 30s)";
    let died = "it died at 2027-01-15T08:00:30.000Z (in 30s)";

    assert_eq!(end(JobState::Completed, &[]), format!("it has completed, {kept}"));
    assert_eq!(end(JobState::Cancelled, &[]), format!("it was cancelled, {kept}"));
    assert_eq!(end(JobState::Dead, &[]), format!("{died}, and nothing is known of why"));
    assert_eq!(
        end(JobState::Dead, &[failure(FailureKind::Timeout, 5)]),
        format!("{died} with attempt 5 of 5: timeout: the CRM answered 500")
    );
    assert_eq!(
        end(JobState::Dead, &[failure(FailureKind::Parent, 1)]),
        format!("{died} without having run: the CRM answered 500")
    );
    assert_eq!(
        end(JobState::Dead, &[failure(FailureKind::Crash, 1)]),
        format!("{died} as it brought down 3 workers: the CRM answered 500")
    );
}

#[test]
fn programs_are_told_the_same() {
    let rate = Rate::fixed(100, Duration::from_secs(60));
    let explained = blocked(vec![Block::LaneRate { rate, until: NOW + HALF_A_MINUTE }]);

    assert_eq!(
        serde_json::to_value(&explained).unwrap(),
        serde_json::json!({
            "id": JobId::from_key("it").to_string(),
            "queue": "crm",
            "kind": "crm.sync",
            "state": "ready",
            "reasons": [{
                "code": "lane_rate",
                "text": "lane 7 has used up its rate of 100/min: it has room at \
                         2027-01-15T08:00:30.000Z (in 30s)",
                "until": "2027-01-15T08:00:30.000Z",
            }],
            "starts_at": "2027-01-15T08:00:30.000Z",
        })
    );
}

#[tokio::test]
async fn a_backend_is_asked_for_the_facts() {
    let clock = Arc::new(ManualClock::starting_at(NOW));
    let store = MemoryBackend::with_clock(Arc::clone(&clock));
    let rate = Rate::fixed(1, Duration::from_secs(60));
    let lanes = LimitScope::Lanes(queue());
    store.set_limits(&lanes, LimitSource::Code, &Limits::new().rate(rate)).await.unwrap();
    for id in ["first", "second"] {
        let payload = Payload::encode(&()).unwrap();
        let kind = Kind::new("crm.sync").unwrap();
        let mut record = JobRecord::new(JobId::from_key(id), queue(), kind, payload);
        record.lane = Some(LaneKey::new(7).unwrap());
        store.enqueue_jobs(&[NewJob::new(record, When::Now)]).await.unwrap();
    }
    store.heartbeat(&worker("w1", 1), Duration::from_secs(60)).await.unwrap();
    let second = JobRef::new(queue(), JobId::from_key("second"));
    let request = LeaseRequest::new(WorkerId::from_u64(1), 2, Duration::from_secs(3_600));
    let leased = store.exchange(&queue(), &[], Some(request)).await.unwrap();
    assert_eq!(leased.leases.len(), 1);

    let explained = explain(&store, &second, clock.now()).await.unwrap().unwrap();

    // The window began with the hour.
    let until = NOW + Duration::from_secs(60);
    assert_eq!((only(&explained).code, explained.starts_at), ("lane_rate", Some(until)));
    clock.advance(Duration::from_secs(60));
    let leased = store.exchange(&queue(), &[], Some(request)).await.unwrap();
    assert_eq!(leased.leases[0].job.id, second.id);
    let explained = explain(&store, &second, clock.now()).await.unwrap().unwrap();
    assert_eq!(explained.reasons[0].code, "running");
    let unknown = JobRef::new(queue(), JobId::from_key("unknown"));
    assert_eq!(explain(&store, &unknown, clock.now()).await.unwrap(), None);
}
