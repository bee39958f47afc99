//! The commands that have to do with the shop.

use std::process::ExitCode;
use std::time::Duration;

use jobq_core::{Job, Queue};
use program::Failure;
use serde_json::json;

use super::import::layout;
use super::open;
use crate::cli::{LinkArgs, PruneArgs, SyncArgs, TestConnectionArgs};
use crate::jobs::{LinkShop, LinkSupplier, SyncAvailability};
use crate::linking::{LinkError, link_shop, link_supplier};
use crate::location::Location;
use crate::prune_failed;
use crate::spool::{self, FetchError, Limits};
use crate::{queue, report, sync as syncing};

pub(super) async fn sync(args: &SyncArgs) -> Result<ExitCode, Failure> {
    let settings = args.settings();
    if let Some(url) = &args.queue {
        return enqueue(SyncAvailability { settings }, url, args.json).await;
    }
    let shop = args.shop.required()?;
    let store = open(&args.db.url()).await?;
    let done = syncing::sync(&store, &shop, settings).await;
    let done = done.map_err(|error| Failure::failed(&error))?;
    report::sync(&done, args.json);
    Ok(code(done.error.is_none()))
}

pub(super) async fn link(args: LinkArgs) -> Result<ExitCode, Failure> {
    let Some(source) = args.source else {
        if let Some(url) = &args.queue {
            return enqueue(LinkShop {}, url, args.json).await;
        }
        let shop = args.shop.required()?;
        let store = open(&args.db.url()).await?;
        let done = link_shop(&store, &shop).await.map_err(|error| Failure::failed(&error))?;
        report::link(&done, "products of ours", args.json);
        return Ok(ExitCode::SUCCESS);
    };
    let (contractor_id, max_bytes) = (args.list.contractor, args.list.max_bytes);
    let http_timeout_s = args.list.http_timeout;
    let layout = layout(args.list)?;
    if let Some(url) = &args.queue {
        let job = LinkSupplier { contractor_id, source, layout, max_bytes, http_timeout_s };
        return enqueue(job, url, args.json).await;
    }
    if let Location::Path(path) = &source {
        spool::check_path(path, max_bytes).map_err(|fault| Failure::usage(fault.to_string()))?;
    }
    let store = open(&args.db.url()).await?;
    let limits = Limits { max_bytes, http_timeout: Duration::from_secs(http_timeout_s) };
    let done = link_supplier(&store, contractor_id, &source, layout, limits).await;
    let done = done.map_err(|error| match &error {
        LinkError::List(FetchError::Fault(fault)) => {
            Failure::new(format!("nothing was linked: {fault}"))
        }
        _ => Failure::failed(&error),
    })?;
    report::link(&done, "rows", args.json);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn test_connection(args: &TestConnectionArgs) -> Result<ExitCode, Failure> {
    let findings = args.shop.required()?.check().await;
    report::findings(&findings, args.json);
    Ok(code(findings.ok))
}

pub(super) async fn prune(args: &PruneArgs) -> Result<ExitCode, Failure> {
    if queue::is_memory(&args.backend) {
        let message = "a queue in memory has nothing to prune: add --backend redis://…";
        return Err(Failure::usage(message));
    }
    let queue = queue::open(&args.backend).await?;
    let deleted =
        prune_failed::prune(&*queue.inspect, args.hours, queue.backend.clock().now()).await?;
    report::line(&if args.json {
        json!({"deleted": deleted, "hours": args.hours}).to_string()
    } else {
        format!("deleted {deleted} jobs that failed {} hours ago or earlier", args.hours)
    });
    Ok(ExitCode::SUCCESS)
}

/// Leaves the work to workers.
async fn enqueue<J: Job>(job: J, queue_url: &str, as_json: bool) -> Result<ExitCode, Failure> {
    if queue::is_memory(queue_url) {
        let message = "workers cannot see a queue in memory: give --queue redis://…";
        return Err(Failure::usage(message));
    }
    let queue = queue::open(queue_url).await?;
    let enqueued = queue.backend.enqueue(job).await.map_err(|error| Failure::failed(&error))?;
    let (id, is_new) = (enqueued.id(), enqueued.is_created());
    report::line(&if as_json {
        let status = if is_new { "enqueued" } else { "waiting or running already" };
        json!({"job": id.to_string(), "status": status}).to_string()
    } else if is_new {
        format!("job {id} enqueued")
    } else {
        format!("job {id} waits or runs already")
    });
    Ok(ExitCode::SUCCESS)
}

fn code(is_good: bool) -> ExitCode {
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
