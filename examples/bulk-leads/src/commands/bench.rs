//! Measures the API against its bars: over real HTTP, with the clock of the caller.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jobq_core::QueueName;
use program::{Failure, report};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use super::stage::Stage;
use crate::cli::BenchArgs;
use crate::client::Client;
use crate::jobs::BULK_QUEUE;

/// How many leads a large job has.
const LARGE: i64 = 10_000;
/// What five clients send together.
const CLIENTS: i64 = 5;
const TOGETHER: i64 = 4_600;
/// The first user who sends large jobs, and after how many the next one does: nobody may send more in a day.
const SENDERS: i64 = 100;
const JOBS_PER_SENDER: u32 = 100;
/// Requests while leads are being changed are measured for so many of those without.
const IDLE_PER_BUSY: u32 = 5;
/// The bars. That of an answer holds whatever else goes on.
const P99_MS: f64 = 10.0;
const ANSWERED_MS: f64 = 250.0;
const DONE_SECONDS: f64 = 2.0;

/// What is printed. The names and their order are a promise.
#[derive(Debug, Serialize)]
struct Measured {
    /// Requests with 10,000 leads, while nothing else is going on.
    async_10k: Latency,
    /// The same while another user's leads are being changed.
    async_10k_busy: Latency,
    /// Five clients with 4,600 leads together; the worst of all rounds.
    five_clients: Together,
    bars: Bars,
    met: bool,
}

#[derive(Debug, Serialize)]
struct Latency {
    requests: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Together {
    leads: i64,
    rounds: u32,
    answered_ms: f64,
    done_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Bars {
    async_10k_p99_ms: f64,
    async_10k_busy_p99_ms: f64,
    answered_ms: f64,
    done_seconds: f64,
}

pub(super) async fn bench(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let stage = Stage::set(&args.stage).await?;
    stage.store.seed((2 * LARGE) as u64, &[]).await?;
    let five_clients = five_clients(&stage, args.rounds).await?;
    let async_10k = alone(&stage, args.requests).await?;
    let async_10k_busy = busy(&stage, args.requests.div_ceil(IDLE_PER_BUSY)).await?;
    stage.strike().await?;
    let met = async_10k.p99_ms <= P99_MS
        && async_10k_busy.p99_ms <= P99_MS
        && five_clients.answered_ms < ANSWERED_MS
        && five_clients.done_seconds <= DONE_SECONDS;
    let bars = Bars {
        async_10k_p99_ms: P99_MS,
        async_10k_busy_p99_ms: P99_MS,
        answered_ms: ANSWERED_MS,
        done_seconds: DONE_SECONDS,
    };
    let measured = Measured { async_10k, async_10k_busy, five_clients, bars, met };
    if args.stage.json {
        report::json(&measured);
    } else {
        show(&measured);
    }
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Five users send their leads at the same moment, and wait for the end.
async fn five_clients(stage: &Stage, rounds: u32) -> Result<Together, Failure> {
    let each = TOGETHER / CLIENTS;
    let mut clients = Vec::new();
    for user in 1..=CLIENTS {
        clients.push(stage.client(user, None).await?);
    }
    let mut worst = Together { leads: TOGETHER, rounds, ..Together::default() };
    for round in 0..rounds {
        let began = Instant::now();
        let mut running = JoinSet::new();
        for (client, first) in clients.iter().zip((1..).step_by(each as usize)) {
            let (client, leads) = (client.clone(), (first..first + each).collect::<Vec<i64>>());
            running.spawn(async move {
                let job_id = accepted(&client, body(&leads, round)).await?;
                let answered = began.elapsed();
                let end = client.follow(&job_id, |_| {}).await?;
                if end["successes"].as_i64() != Some(each) {
                    return Err(Failure::new(format!("not all leads were changed: {end}")));
                }
                Ok((answered, began.elapsed()))
            });
        }
        for ended in running.join_all().await {
            let (answered, done) = ended?;
            worst.answered_ms = worst.answered_ms.max(ms(answered));
            worst.done_seconds = worst.done_seconds.max(round3(done.as_secs_f64()));
        }
    }
    Ok(worst)
}

/// Sends large jobs one after the other, and cancels each once it was answered: nothing else goes on.
async fn alone(stage: &Stage, requests: u32) -> Result<Latency, Failure> {
    let queue = QueueName::new(BULK_QUEUE)?;
    stage.queue.inspect.pause(&queue).await?;
    let measured = send(stage, requests).await;
    stage.queue.inspect.resume(&queue).await?;
    measured
}

/// The same while another user's leads are being changed without a pause.
async fn busy(stage: &Stage, requests: u32) -> Result<Latency, Failure> {
    let other = stage.client(1, None).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let noise = tokio::spawn(async move {
        let leads: Vec<i64> = (LARGE + 1..=2 * LARGE).collect();
        for round in 0.. {
            if seen.load(Ordering::Relaxed) {
                break;
            }
            let job_id = accepted(&other, body(&leads, round)).await?;
            other.follow(&job_id, |_| {}).await?;
        }
        Ok::<(), Failure>(())
    });
    let measured = send(stage, requests).await;
    is_over.store(true, Ordering::Relaxed);
    noise.await.map_err(|error| Failure::failed(&error))??;
    measured
}

async fn send(stage: &Stage, requests: u32) -> Result<Latency, Failure> {
    let leads: Vec<i64> = (1..=LARGE).collect();
    let mut client = stage.client(SENDERS, None).await?;
    let mut times = Vec::new();
    for round in 0..requests {
        if round.is_multiple_of(JOBS_PER_SENDER) {
            client = client.with_key(stage.key(SENDERS + i64::from(round), None).await?);
        }
        let body = body(&leads, round);
        let began = Instant::now();
        let job_id = accepted(&client, body).await?;
        times.push(began.elapsed());
        let cancel = format!("/api/crm/jobs/{job_id}/cancel");
        client.post_text(&cancel, "").await?;
    }
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).max(1) - 1;
        times.get(place).copied().map_or(0.0, ms)
    };
    Ok(Latency { requests: times.len(), p50_ms: at(50), p99_ms: at(99), max_ms: at(100) })
}

async fn accepted(client: &Client, body: String) -> Result<String, Failure> {
    let answer = client.post_text("/api/crm/leads/bulk-status-async", body).await?;
    if answer.status != 202 {
        return Err(Failure::new(format!("a job was refused: {}", answer.body)));
    }
    Ok(answer.text("job_id").to_owned())
}

fn body(leads: &[i64], round: u32) -> String {
    json!({"lead_ids": leads, "status": target(round)}).to_string()
}

/// Leads may go from one to the other as often as one likes.
const fn target(round: u32) -> &'static str {
    if round.is_multiple_of(2) { "lost" } else { "contacted" }
}

fn ms(time: Duration) -> f64 {
    round3(time.as_secs_f64() * 1_000.0)
}

fn round3(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

fn show(measured: &Measured) {
    for (what, latency) in [("idle", &measured.async_10k), ("busy", &measured.async_10k_busy)] {
        report::line(&format!(
            "10,000 leads, {what}: {} requests, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            latency.requests, latency.p50_ms, latency.p99_ms, latency.max_ms
        ));
    }
    let Together { rounds, answered_ms, done_seconds, .. } = measured.five_clients;
    report::line(&format!(
        "5 clients with 4,600 leads, worst of {rounds}: answered in {answered_ms:.1} ms, done in \
         {done_seconds:.3} s"
    ));
    report::line(if measured.met { "all bars are met" } else { "a bar was missed" });
}
