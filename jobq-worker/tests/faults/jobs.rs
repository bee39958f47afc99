//! The kinds of jobs, and their handlers.

use std::time::Duration;

use jobq_core::{
    Held, Job, JobContext, JobError, JobResult, LeaseRef, Next, OlderPayload, Settlement,
};
use jobq_worker::{Registry, State};
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Presence};

/// Where most jobs are, and batches at home.
pub(crate) const MIX: &str = "mix";
/// Where jobs have lanes.
pub(crate) const LANES: &str = "lanes";
/// Where the schedule's jobs are.
pub(crate) const TICKS: &str = "ticks";

pub(crate) const QUEUES: [&str; 3] = [MIX, LANES, TICKS];

/// How many jobs of one lane run at once.
pub(crate) const LANE_LIMIT: u32 = 2;
/// How many jobs of all lanes are leased in any second.
pub(crate) const RATE: u32 = 15;

/// A job without anything. `max_crashes` is high, for what it runs beside may kill its worker often.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "small", queue = "mix", max_crashes = 50)]
pub(crate) struct Small {
    pub(crate) ms: u64,
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "laned", queue = "lanes", lane = lane, max_crashes = 50)]
pub(crate) struct Laned {
    pub(crate) lane: u32,
    pub(crate) ms: u64,
}

/// A job of a batch.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "part", queue = "mix", max_attempts = 1, max_crashes = 50)]
pub(crate) struct Part {
    pub(crate) ms: u64,
    pub(crate) fails: bool,
}

/// What a batch enqueues when it has ended.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "whole", queue = "mix", max_crashes = 50)]
pub(crate) struct Whole;

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "only", queue = "mix", unique(key), max_crashes = 50)]
pub(crate) struct Only {
    pub(crate) key: u32,
    pub(crate) ms: u64,
}

/// A job of the schedule.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "tick", queue = "ticks", max_crashes = 50)]
pub(crate) struct Tick;

/// Panics with its first attempts.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "panics", queue = "mix", max_attempts = 3, backoff = "exponential(100ms..1s)")]
pub(crate) struct Panics {
    pub(crate) times: u32,
}

/// Takes its process along.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "deadly", queue = "mix")]
pub(crate) enum Deadly {
    Aborts,
    NeedsMemory,
}

/// Blocks the thread that drives its worker.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "blocks", queue = "mix", max_crashes = 1)]
pub(crate) struct Blocks {
    pub(crate) ms: u64,
}

/// Does not let go of a lease that is lost.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "clings", queue = "mix")]
pub(crate) struct Clings;

/// The first schema of `named`.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "named", queue = "mix")]
pub(crate) struct Named {
    pub(crate) name: String,
}

/// The second one.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FullyNamed {
    pub(crate) first: String,
    pub(crate) last: String,
}

impl Job for FullyNamed {
    const KIND: &'static str = Named::KIND;
    const QUEUE: &'static str = MIX;
    const VERSION: u32 = 2;

    fn upcast(older: OlderPayload) -> jobq_core::Result<Self> {
        let Named { name } = older.decode()?;
        Ok(Self { first: name, last: String::new() })
    }
}

/// A kind that the second version of the program has brought.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(kind = "novel", queue = "mix")]
pub(crate) struct Novel;

/// The handlers of a program of this version.
pub(crate) fn registry(version: u32, ledger: Ledger) -> Registry {
    let registry = Registry::new()
        .state(ledger)
        .handle(small)
        .handle(laned)
        .handle(part)
        .handle(whole)
        .handle(only)
        .handle(tick)
        .handle(panics)
        .handle(deadly)
        .handle(blocks)
        .handle_blocking(clings);
    match version {
        1 => registry.handle(named),
        _ => registry.handle(fully_named).handle(novel),
    }
}

async fn takes(ms: u64, presence: Presence) -> JobResult {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    presence.finish();
    Ok(())
}

async fn small(job: Small, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    takes(job.ms, ledger.start(&cx, None)).await
}

async fn laned(job: Laned, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    takes(job.ms, ledger.start(&cx, None)).await
}

