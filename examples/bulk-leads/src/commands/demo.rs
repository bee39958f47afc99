//! The demonstration: some thousand leads changed by the API, followed live, and the message at the end
//! received and checked.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use jobq_worker::StopSignals;
use program::{Failure, report};
use serde::Serialize;
use serde_json::Value;

use super::stage::{ANYWHERE, Stage};
use crate::api_key::random_hex;
use crate::cli::DemoArgs;
use crate::db::Bad;
use crate::progress::Progress;
use crate::receiver::{Receiver, Reception};

const USER: i64 = 1;
/// No lead has such a number.
const NOBODY: i64 = 9_000_000_000;
/// How long to wait for the message once the job has ended.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many failed leads are shown.
const SHOWN: usize = 10;

/// What is printed at the end. The names and their order are a promise.
#[derive(Serialize)]
struct Outcome {
    total: u64,
    ok: u64,
    failed: u64,
    /// From the request to the job's end.
    seconds: f64,
    status: String,
    /// How long the caller waited for the answer to its request.
    answered_ms: f64,
    events: u64,
    webhook: &'static str,
    /// The first ten.
    failed_leads: Vec<Value>,
}

pub(super) async fn demo(args: &DemoArgs) -> Result<ExitCode, Failure> {
    if args.bad > args.leads {
        return Err(Failure::usage("--bad cannot be more than --leads"));
    }
    // Before there is anything to clean up.
    let mut signals = StopSignals::listen()?;
    let stage = Stage::set(&args.stage).await?;
    let outcome = tokio::select! {
        outcome = change_leads(args, &stage) => outcome?,
        () = signals.next() => return Err(Failure::new("interrupted")),
    };
    stage.strike().await?;
    let is_right = outcome.status == "completed"
        && outcome.failed == args.bad
        && outcome.ok == args.leads - args.bad
        && outcome.webhook == "verified";
    if args.stage.json {
        report::json(&outcome);
    } else {
        show(&outcome);
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn change_leads(args: &DemoArgs, stage: &Stage) -> Result<Outcome, Failure> {
    let lead_ids = seed(args, stage).await?;
    let secret = random_hex::<32>()?;
    let mut receiver = Receiver::start(Reception::new(ANYWHERE, &secret)).await?;
    let url = receiver.url().to_owned();
    let client = stage.client(USER, Some((&url, &secret))).await?;

    let began = Instant::now();
    let answer = client.change(&lead_ids, "contacted").await?;
    let answered_ms = began.elapsed().as_secs_f64() * 1_000.0;
    if answer.status != 202 {
        return Err(Failure::new(format!("the job was refused: {}", answer.body)));
    }
    let job_id = answer.text("job_id").to_owned();
    let progress = (!args.stage.json).then(|| Progress::new(args.leads));
    let mut events = 0;
    client
        .follow(&job_id, |event| {
            events += 1;
            if let Some(progress) = &progress {
                progress.show(event["processed_leads"].as_u64().unwrap_or_default());
            }
        })
        .await?;
    let seconds = began.elapsed().as_secs_f64();
    drop(progress);

    let job = client.get(&format!("/api/crm/jobs/{job_id}")).await?.body;
    let webhook = match tokio::time::timeout(MESSAGE_TIMEOUT, receiver.next()).await {
        Ok(Some(received)) if received.checked.is_ok() && received.delivery == job_id => "verified",
        Ok(_) => "rejected",
        Err(_) => "missing",
    };
    let failed_leads = job["failed_leads"].as_array().cloned().unwrap_or_default();
    Ok(Outcome {
        total: job["total_leads"].as_u64().unwrap_or_default(),
        ok: job["successes"].as_u64().unwrap_or_default(),
        failed: job["failures"].as_u64().unwrap_or_default(),
        seconds: (seconds * 1_000.0).round() / 1_000.0,
        status: job["status"].as_str().unwrap_or_default().to_owned(),
        answered_ms: (answered_ms * 10.0).round() / 10.0,
        events,
        webhook,
        failed_leads: failed_leads.into_iter().take(SHOWN).collect(),
    })
}

/// Puts the leads in, and gives those that are to be changed: of the bad ones a third each does not
/// exist, was deleted, and is won.
async fn seed(args: &DemoArgs, stage: &Stage) -> Result<Vec<i64>, Failure> {
    let missing = args.bad.div_ceil(3);
    let bad: Vec<Bad> = (missing..args.bad)
        .map(|at| if (at - missing).is_multiple_of(2) { Bad::Deleted } else { Bad::Won })
        .collect();
    let there = args.leads - missing;
    stage.store.seed(there, &bad).await?;
    let ids = (1..).take(there as usize).chain((NOBODY..).take(missing as usize));
    Ok(ids.collect())
}

fn show(outcome: &Outcome) {
    report::line(&format!("job             {}", outcome.status));
    report::line(&format!("accepted after  {:.1} ms", outcome.answered_ms));
    report::line(&format!("leads           {:>9}", report::grouped(outcome.total)));
    report::line(&format!("  changed       {:>9}", report::grouped(outcome.ok)));
    report::line(&format!("  failed        {:>9}", report::grouped(outcome.failed)));
    for lead in &outcome.failed_leads {
        report::line(&format!("    {}", lead["reason"].as_str().unwrap_or_default()));
    }
    let more = outcome.failed.saturating_sub(outcome.failed_leads.len() as u64);
    if more > 0 {
        report::line(&format!("    and {} more", report::grouped(more)));
    }
    report::line(&format!("webhook         {}", outcome.webhook));
    report::line(&format!("done after      {:.3} s", outcome.seconds));
}
