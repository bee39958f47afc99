//! Random faults, from a seed: every job ends, and none runs twice at once.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::{Inspect, Job, JobContext, JobId, Queue};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::{Fault, Faulty};
use support::{backend, queue, within};
use tokio::sync::oneshot;

#[derive(Serialize, Deserialize, Job)]
#[job(max_attempts = 1, max_crashes = 200)]
struct Work {
    ms: u64,
}

/// The jobs that run right now.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashSet<JobId>>>);

struct Presence(Running, JobId);

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

async fn work(job: Work, cx: JobContext, State(running): State<Running>) {
    let is_alone = running.0.lock().unwrap().insert(cx.id());
    assert!(is_alone, "{} runs twice at once", cx.id());
    let _presence = Presence(running, cx.id());
    if job.ms > 0 {
        tokio::time::sleep(Duration::from_millis(job.ms)).await;
    }
}

async fn ordeal(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let store = backend();
    let running = Running::default();
    let jobs =
        (0..300).map(|_| Work { ms: *[0, 0, 20, 1_000, 15_000].get(random.usize(..5)).unwrap() });
    store.enqueue_all(jobs.collect::<Vec<_>>()).await.unwrap();
    let mut workers = Vec::new();
    for concurrency in [1, 7, 40] {
        let faulty = Faulty::new(store.clone());
        let worker = Worker::new(faulty.clone()).state(running.clone()).handle(work);
        let worker = worker.concurrency(concurrency).renew_without_thread();
        let (stop, stopped) = oneshot::channel::<()>();
        let end = async { stopped.await.unwrap() };
        workers.push((faulty, stop, tokio::spawn(worker.run_until(end))));
    }

    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(random.u64(1..4_000))).await;
        let (faulty, ..) = &workers[random.usize(..3)];
        let mut fault = || match random.u8(..8) {
            0 => Fault::Refuse,
            1 => Fault::LoseReply,
            2 => Fault::Hang,
            _ => Fault::None,
        };
        faulty.fail_exchange(fault());
        faulty.fail_extend(fault());
    }
    for (faulty, ..) in &workers {
        faulty.fail_exchange(Fault::None);
        faulty.fail_extend(Fault::None);
    }
    let is_done = async {
        loop {
            let stats = store.queue(&queue("default")).await.unwrap();
            if stats.ready + stats.leased + stats.scheduled == 0 {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let stats = within(is_done).await;
    for (_, stop, worker) in workers {
        stop.send(()).unwrap();
        let summary = within(worker).await.unwrap().unwrap();
        assert_eq!((summary.unsettled, summary.stuck), (0, 0), "seed {seed}");
    }

    assert_eq!(stats.dead, 0, "seed {seed}: a job failed or brought too many workers down");
    assert!(running.0.lock().unwrap().is_empty(), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn every_job_ends_and_none_runs_twice_at_once() {
    for seed in 0..30 {
        ordeal(seed).await;
    }
}
