//! A server in whose place an empty one comes.

use jobq_core::{Inspect, Queue};

use crate::audit::Expected;
use crate::jobs::{LANES, QUEUES, Small};
use crate::ledger::Note;
use crate::mix::Mix;
use crate::process::until;
use crate::stage::{Stage, queue};

#[tokio::test]
async fn an_empty_server_in_its_place_is_worked_on() {
    let mut stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let (one, two) = (stage.worker("one").start(), stage.worker("two").start());
    stage.until_more(20).await;
    let gone = stage.backend.enqueue(Small { ms: 4_000 }).priority(15).await.unwrap().id();
    stage.until_started(gone, 1).await;
    mix.strike(&stage);

    stage.server.kill();
    // What it had is gone: it wrote nothing to a disk.
    mix.forget();
    stage.ledger.note(&Note::LeasesLost { worker: None });
    stage.server.restart().unwrap();
    // As docs/operations.md says, so that new tokens are above the old ones.
    for name in QUEUES {
        let meta = format!("{{jobq:{name}}}:meta");
        stage.command(&["HINCRBY", &meta, "token", "1000000000"]).await;
    }

    stage.until_dropped(gone).await;
    stage.until_more(20).await;
    mix.open_batch(&stage.backend).await;
    stage.until_more(30).await;
    for worker in [&one, &two] {
        let log = worker.log();
        assert!(log.contains("backend unreachable"), "{log}");
        assert!(log.contains("backend reachable again"), "{log}");
        let complaints = log.matches(" WARN ").count() + log.matches(" ERROR ").count();
        assert!(complaints < 40, "{complaints} complaints: {log}");
    }
    // Limits of the program come back with the next worker that starts, and the schedule by itself.
    assert_eq!(stage.backend.limits(&queue(LANES), 10).await.unwrap(), []);
    let ticks = stage.ticks().len();
    one.finish();
    let three = stage.worker("three").start();
    until("the limits", async || stage.backend.limits(&queue(LANES), 10).await.unwrap().len() == 2)
        .await;
    until("a tick", async || stage.ticks().len() > ticks).await;
    let expected = Expected { gaps: true, limits: false, ..Expected::default() };
    stage.finish(mix, vec![two, three], expected).await;
}
