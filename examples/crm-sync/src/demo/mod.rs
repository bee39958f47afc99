//! The demonstration: invented stores, several workers and a stub CRM that goes wrong now and then, for
//! some time; then the CRM's own log is counted.

mod count;
mod stage;
mod traffic;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use jobq_core::{Clock, SystemClock};
use jobq_worker::StopSignals;
use program::Failure;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use self::count::Count;
use self::stage::Stage;
use self::verdict::{Ran, Verdict};
use crate::cli::DemoArgs;
use crate::report;
use crate::window::Windows;

/// How often people are told how it goes.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Runs the demonstration, and says by the exit code whether every limit was kept.
pub(crate) async fn demo(args: DemoArgs) -> Result<ExitCode, Failure> {
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let windows =
        Windows::of(args.rate).ok_or_else(|| Failure::usage("the rate has no windows"))?;
    let stage = tokio::select! {
        stage = Stage::set(&args) => stage?,
        () = signals.next() => return Err(Failure::new("interrupted before it began")),
    };
    if !args.json {
        report::line(&format!(
            "{} stores at {} each, {} workers, {} s; {} jobs wait",
            args.stores, args.rate, args.workers, args.seconds, stage.waiting
        ));
    }
    let ran = run(&stage, &args, windows, &mut signals).await?;
    let requests = stage.requests().await?;
    let counts = Count::of(&requests, &stage.accounts, windows, ran.began_at, ran.ended_at);
    let verdict = Verdict::new(args.rate, counts, &requests, stage.crm.summary(), &ran);
    stage.clear_queue().await?;
    if args.json {
        report::json(&verdict);
    } else {
        report::line(&verdict.text());
    }
    Ok(if verdict.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(
    stage: &Stage,
    args: &DemoArgs,
    windows: Windows,
    signals: &mut StopSignals,
) -> Result<Ran, Failure> {
    let clock = SystemClock::default();
    let (stop, stopped) = watch::channel(false);
    let mut workers = JoinSet::new();
    let (began, began_at) = (Instant::now(), clock.now());
    for _ in 0..args.workers {
        let worker = stage.worker().await?;
        let mut stopped = stopped.clone();
        workers.spawn(worker.run_until(async move {
            // The sender lives until the end.
            let _ = stopped.wait_for(|stop| *stop).await;
        }));
    }
    let telling = async {
        let mut every = interval(TELL_EVERY);
        every.tick().await;
        loop {
            every.tick().await;
            tell(stage, windows, clock.now());
        }
    };
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(args.seconds)) => {}
        // The first signal ends it early, with what was counted so far.
        () = signals.next() => {}
        done = traffic::call_hooks(stage) => done?,
        () = telling => {}
    }
    let ended_at = clock.now();
    stop.send_replace(true);
    let mut ran = Ran::new(began_at, ended_at);
    while let Some(done) = workers.join_next().await {
        let done = done.map_err(|error| Failure::failed(&error))?;
        ran.add(&done?);
    }
    ran.elapsed = began.elapsed();
    Ok(ran)
}

/// How many requests the window that runs has brought, for people.
fn tell(stage: &Stage, windows: Windows, now: jobq_core::Timestamp) {
    let requests = stage.crm.requests();
    let window = windows.number(now);
    let counts: Vec<String> = stage
        .accounts
        .iter()
        .map(|account| {
            let store = account.store.as_u32();
            let count = requests
                .iter()
                .rev()
                .take_while(|request| windows.number(request.at) >= window)
                .filter(|request| request.store == store)
                .count();
            format!("store {store}: {count}")
        })
        .collect();
    report::note(&format!("in the window since {}: {}", windows.start(window), counts.join(", ")));
}
