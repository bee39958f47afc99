//! Schedulers at work, in paused time.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{Backend, ErrorKind, JobState, LimitScope, LimitSource, Limits, MemoryBackend};
use jobq_scheduler::{CatchUp, Overlap, RunNow, Schedule, Scheduler, TimeUnits, Timetable};
use support::{
    MONDAY, Prune, Running, StepClock, ack, backend, lease, prune, queue, sleep_until, state, ticks,
};

const HOUR: u64 = 3_600;

fn scheduler(backend: &MemoryBackend, schedule: Schedule) -> Scheduler {
    Scheduler::new(backend.clone()).group("shop").schedule("prune", schedule)
}

#[tokio::test(start_paused = true)]
async fn a_job_is_enqueued_at_its_time_with_its_tick() {
    let backend = backend();
    let schedule = Schedule::cron("0 2 * * *").timezone("Europe/Warsaw").job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    sleep_until(&backend, MONDAY + 1.hours() - Duration::from_millis(1)).await;
    assert_eq!(lease(&backend, &queue("maintenance")).await.len(), 0);
    tokio::time::sleep(Duration::from_millis(3)).await;

    let leases = lease(&backend, &queue("maintenance")).await;
    assert_eq!(leases.len(), 1);
    let job = &leases[0].job;
    assert_eq!(job.payload.decode::<Prune>().unwrap(), prune());
    assert_eq!(job.metadata.get("schedule"), Some("shop/prune"));
    assert_eq!(job.metadata.get("tick"), Some((MONDAY + 1.hours()).to_string().as_str()));
    let late = job.enqueued_at.since(MONDAY + 1.hours());
    assert!(late <= Duration::from_millis(1), "{late:?} late");
    assert_eq!(running.stop().await.enqueued, 1);
}

