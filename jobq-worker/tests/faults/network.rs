//! Servers that do not answer.

use std::process::Command;

use jobq_core::{JobId, Queue};
use jobq_redis::FaultProxy;

use crate::audit::Expected;
use crate::jobs::Small;
use crate::mix::Mix;
use crate::process::until;
use crate::program;
use crate::stage::Stage;

/// A job that runs when the fault strikes, and takes longer than a lease.
pub(crate) async fn long_job(stage: &Stage, mix: &Mix) -> JobId {
    let long = stage.backend.enqueue(Small { ms: 2_500 }).priority(15).await.unwrap().id();
    mix.owe(long);
    stage.until_started(long, 1).await;
    long
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_cut_off_stops_before_others_have_its_jobs() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let proxy = FaultProxy::before(stage.server.port()).await.unwrap();
    let cut_off = stage.worker("cut-off").set(program::SERVER, proxy.url()).start();
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    let direct = stage.worker("direct").start();
    mix.strike(&stage);

    proxy.freeze();

    // That no job ran at both at once is for the audit to say: it takes no lease for lost here.
    stage.until_dropped(long).await;
    let second = stage.until_started(long, 2).await;
    assert_eq!(second.worker, "direct");
    assert!(cut_off.log().contains("lease lost"), "{}", cut_off.log());
    proxy.thaw();
    until("its return", async || cut_off.log().contains("backend reachable again")).await;
    direct.finish();
    stage.until_more(10).await;
    stage.finish(mix, vec![cut_off], Expected::default()).await;
}

#[tokio::test]
async fn a_server_that_is_stopped_for_longer_than_a_lease_loses_nothing() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    mix.strike(&stage);
    let signal = |signal: &str| {
        let mut kill = Command::new("kill");
        assert!(kill.arg(signal).arg(stage.server.pid().to_string()).status().unwrap().success());
    };

    signal("-STOP");
    // Every lease that there is can be taken when the server goes on: no handler may run by then.
    stage.until_dropped(long).await;
    until("the end of all handlers", async || stage.running().is_empty()).await;
    signal("-CONT");

    stage.until_started(long, 2).await;
    stage.until_more(20).await;
    stage.finish(mix, workers, Expected::default()).await;
}
