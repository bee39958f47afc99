//! What ten thousand schedules cost three schedulers and their server, hour by hour.

use std::time::{Duration, Instant};

use jobq_redis::RedisBackend;
use jobq_scheduler::{Schedule, Scheduler, TimeUnits, Timetable};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;
use crate::server::Server;

const SCHEDULES: u64 = 10_000;
const SCHEDULERS: usize = 3;
/// Schedulers look at their group every 15 seconds: after two looks all know of each other.
const SETTLING: Duration = Duration::from_secs(35);
const WATCHED: Duration = Duration::from_secs(30);
/// `USER_HZ`, in which the kernel counts processor time for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Hourly, spread over the hour: about three ticks a second.
fn schedules() -> impl Iterator<Item = (String, Schedule)> {
    (0..SCHEDULES).map(|number| {
        let minute = u8::try_from(number % 60).unwrap_or(0);
        let schedule = Schedule::hourly_at(minute).timezone("Europe/Warsaw").jitter(60.seconds());
        (format!("schedule-{number:05}"), schedule.job(Noop::new(number)))
    })
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    for _ in 0..SCHEDULERS {
        let store = RedisBackend::connect(server.url()).await?;
        let mut stopped = stopped.clone();
        let scheduler = Scheduler::new(store).group("bench").schedules(schedules());
        running.spawn(scheduler.run_until(async move {
            // The sender lives until the end.
            let _ = stopped.wait_for(|stop| *stop).await;
        }));
    }
    tokio::time::sleep(SETTLING).await;
    let (before, own_before) = (server.counters().await?, own_seconds()?);
    tokio::time::sleep(WATCHED).await;
    let (after, own_after) = (server.counters().await?, own_seconds()?);
    stop.send_replace(true);
    let mut enqueued = 0;
    while let Some(ended) = running.join_next().await {
        enqueued += ended??.enqueued;
    }

    let timetable = Timetable::new(queue, "bench")?;
    let asked_at = Instant::now();
    let listed = timetable.list().await?.len();
    let listing = asked_at.elapsed();

    let percent = |seconds: f64| seconds / WATCHED.as_secs_f64() * 100.0;
    let mut figures = Figures::of("schedules");
    figures.add("process-cpu", percent(own_after - own_before), "% of a core", Bar::AtMost(1.0));
    let redis = (after.cpu_us - before.cpu_us) / 1e6;
    figures.add("redis-cpu", percent(redis), "% of a core", Bar::AtMost(1.0));
    // So that nobody is cheap by doing nothing.
    figures.add("ticks", enqueued as f64, "jobs", Bar::AtLeast(1.0));
    figures.add("listed", listed as f64, "schedules", Bar::AtLeast(SCHEDULES as f64));
    figures.add("list", listing.as_secs_f64() * 1e3, "ms", Bar::AtMost(500.0));
    Ok(figures.done())
}

/// The processor time of this process so far.
fn own_seconds() -> AnyResult<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may hold anything; user and system time are the 12th and 13th after it.
    let rest = stat.rsplit(") ").next().ok_or("/proc/self/stat is in another form")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |nth: usize| -> AnyResult<f64> {
        Ok(fields.get(nth).ok_or("/proc/self/stat is too short")?.parse()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}
