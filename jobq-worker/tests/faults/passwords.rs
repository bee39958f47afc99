//! Passwords that are wrong: from the start, and from one moment on.

use crate::audit::Expected;
use crate::mix::Mix;
use crate::network::long_job;
use crate::process::until;
use crate::program;
use crate::stage::Stage;

const RIGHT: &str = "a-right-secret";
const OTHER: &str = "another-secret";

const TOLD: &str = "refused the user name or password";

#[tokio::test]
async fn a_worker_with_a_wrong_password_ends_and_says_why() {
    let stage = Stage::set_behind(RIGHT).await;
    let mix = Mix::begin(&stage).await;
    let right = stage.worker("right").start();
    stage.until_more(20).await;
    mix.strike(&stage);

    let mut wrong = stage.worker("wrong").set(program::SERVER, stage.url_by(OTHER)).start();
    assert_eq!(wrong.ended().code(), Some(1), "{}", wrong.log());

    let log = wrong.log();
    assert!(log.contains(TOLD), "{log}");
    assert!(!log.contains(OTHER) && !log.contains("panicked"), "{log}");
    stage.finish(mix, vec![right], Expected::default()).await;
}

#[tokio::test]
async fn a_password_that_is_changed_is_an_outage_until_it_is_changed_back() {
    let stage = Stage::set_behind(RIGHT).await;
    let mix = Mix::begin(&stage).await;
    let workers = vec![stage.worker("one").start(), stage.worker("two").start()];
    stage.until_more(20).await;
    let long = long_job(&stage, &mix).await;
    mix.strike(&stage);

    stage.command(&["CONFIG", "SET", "requirepass", OTHER]).await;
    let other = stage.url_by(OTHER);
    stage.command_with(&other, &["CLIENT", "KILL", "TYPE", "normal"]).await;

    stage.until_dropped(long).await;
    until("the end of all handlers", async || stage.running().is_empty()).await;
    until("a refusal", async || mix.refusals().iter().any(|told| told.contains(TOLD))).await;
    for worker in &workers {
        until("a word", async || worker.log().contains(TOLD)).await;
    }
    stage.command_with(&other, &["CONFIG", "SET", "requirepass", RIGHT]).await;
    stage.until_started(long, 2).await;
    stage.until_more(20).await;
    for worker in &workers {
        until("its return", async || worker.log().contains("backend reachable again")).await;
        let log = worker.log();
        for call in ["heartbeat", "extend", "maintain"] {
            let told = format!("maintenance failed call=\"{call}\"");
            assert!(log.matches(&told).count() < 2, "it says so every second: {log}");
        }
        assert!(log.matches(TOLD).count() < 10, "it says so again and again: {log}");
        assert!(!log.contains(RIGHT) && !log.contains(OTHER), "{log}");
    }
    stage.finish(mix, workers, Expected::default()).await;
}
