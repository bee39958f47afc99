//! Workers that are killed or stopped from outside.

use jobq_core::Queue;

use crate::audit::Expected;
use crate::jobs::Small;
use crate::mix::Mix;
use crate::process::until;
use crate::stage::Stage;

#[tokio::test]
async fn the_jobs_of_one_that_is_killed_run_at_another() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let victim = stage.worker("victim").start();
    stage.until_more(20).await;
    let long = stage.backend.enqueue(Small { ms: 3_000 }).priority(15).await.unwrap().id();
    mix.owe(long);
    stage.until_started(long, 1).await;
    let survivor = stage.worker("survivor").start();
    stage.until_more(10).await;
    mix.strike(&stage);

    victim.kill();

    let second = stage.until_started(long, 2).await;
    let runs = stage.runs(long);
    assert_eq!(second.worker, "survivor");
    assert!(runs[1].0.token > runs[0].0.token, "{runs:?}");
    assert_eq!((runs[1].1.attempt, runs[1].1.crashes), (1, 1), "a crash uses no attempt");
    stage.finish(mix, vec![survivor], Expected::default()).await;
}

#[tokio::test]
async fn all_workers_killed_again_and_again_lose_nothing() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    for round in 0..3 {
        let names = [format!("a{round}"), format!("b{round}")];
        let workers = names.each_ref().map(|name| stage.worker(name).start());
        stage.until_more(20).await;
        mix.strike(&stage);
        for worker in workers {
            worker.kill();
        }
    }
    // For a while there is nobody: two seconds or more, in which ticks are owed.
    let goal = mix.acknowledged() + 60;
    until("jobs that nobody works on", async || mix.acknowledged() >= goal).await;
    let last = stage.worker("last").start();
    stage.finish(mix, vec![last], Expected::default()).await;
}
