//! Two versions of a program at one queue, whose jobs have different schemas.

use jobq_core::{
    Backend, FailureKind, JobId, JobRecord, JobState, Kind, NewJob, Payload, Queue, When,
};

use crate::audit::Expected;
use crate::jobs::{FullyNamed, MIX, Named, Novel};
use crate::ledger::Note;
use crate::mix::Mix;
use crate::process::until;
use crate::program;
use crate::stage::{Stage, queue};

/// What the handler of a job has said.
fn said(stage: &Stage, job: JobId) -> Vec<String> {
    let of_job = |note: &Note| match note {
        Note::Said { run, what } if run.job == job => Some(what.clone()),
        _ => None,
    };
    stage.notes().iter().filter_map(of_job).collect()
}

#[tokio::test]
async fn jobs_of_a_newer_program_wait_for_a_newer_worker() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let old = stage.worker("old").set(program::VERSION, 1).start();
    stage.until_more(20).await;
    mix.strike(&stage);

    let store = &stage.backend;
    let ada = || FullyNamed { first: "Ada".to_owned(), last: "Lovelace".to_owned() };
    let newer = store.enqueue(ada()).priority(15).await.unwrap().id();
    let novel = store.enqueue(Novel).priority(15).await.unwrap().id();
    let older = store.enqueue(Named { name: "Grace".to_owned() }).await.unwrap().id();
    for job in [newer, novel, older] {
        mix.owe(job);
    }
    stage.until_done(older).await;
    for job in [newer, novel] {
        until("a put-off", async || {
            let view = stage.job(job).await.unwrap();
            view.state == JobState::Scheduled && (view.failed_attempts, view.crashes) == (0, 0)
        })
        .await;
    }
    assert!(old.log().contains("no handler for the job: put off"), "{}", old.log());
    // Others are not held up by jobs that come and go.
    stage.until_more(20).await;

    let new = stage.worker("new").start();
    stage.until_done(newer).await;
    stage.until_done(novel).await;
    assert_eq!(stage.runs(newer)[0].1.attempt, 1);
    assert_eq!(said(&stage, newer), ["Lovelace, Ada"]);
    old.finish();
    let older = store.enqueue(Named { name: "Grace".to_owned() }).await.unwrap().id();
    mix.owe(older);
    stage.until_done(older).await;
    assert_eq!(
        said(&stage, older),
        [", Grace"],
        "the newer program reads what the older one wrote"
    );
    stage.finish(mix, vec![new], Expected::default()).await;
}

#[tokio::test]
async fn a_payload_that_nobody_can_read_is_dead_with_its_reason() {
    let stage = Stage::set().await;
    let mix = Mix::begin(&stage).await;
    let workers =
        vec![stage.worker("old").set(program::VERSION, 1).start(), stage.worker("new").start()];
    stage.until_more(20).await;
    mix.strike(&stage);

    let payload = Payload::from_json(r#"{"nickname":"Countess"}"#).unwrap();
    let id = JobId::generate(stage.backend.clock());
    let record = JobRecord::new(id, queue(MIX), Kind::new("named").unwrap(), payload);
    stage.backend.enqueue_jobs(&[NewJob::new(record, When::Now)]).await.unwrap();

    let view = stage.until_dead(id).await;
    let failure = view.history.last().unwrap();
    assert_eq!(failure.kind, FailureKind::Undecodable);
    assert!(failure.message.contains("missing field `name`"), "{failure:?}");
    assert_eq!(view.history.failures().len(), 1, "it is not tried again");
    stage.finish(mix, workers, Expected::dead(id)).await;
}
