//! The demonstration: customers are created over HTTP, some are edited just while the model condenses an
//! older text of them, and the model goes wrong now and then; then every customer is checked.

mod stage;
mod traffic;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use jobq_worker::StopSignals;
use program::{Failure, report};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::stage::Stage;
use self::traffic::Traffic;
use self::verdict::Verdict;
use crate::cli::DemoArgs;

/// How long everything may take at most.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the demonstration, and says by the exit code whether every promise was kept.
pub(crate) async fn demo(args: DemoArgs) -> Result<ExitCode, Failure> {
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let stage = tokio::select! {
        stage = Stage::set(&args) => stage?,
        () = signals.next() => return Err(Failure::new("interrupted before it began")),
    };
    if !args.json {
        report::line(&format!(
            "{} customers, driver {}, a model that goes wrong (seed {})",
            args.customers, stage.driver, args.seed
        ));
    }
    let began = Instant::now();
    let (stop, mut stopped) = watch::channel(false);
    let worker = stage.worker(args.concurrency).map(|worker| {
        tokio::spawn(worker.run_until(async move {
            // The sender lives until the end.
            let _ = stopped.wait_for(|stop| *stop).await;
        }))
    });
    let acting = async {
        let traffic = Traffic::play(&stage, args.customers).await?;
        while !stage.is_idle().await? {
            sleep(LOOK_EVERY).await;
        }
        Ok::<_, Failure>(traffic)
    };
    let traffic = tokio::select! {
        traffic = tokio::time::timeout(PATIENCE, acting) => traffic.map_err(|_| {
            Failure::new(format!("not done after {} s", PATIENCE.as_secs()))
        })??,
        () = signals.next() => return Err(Failure::new("interrupted")),
    };
    let elapsed = began.elapsed();
    stop.send_replace(true);
    if let Some(worker) = worker {
        worker.await.map_err(|error| Failure::failed(&error))??;
    }

    let verdict = Verdict::of(&stage, &traffic, args.seed, elapsed).await?;
    stage.clear_queue().await?;
    if args.json {
        report::json(&verdict);
    } else {
        report::line(&verdict.text());
    }
    Ok(if verdict.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
