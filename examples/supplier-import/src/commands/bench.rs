//! Measures a sync.

use std::process::ExitCode;

use jobq_worker::StopSignals;
use program::Failure;

use crate::bench_sync;
use crate::cli::BenchSyncArgs;
use crate::report;

pub(super) async fn sync(args: &BenchSyncArgs) -> Result<ExitCode, Failure> {
    // Before there is a server to stop.
    let mut signals = StopSignals::listen()?;
    let figures = tokio::select! {
        figures = bench_sync::run(args.products) => figures?,
        () = signals.next() => return Err(Failure::new("interrupted")),
    };
    report::figures(&figures, args.json);
    Ok(ExitCode::SUCCESS)
}