async fn part(job: Part, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    let presence = ledger.start(&cx, None);
    if job.fails {
        return Err(std::io::Error::other("this part is broken").into());
    }
    takes(job.ms, presence).await
}

async fn whole(_: Whole, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    takes(0, ledger.start(&cx, None)).await
}

async fn only(job: Only, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    takes(job.ms, ledger.start(&cx, Some(job.key.to_string()))).await
}

async fn tick(_: Tick, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    takes(10, ledger.start(&cx, None)).await
}

async fn panics(job: Panics, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    let presence = ledger.start(&cx, None);
    assert!(cx.attempt() > job.times, "a defect of the handler");
    takes(0, presence).await
}

#[expect(clippy::infinite_loop, reason = "it ends with its process")]
async fn deadly(job: Deadly, cx: JobContext, State(ledger): State<Ledger>) {
    let _presence = ledger.start(&cx, None);
    // Nothing else runs on this thread from here on, so this is true when it is read.
    ledger.give_up();
    match job {
        Deadly::Aborts => std::process::abort(),
        Deadly::NeedsMemory => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![0_u8; 64 << 20]);
            }
        }
    }
}

async fn blocks(job: Blocks, cx: JobContext, State(ledger): State<Ledger>) {
    let presence = ledger.start(&cx, None);
    std::thread::sleep(Duration::from_millis(job.ms));
    presence.finish();
}

async fn named(job: Named, cx: JobContext, State(ledger): State<Ledger>) {
    let presence = ledger.start(&cx, None);
    presence.say(job.name);
    presence.finish();
}

async fn fully_named(job: FullyNamed, cx: JobContext, State(ledger): State<Ledger>) {
    let presence = ledger.start(&cx, None);
    presence.say(format!("{}, {}", job.last, job.first));
    presence.finish();
}

async fn novel(_: Novel, cx: JobContext, State(ledger): State<Ledger>) {
    ledger.start(&cx, None).finish();
}

/// The first run asks for the impossible as long as it is granted; the second holds the job until the test has seen
/// what it wants; the third reads what the second has stored.
fn clings(_: Clings, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    let presence = ledger.start(&cx, None);
    let tokio = tokio::runtime::Handle::current();
    if let Some(saved) = cx.saved::<String>()?
        && cx.crashes() > 0
        && saved != "first"
    {
        presence.say(format!("read {saved}"));
        presence.finish();
        return Ok(());
    }
    let name = if cx.crashes() == 0 { "first" } else { "second" };
    presence.answered("checkpoint", tokio.block_on(cx.save(&name))? == Held::Yes);
    presence.answered("report", tokio.block_on(cx.progress(1, 2, name))? == Held::Yes);
    while !ledger.is_raised(name) {
        std::thread::sleep(Duration::from_millis(20));
    }
    if name == "second" {
        presence.apply();
        return Err(JobError::snooze(Duration::from_millis(10)));
    }
    // It was stopped, and knows nothing of what has happened since.
    tokio.block_on(overstay(&cx, &presence))?;
    presence.finish();
    Ok(())
}

/// Writes all that can be written with a lease.
async fn overstay(cx: &JobContext, presence: &Presence) -> jobq_core::Result<()> {
    let store = cx.queue();
    let lease = std::sync::Arc::new(cx.lease().clone());
    presence.answered("checkpoint", cx.save(&"first").await? == Held::Yes);
    presence.answered("report", cx.progress(2, 2, "first").await? == Held::Yes);
    let proof: LeaseRef = lease.proof();
    let extended = store.extend(cx.queue_name(), &[proof], Duration::from_secs(60)).await?;
    presence.answered("extend", extended != [jobq_core::Extended::Lost]);
    for next in [
        Next::Complete { result: None },
        Next::Release,
        Next::Snooze { after: Duration::from_secs(3_600) },
    ] {
        let settlement = Settlement::new(std::sync::Arc::clone(&lease), next);
        let settled = store.exchange(cx.queue_name(), &[settlement], None).await?;
        presence.answered("settle", settled.held != [Held::Lost]);
    }
    Ok(())
}
