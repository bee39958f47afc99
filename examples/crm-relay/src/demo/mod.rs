//! The demonstration: messages come in over HTTP, some of them twice, and go out to webhooks that go wrong; then
//! every message is checked.

mod stage;
mod traffic;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use jobq_worker::StopSignals;
use program::Failure;
use tokio::time::{Instant, sleep};

use self::stage::Stage;
use self::traffic::Traffic;
use self::verdict::Verdict;
use crate::cli::DemoArgs;
use crate::report;

/// How long everything may take at most.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the demonstration, and says by the exit code whether every promise was kept.
pub(crate) async fn demo(args: DemoArgs) -> Result<ExitCode, Failure> {
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let mut stage = tokio::select! {
        stage = Stage::set(&args) => stage?,
        () = signals.next() => return Err(Failure::new("interrupted before it began")),
    };
    if !args.json {
        report::line(&format!(
            "{} messages in and {} out, queue {}, {}, webhooks that go wrong (seed {})",
            args.messages, args.messages, stage.queue, stage.database, args.seed
        ));
    }
    let began = Instant::now();
    let tally = stage.service.tally();
    let printing = async {
        loop {
            let pass = tally.next_pass().await;
            if !args.json {
                report::line(&pass.to_string());
            }
        }
    };
    let store = stage.store.clone();
    let acting = async {
        let traffic = Traffic::play(&stage.scene, args.messages).await?;
        while !is_idle(&store).await? {
            sleep(LOOK_EVERY).await;
        }
        Ok::<_, Failure>(traffic)
    };
    let traffic = tokio::select! {
        traffic = tokio::time::timeout(PATIENCE, acting) => traffic.map_err(|_| {
            Failure::new(format!("not done after {} s", PATIENCE.as_secs()))
        })??,
        never = printing => never,
        failure = stage.service.failed() => return Err(failure),
        () = signals.next() => return Err(Failure::new("interrupted")),
    };
    let elapsed = began.elapsed();
    let verdict = Verdict::of(stage, &traffic, args.seed, elapsed).await?;
    if args.json {
        report::json(&verdict);
    } else {
        report::line(&verdict.text());
    }
    Ok(if verdict.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether nothing waits or runs.
async fn is_idle(store: &crate::db::Store) -> Result<bool, Failure> {
    let metrics = store.metrics().await?;
    let open = ["pending", "processing", "sending"];
    let left = |numbers: &crate::db::Numbers| {
        open.iter().filter_map(|word| numbers.by_status.get(word)).sum::<u64>()
    };
    Ok(left(&metrics.inbox) + left(&metrics.outbox) == 0)
}
