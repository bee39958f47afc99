//! Starts everything, watches it, and stops it again.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use jobq_worker::StopSignals;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::board::Board;
use crate::cli::Cli;
use crate::queue::Queue;
use crate::system::{Result, System};
use crate::systems;
use crate::tally::Tally;
use crate::verdict::Verdict;

/// How long what is under way may take to end.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What has been stopped, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stopped {
    Nothing,
    Clock,
    Workers,
}

/// Shows everything, and says by the exit code whether every promise was kept.
pub(crate) async fn show(cli: &Cli) -> Result<ExitCode> {
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let folder = tempfile::tempdir()?;
    let queue = Queue::open(&cli.queue).await?;
    queue.check_unused().await?;
    let systems = tokio::select! {
        systems = systems::set_up(&queue, folder.path(), cli) => systems?,
        () = signals.next() => return Err("interrupted before it began".into()),
    };
    if !cli.json {
        let (count, queue, seconds) = (systems.len(), queue.name(), cli.length().as_secs());
        say(&format!(
            "{count} business systems, {queue}, one scheduler; work comes in for {seconds} s \
             (Ctrl+C ends it sooner)\n"
        ));
    }

    let began = Instant::now();
    let tally = Tally::default();
    let (stop, stopped) = watch::channel(Stopped::Nothing);
    let mut running = start(&systems, &queue, &tally, &stopped)?;
    let mut ticks = 0;
    let board = Board::new(systems.iter().map(|system| system.name()).collect());
    let watching = async {
        let mut every = interval(board.every());
        every.tick().await;
        loop {
            every.tick().await;
            if !cli.json {
                board.show(&lines(&systems).await);
            }
        }
    };
    tokio::pin!(watching);
    tokio::select! {
        () = sleep(cli.length()) => {}
        // The first signal ends it sooner.
        () = signals.next() => {}
        fault = play(&systems) => fault?,
        // A part ends by itself only if something is wrong.
        Some(ended) = running.join_next() => ticks += ended??,
        () = &mut watching => {}
    }
    // First the clock: its work would never end.
    stop.send_replace(Stopped::Clock);
    if let Some(ended) = running.join_next().await {
        ticks += ended??;
    }
    tokio::select! {
        rested = rest(&systems) => rested?,
        () = signals.next() => return Err("interrupted before what was under way had ended".into()),
        Some(ended) = running.join_next() => ticks += ended??,
        () = &mut watching => {}
    }
    stop.send_replace(Stopped::Workers);
    while let Some(ended) = running.join_next().await {
        ticks += ended??;
    }
    board.end();

    let mut verdict =
        Verdict { systems: Vec::new(), attempts: tally.count(), ticks, elapsed: began.elapsed() };
    for system in &systems {
        verdict.systems.push((system.name(), system.look().await?, system.promises().await?));
    }
    verdict.print(cli.json);
    Ok(if verdict.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the workers of all systems, and the scheduler. Each ends with the number of ticks that it has enqueued.
fn start(
    systems: &[Box<dyn System>],
    queue: &Queue,
    tally: &Tally,
    stopped: &watch::Receiver<Stopped>,
) -> Result<JoinSet<jobq_core::Result<u64>>> {
    let until = |what: Stopped| {
        let mut stopped = stopped.clone();
        async move {
            // The sender lives until the end.
            let _ = stopped.wait_for(|stopped| *stopped >= what).await;
        }
    };
    let mut running = JoinSet::new();
    let mut scheduler = queue.scheduler();
    for system in systems {
        for worker in system.workers()? {
            let worker = worker.layer(tally.clone()).run_until(until(Stopped::Workers));
            running.spawn(async move { worker.await.map(|_| 0) });
        }
        for (name, schedule) in system.schedules() {
            scheduler = scheduler.schedule(name, schedule);
        }
    }
    let scheduler = scheduler.run_until(until(Stopped::Clock));
    running.spawn(async move { scheduler.await.map(|done| done.enqueued) });
    Ok(running)
}

/// Work for all of them at once. Returns only with a fault.
async fn play(systems: &[Box<dyn System>]) -> Result<()> {
    let mut playing = systems.iter().map(|system| system.play()).collect::<Vec<_>>();
    std::future::poll_fn(|cx| {
        for play in &mut playing {
            if let std::task::Poll::Ready(ended) = play.as_mut().poll(cx) {
                return std::task::Poll::Ready(ended);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Lets what is under way end.
async fn rest(systems: &[Box<dyn System>]) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for system in systems {
        while !system.is_at_rest().await? {
            if Instant::now() > deadline {
                let name = system.name();
                return Err(format!("{name} was not done {} s later", PATIENCE.as_secs()).into());
            }
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

async fn lines(systems: &[Box<dyn System>]) -> Vec<String> {
    let mut lines = Vec::new();
    for system in systems {
        lines.push(match system.look().await {
            Ok(line) => line,
            Err(fault) => format!("cannot be seen: {fault}"),
        });
    }
    lines
}

fn say(line: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}
