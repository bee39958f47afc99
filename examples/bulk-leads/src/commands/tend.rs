//! What is done now and then: by people, or by cron.

use std::process::ExitCode;

use program::{Failure, report};

use super::{check_overwrite, open};
use crate::cli::{MonitorArgs, PruneArgs, SeedArgs};

pub(super) async fn seed(args: &SeedArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    check_overwrite(&store, &args.overwrite).await?;
    store.seed(args.leads, &[]).await?;
    report::line(&format!("{} leads are new", report::grouped(args.leads)));
    Ok(ExitCode::SUCCESS)
}

/// Also ends jobs that are past their time, for no worker may be there to do so.
pub(super) async fn monitor(args: &MonitorArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    for id in store.overdue_jobs().await? {
        store.end_overdue_job(&id).await?;
    }
    let health = store.health(args.stuck.stuck_after).await?;
    if args.json {
        report::json(&health);
    } else {
        for (what, count) in [
            ("pending", health.pending),
            ("processing", health.processing),
            ("stuck", health.stuck.len() as u64),
            ("failed in 24 h", health.failed),
            ("timed out in 24 h", health.timed_out),
            ("webhooks failed in 24 h", health.webhooks_failed),
        ] {
            report::line(&format!("{what:<24} {:>9}", report::grouped(count)));
        }
        for id in &health.stuck {
            report::line(&format!("stuck: {id}"));
        }
    }
    Ok(if health.stuck.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn prune(args: &PruneArgs) -> Result<ExitCode, Failure> {
    let store = open(&args.database.url()).await?;
    let pruned = store.prune(args.completed, args.failed).await?;
    report::line(&format!("{} jobs forgotten", report::grouped(pruned)));
    Ok(ExitCode::SUCCESS)
}
