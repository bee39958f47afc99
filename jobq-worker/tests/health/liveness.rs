//! `/livez`: whether loops turn.

use std::sync::mpsc;
use std::time::Duration;

use jobq_core::{Job, MemoryBackend, Queue};
use jobq_worker::{Health, State, Worker};
use serde::{Deserialize, Serialize};

use crate::http::get;
use crate::{served, worker};

#[test]
fn a_process_in_which_nothing_has_begun_lives() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    assert_eq!(get(listener.address(), "/livez").body, "alive\n");

    let _worker = worker(&store).health(&health);
    let answer = get(listener.address(), "/livez");
    assert_eq!((answer.status, answer.body.as_str()), (200, "alive\nworker: starting\n"));
}

/// A job that blocks its runtime until it is told to go on.
#[derive(Serialize, Deserialize, Job)]
struct Block;

#[derive(Clone)]
struct Gate {
    blocked: mpsc::Sender<mpsc::Sender<()>>,
}

async fn block(_: Block, State(gate): State<Gate>) {
    let (go_on, gone_on) = mpsc::channel();
    gate.blocked.send(go_on).unwrap();
    gone_on.recv().unwrap();
}

#[test]
fn a_blocked_runtime_is_seen_and_lives_again_when_it_goes_on() {
    let store = MemoryBackend::new();
    let health = Health::new(&store).stalled_after(Duration::from_millis(1_500));
    let listener = health.listen("0").unwrap();
    let address = listener.address();
    let (blocked, is_blocked) = mpsc::channel();
    let program = std::thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async {
            store.enqueue(Block).await.unwrap();
            let worker = Worker::new(store).state(Gate { blocked }).handle(block);
            worker.health(&health).max_jobs(1).run_until(std::future::pending()).await.unwrap();
        });
    });
    let go_on = is_blocked.recv().unwrap();
    assert_eq!(get(address, "/livez").status, 200, "it is not blocked for long yet");

    let stalled = loop {
        let answer = get(address, "/livez");
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(stalled.status, 503);
    let (head, line) = stalled.body.split_once('\n').unwrap();
    assert_eq!(head, "stalled");
    assert!(line.starts_with("worker: has not turned for "), "{line}");
    assert!(line.ends_with(" s: something blocks its runtime\n"), "{line}");
    // What was counted is told all the same.
    assert_eq!(get(address, "/metrics").status, 200);

    go_on.send(()).unwrap();
    program.join().unwrap();
    let over = get(address, "/livez");
    assert_eq!((over.status, over.body.as_str()), (200, "alive\nworker: stopped\n"));
}