#[tokio::test(start_paused = true)]
async fn several_schedulers_enqueue_each_tick_once() {
    let backend = backend();
    let hourly = || Schedule::hourly().job(prune());
    let running: Vec<_> = (0..5).map(|_| Running::start(scheduler(&backend, hourly()))).collect();
    sleep_until(&backend, MONDAY + 5.hours() + 1.seconds()).await;

    let expected: Vec<_> = (1..=5).map(|hour| hour * HOUR).collect();
    assert_eq!(ticks(&backend, "maintenance").await, expected);
    let mut enqueued = 0;
    for one in running {
        enqueued += one.stop().await.enqueued;
    }
    assert_eq!(enqueued, 5);
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_are_made_up_for_as_the_schedule_says() {
    for (policy, expected) in [
        (CatchUp::last(), vec![5]),
        (CatchUp::all(3), vec![3, 4, 5]),
        (CatchUp::all(9), vec![2, 3, 4, 5]),
        (CatchUp::all(9).within(2.hours()), vec![4, 5]),
        (CatchUp::skip(), vec![]),
    ] {
        let backend = backend();
        let hourly = || scheduler(&backend, Schedule::hourly().catch_up(policy).job(prune()));
        let running = Running::start(hourly());
        sleep_until(&backend, MONDAY + 90.minutes()).await;
        running.stop().await;
        assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);
        sleep_until(&backend, MONDAY + 330.minutes()).await;
        let running = Running::start(hourly());
        sleep_until(&backend, MONDAY + 331.minutes()).await;

        let expected: Vec<_> = expected.into_iter().map(|hour: u64| hour * HOUR).collect();
        assert_eq!(ticks(&backend, "maintenance").await, expected, "{policy:?}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_schedule_owes_nothing_of_the_past() {
    let backend = backend();
    sleep_until(&backend, MONDAY + 90.minutes()).await;
    let schedule = Schedule::hourly().catch_up(CatchUp::all(100)).job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    sleep_until(&backend, MONDAY + 125.minutes()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [2 * HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_at_a_tick_loses_nothing() {
    let backend = backend();
    let hourly = || scheduler(&backend, Schedule::hourly().catch_up(CatchUp::skip()).job(prune()));
    let running = Running::start(hourly());
    sleep_until(&backend, MONDAY + 1.hours() - 1.seconds()).await;
    running.stop().await;
    sleep_until(&backend, MONDAY + 1.hours() + 20.seconds()).await;
    let running = Running::start(hourly());
    tokio::time::sleep(Duration::from_secs(1)).await;

    assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn overlapping_ticks_are_left_out_until_the_job_has_ended() {
    let backend = backend();
    let schedule = Schedule::hourly().without_overlapping().job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    let maintenance = queue("maintenance");
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    let first = lease(&backend, &maintenance).await.remove(0);
    sleep_until(&backend, MONDAY + 3.hours() + 1.seconds()).await;
    assert_eq!(lease(&backend, &maintenance).await.len(), 0);
    ack(&backend, &maintenance, &first).await;
    sleep_until(&backend, MONDAY + 4.hours() + 1.seconds()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [4 * HOUR]);
    let summary = running.stop().await;
    assert_eq!((summary.enqueued, summary.left_out), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn one_overlapping_tick_waits_if_it_is_to_be_queued() {
    let backend = backend();
    let schedule = Schedule::hourly().overlap(Overlap::Queue).job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    let maintenance = queue("maintenance");
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    let first = lease(&backend, &maintenance).await.remove(0);
    sleep_until(&backend, MONDAY + 4.hours() + 1.seconds()).await;
    assert_eq!(lease(&backend, &maintenance).await.len(), 0);
    ack(&backend, &maintenance, &first).await;

    assert_eq!(ticks(&backend, "maintenance").await, [2 * HOUR]);
    let summary = running.stop().await;
    assert_eq!((summary.enqueued, summary.left_out), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_running_job_is_called_off_if_the_schedule_says_so() {
    let backend = backend();
    let schedule = Schedule::hourly().overlap(Overlap::Cancel).job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    let maintenance = queue("maintenance");
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    let first = lease(&backend, &maintenance).await.remove(0);
    // The second waits for the first to end, the third takes the place of the second.
    sleep_until(&backend, MONDAY + 3.hours() + 1.seconds()).await;
    let extended = backend.extend(&maintenance, &[first.proof()], 9.hours()).await.unwrap();
    assert_eq!(extended, [jobq_core::Extended::CancelRequested]);
    assert_eq!(lease(&backend, &maintenance).await.len(), 0);
    ack(&backend, &maintenance, &first).await;

    assert_eq!(ticks(&backend, "maintenance").await, [3 * HOUR]);
    // One that has not started ends at once.
    sleep_until(&backend, MONDAY + 5.hours() + 1.seconds()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [5 * HOUR]);
    assert_eq!(running.stop().await.enqueued, 5);
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_rests_until_it_is_resumed() {
    let backend = backend();
    let schedule = Schedule::hourly().catch_up(CatchUp::all(100)).job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    sleep_until(&backend, MONDAY + 1.hours() - 1.seconds()).await;
    timetable.pause("prune").await.unwrap();
    assert!(timetable.list().await.unwrap()[0].paused);
    assert_eq!(timetable.list().await.unwrap()[0].next_at, None);
    sleep_until(&backend, MONDAY + 150.minutes()).await;
    timetable.resume("prune").await.unwrap();
    sleep_until(&backend, MONDAY + 3.hours() + 1.seconds()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [3 * HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_can_be_run_by_hand() {
    let backend = backend();
    let schedule = Schedule::hourly().without_overlapping().job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    let RunNow::Enqueued(id) = timetable.run("prune").await.unwrap() else { panic!("not run") };
    assert_eq!(timetable.run("prune").await.unwrap(), RunNow::LeftOut);

    let maintenance = queue("maintenance");
    assert_eq!(state(&backend, &maintenance, id).await, Some(JobState::Ready));
    let leased = lease(&backend, &maintenance).await.remove(0);
    assert_eq!((leased.job.id, leased.job.metadata.get("tick")), (id, None));
    ack(&backend, &maintenance, &leased).await;
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn schedules_are_added_changed_and_removed_at_run_time() {
    let backend = backend();
    let running = Running::start(Scheduler::new(backend.clone()).group("shop"));
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    timetable.add("sync", Schedule::hourly().job(prune())).await.unwrap();
    let again = timetable.add("sync", Schedule::hourly().job(prune())).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);

    timetable.change("sync", Schedule::hourly_at(30).job(prune())).await.unwrap();
    assert_eq!(
        timetable.next("sync", 2).await.unwrap(),
        [MONDAY + 90.minutes(), MONDAY + 150.minutes()]
    );
    sleep_until(&backend, MONDAY + 121.minutes()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [HOUR + HOUR / 2]);

    timetable.remove("sync").await.unwrap();
    assert_eq!(timetable.list().await.unwrap(), []);
    sleep_until(&backend, MONDAY + 4.hours()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [0_u64; 0]);
    let gone = timetable.remove("sync").await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn groups_do_not_see_each_other() {
    let backend = backend();
    let in_group = |group: &str, minute| {
        let schedule = Schedule::hourly_at(minute).job(prune());
        Scheduler::new(backend.clone()).group(group).schedule("prune", schedule)
    };
    let running = [Running::start(in_group("a", 10)), Running::start(in_group("b", 20))];
    sleep_until(&backend, MONDAY + 1.hours()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [600, 1_200]);
    for (group, description) in [("a", "10"), ("b", "20")] {
        let list = Timetable::new(backend.clone(), group).unwrap().list().await.unwrap();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].description, format!("every hour at minute {description}, UTC"));
    }
    for one in running {
        one.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_repeats_no_tick() {
    let clock = StepClock::new();
    let backend = MemoryBackend::with_clock(clock.clone());
    let running = Running::start(scheduler(&backend, Schedule::every(10.minutes()).job(prune())));
    sleep_until(&backend, MONDAY + 61.minutes()).await;
    clock.step(-30 * 60_000);
    tokio::time::sleep(40.minutes()).await;

    let expected: Vec<u64> = (1..=7).map(|n| n * 600).collect();
    assert_eq!(ticks(&backend, "maintenance").await, expected);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_forward_is_noticed() {
    let clock = StepClock::new();
    let backend = MemoryBackend::with_clock(clock.clone());
    let schedule = Schedule::hourly().catch_up(CatchUp::all(2)).job(prune());
    let running = Running::start(scheduler(&backend, schedule));
    tokio::time::sleep(1.seconds()).await;
    clock.step(5 * 3_600_000);
    tokio::time::sleep(20.seconds()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [4 * HOUR, 5 * HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_gets_its_tick_when_there_is_room() {
    let backend = backend();
    let maintenance = queue("maintenance");
    let scope = LimitScope::Queue(maintenance.clone());
    let limits = Limits::new().max_size(1);
    backend.set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
    let running = Running::start(scheduler(&backend, Schedule::hourly().job(prune())));
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    tokio::time::sleep(1.seconds()).await;
    timetable.run("prune").await.unwrap();
    sleep_until(&backend, MONDAY + 1.hours() + 10.seconds()).await;
    let leased = lease(&backend, &maintenance).await;
    assert_eq!(leased.len(), 1);
    tokio::time::sleep(6.seconds()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_pass_enqueues_what_is_due() {
    let backend = backend();
    let once = || scheduler(&backend, Schedule::hourly().job(prune())).run_once();
    assert_eq!(once().await.unwrap().enqueued, 0);
    sleep_until(&backend, MONDAY + 61.minutes()).await;
    assert_eq!(once().await.unwrap().enqueued, 1);
    assert_eq!(once().await.unwrap().enqueued, 0);

    assert_eq!(ticks(&backend, "maintenance").await, [HOUR]);
}

#[tokio::test]
async fn all_mistakes_are_told_before_anything_runs() {
    let scheduler = Scheduler::new(backend())
        .group("my group")
        .schedule("a", Schedule::cron("61 * * * *").timezone("Mars/Olympus").job(prune()))
        .schedule("b", Schedule::hourly())
        .schedule("c", Schedule::hourly().job(prune()))
        .schedule("c", Schedule::daily().job(prune()))
        .schedule("d e", Schedule::daily().job(prune()));

    let error = scheduler.run_once().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    for part in [
        "group name \"my group\"",
        "schedule \"a\": cron expression \"61 * * * *\": minute \"61\": 61 is not 0 to 59; time zone \"Mars/Olympus\"",
        "schedule \"b\": it has no job: say which with .job(…)",
        "two schedules of the name \"c\"",
        "schedule name \"d e\"",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
}

fn counted(scheduler: &jobq_core::Vitals) -> Vec<(String, u64)> {
    let counts = scheduler.counts().into_iter().map(|(measure, count)| {
        let outcome = measure.labels.first().map_or("", |(_, outcome)| outcome);
        (format!("{}{outcome}", measure.name.trim_start_matches("jobq_scheduler_")), count)
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_tells_how_it_is_and_what_it_has_claimed() {
    use jobq_core::vitals::Condition;
    let backend = backend();
    let schedule = Schedule::every(1.hours()).catch_up(CatchUp::all(10));
    let schedule = schedule.without_overlapping().job(prune());
    let first = scheduler(&backend, schedule.clone());
    let vitals = first.vitals();
    assert_eq!((vitals.part(), vitals.condition()), ("scheduler", Condition::Starting));
    assert_eq!(vitals.since_beat(), None);

    let running = Running::start(first);
    sleep_until(&backend, MONDAY + 2.hours() + Duration::from_secs(1)).await;

    assert_eq!(vitals.condition(), Condition::Ready);
    assert!(vitals.since_beat().is_some());
    // The second tick comes while the job of the first one waits.
    let (one, two) = ("ticks_totalenqueued".to_owned(), "ticks_totalleft_out".to_owned());
    assert_eq!(counted(&vitals), [(one.clone(), 1), (two.clone(), 1)]);
    running.stop().await;
    assert_eq!(vitals.condition(), Condition::Stopped);

    // What was missed is made up for, and late.
    sleep_until(&backend, MONDAY + 4.hours() + Duration::from_secs(11)).await;
    let second = scheduler(&backend, schedule);
    let vitals = second.vitals();
    let running = Running::start(second);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let late = ("ticks_late_total".to_owned(), 2);
    assert_eq!(counted(&vitals), [(two, 2), late]);
    running.stop().await;
}
