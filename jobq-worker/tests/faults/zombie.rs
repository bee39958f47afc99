//! A worker that is stopped for longer than its leases, and goes on.

use jobq_core::{JobState, Queue};

use crate::audit::Expected;
use crate::jobs::Clings;
use crate::ledger::Note;
use crate::mix::Mix;
use crate::process::until;
use crate::stage::Stage;

/// The calls of the first run of [`Clings`] after it has lost its lease.
const CALLS: [&str; 6] = ["checkpoint", "report", "extend", "settle", "settle", "settle"];

#[tokio::test]
async fn a_zombie_changes_nothing() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let zombie = stage.worker("zombie").start();
    let clings = stage.backend.enqueue(Clings).priority(15).await.unwrap().id();
    mix.owe(clings);
    stage.until_started(clings, 1).await;
    until("its first report", async || answers(&stage, "zombie").len() == 2).await;
    stage.until_more(20).await;
    mix.strike(&stage);

    zombie.stop();
    let rescuer = stage.worker("rescuer").start();
    let second = stage.until_started(clings, 2).await;
    until("its own report", async || answers(&stage, "rescuer").len() == 2).await;
    let before = stage.job(clings).await.unwrap();
    zombie.go_on();
    stage.ledger.raise("first");
    until("its calls", async || answers(&stage, "zombie").len() == 2 + CALLS.len()).await;

    let answers = answers(&stage, "zombie");
    assert!(answers[..2].iter().all(|(_, held)| *held), "{answers:?}");
    let late: Vec<_> = answers[2..].iter().map(|(call, held)| (call.as_str(), *held)).collect();
    assert_eq!(late, CALLS.map(|call| (call, false)));
    let after = stage.job(clings).await.unwrap();
    assert_eq!(after.state, JobState::Leased);
    assert_eq!(after.held_by.unwrap().1.as_u64(), second.token);
    assert_eq!(after.held_by, before.held_by);
    assert_eq!(after.report, before.report);
    assert_eq!(after.report.progress.unwrap().message, "second");
    // What the second one has stored is what a third one finds.
    stage.ledger.raise("second");
    stage.until_done(clings).await;
    let read = |note: &Note| matches!(note, Note::Said { run, what } if run.job == clings && what == "read second");
    until("the end of the job", async || stage.notes().iter().any(read)).await;
    stage.finish(mix, vec![zombie, rescuer], Expected::default()).await;
}

/// What the store has answered to the runs of this worker.
fn answers(stage: &Stage, worker: &str) -> Vec<(String, bool)> {
    let of_worker = |note: &Note| match note {
        Note::Answered { run, call, held } if run.worker == worker => Some((call.clone(), *held)),
        _ => None,
    };
    stage.notes().iter().filter_map(of_worker).collect()
}
