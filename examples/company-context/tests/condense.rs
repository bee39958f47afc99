//! Attempts run one by one, on both databases: what the model answers is saved or the original text stays,
//! and no answer to an older text is ever saved.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use company_context::customer::{ContextStatus, CustomerId, MAX_TEXT};
use company_context::dispatch::Dispatcher;
use company_context::job::CondenseContext;
use company_context::patrol::Patrol;
use company_context::stub::{Fault, Plan, condensed};
use fixtures::{MariaDb, Place, eventually};
use jobq_core::history::{Failure, FailureKind};
use jobq_core::{Next, Outcome};

use support::steps::{NOON, Steps, job};

/// Each behaviour on SQLite by itself, and all of them on one MariaDB server.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    let place = super::Place::new();
                    super::$name(&super::Steps::over(&place.sqlite()).await).await;
                }
            )*
        }

        #[tokio::test]
        async fn on_mariadb() {
            let server = MariaDb::start().await;
            $(
                println!("{}", stringify!($name));
                $name(&Steps::over(&server.another(stringify!($name)).await).await).await;
            )*
        }
    };
}

on_both! {
    a_good_answer_replaces_the_context
    texts_come_back_to_the_letter
    the_original_stays_after_three_failures
    whatever_the_model_does_the_original_stays
    a_refusal_is_not_tried_again
    a_busy_model_is_left_alone_for_as_long_as_it_says
    an_empty_answer_keeps_the_original
    an_edit_while_an_older_text_is_condensed_wins
    a_late_failure_says_nothing_of_the_newer_text
    a_repeat_after_the_save_asks_nobody
    a_zombies_answer_changes_nothing
    what_was_kept_is_condensed_when_it_is_retried
    a_customer_that_is_not_there_is_nobodys_fault
    the_last_job_condenses_the_newest_text_whichever_it_is_of
    the_patrol_finds_what_has_no_job
    the_patrol_tells_of_jobs_that_died_without_a_word
}

const DONE: Outcome = Outcome::Done { result: None };

async fn a_good_answer_replaces_the_context(steps: &Steps) {
    let ada = steps.create("a long story").await;
    assert_eq!(ada.company_context, "a long story");
    assert_eq!(ada.context_status, ContextStatus::Pending);

    assert_eq!(steps.attempt(job(&ada), 0).await, DONE);

    let after = steps.customer(ada.id).await;
    assert_eq!(after.company_context, condensed("a long story"));
    assert_eq!(after.original_text, "a long story");
    assert_eq!((after.context_status, after.last_error), (ContextStatus::Condensed, None));
    assert_eq!(steps.model.calls()[0].model, "gpt-oss");
}

async fn texts_come_back_to_the_letter(steps: &Steps) {
    let long = "🦀ß ".repeat(MAX_TEXT / 3);
    for text in
        [" a  \r\n", "żółć 🦀", "'; DROP TABLE customers; -- \\", "\u{1}\u{feff}\u{202e}", &long]
    {
        let ada = steps.create(text).await;
        assert_eq!(steps.customer(ada.id).await.original_text, text);
        let edited = steps.edit(ada.id, &format!("{text} ")).await;
        assert_eq!(edited.original_text, format!("{text} "));
        assert_eq!(steps.customer(ada.id).await, edited);
    }
}

async fn the_original_stays_after_three_failures(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.model.plan(Plan::next(Fault::Fail, 3));

    for failed in 0..2 {
        let outcome = steps.attempt(job(&ada), failed).await;
        assert!(matches!(outcome, Outcome::Retry { after: None, .. }), "{outcome:?}");
        assert_eq!(steps.customer(ada.id).await, ada, "it is still to be condensed");
    }
    let outcome = steps.attempt(job(&ada), 2).await;

    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    let after = steps.customer(ada.id).await;
    assert_eq!(after.company_context, "a long story");
    assert_eq!(after.context_status, ContextStatus::Kept);
    assert_eq!(after.last_error.as_deref(), Some("the model answers HTTP 500"));
}

async fn whatever_the_model_does_the_original_stays(steps: &Steps) {
    for (fault, message) in [
        (Fault::Fail, "the model answers HTTP 500"),
        (Fault::Hang, "the model does not answer in time"),
        (Fault::Nonsense, "the model's answer is no JSON"),
        (Fault::Misfit, "the model's answer has no message.content"),
        (Fault::Flood, "the model's answer is larger than 1048576 bytes"),
        (Fault::Cut, "the connection to the model broke off"),
    ] {
        // The model's own words may be anything: a server may repeat what was sent to it.
        let text = "a long story with a secret in it";
        let ada = steps.create(text).await;
        steps.model.plan(Plan::next(fault, 1));

        let is_hanging = fault == Fault::Hang;
        let app = if is_hanging { steps.impatient() } else { steps.app.clone() };
        let outcome = steps.attempt_with(app, job(&ada), 2).await;

        let Outcome::Retry { message: told, .. } = &outcome else {
            panic!("{fault:?}: {outcome:?}")
        };
        assert!(told.contains(message), "{fault:?}: {told}");
        assert!(!told.contains("secret"), "{fault:?}: {told}");
        let after = steps.customer(ada.id).await;
        assert_eq!((after.context_status, &*after.company_context), (ContextStatus::Kept, text));
        assert_eq!(after.last_error.as_deref(), Some(&**told));
    }
}

async fn a_refusal_is_not_tried_again(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.model.plan(Plan::next(Fault::Refuse, 1));

    let outcome = steps.attempt(job(&ada), 0).await;

    assert_eq!(outcome, Outcome::Dead("the model answers HTTP 400".to_owned()));
    let after = steps.customer(ada.id).await;
    assert_eq!(after.context_status, ContextStatus::Kept);
    assert_eq!(after.company_context, "a long story");
}

async fn a_busy_model_is_left_alone_for_as_long_as_it_says(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.model.plan(Plan::next(Fault::Busy, 1));

    let outcome = steps.attempt(job(&ada), 0).await;

    let second = Some(Duration::from_secs(1));
    assert!(matches!(outcome, Outcome::Retry { after, .. } if after == second), "{outcome:?}");
    assert_eq!(steps.customer(ada.id).await.context_status, ContextStatus::Pending);
}

async fn an_empty_answer_keeps_the_original(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.model.plan(Plan::next(Fault::Empty, 1));

    assert_eq!(steps.attempt(job(&ada), 0).await, DONE);

    let after = steps.customer(ada.id).await;
    assert_eq!(after.company_context, "a long story");
    assert_eq!(after.context_status, ContextStatus::Kept);
    assert_eq!(after.last_error.as_deref(), Some("the model's answer is empty"));
}

async fn an_edit_while_an_older_text_is_condensed_wins(steps: &Steps) {
    let ada = steps.create("the older text").await;
    steps.model.plan(Plan::next(Fault::Hold, 1));
    let meanwhile = async {
        eventually("the model", async || (steps.model.asked("the older text") > 0).then_some(()))
            .await;
        let edited = steps.edit(ada.id, "the newer text").await;
        steps.model.release("older");
        edited
    };

    let (outcome, edited) = tokio::join!(steps.attempt(job(&ada), 0), meanwhile);

    assert_eq!(steps.model.calls()[0].status, Some(200), "the older text was answered well");
    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    assert_eq!(steps.customer(ada.id).await, edited);
    assert_eq!(edited.company_context, "the newer text");
    assert_eq!(edited.revision, 2);

    assert_eq!(steps.attempt(job(&edited), 0).await, DONE);
    assert_eq!(steps.customer(ada.id).await.company_context, condensed("the newer text"));
    // And once more, when it is over.
    let outcome = steps.attempt(job(&ada), 0).await;
    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    assert_eq!(steps.customer(ada.id).await.company_context, condensed("the newer text"));
}

async fn a_late_failure_says_nothing_of_the_newer_text(steps: &Steps) {
    let ada = steps.create("the older text").await;
    let edited = steps.edit(ada.id, "the newer text").await;

    assert!(!steps.app.store.keep_original(ada.text(), "too late").await.unwrap());
    assert!(!steps.app.store.save_condensed(ada.text(), "too late", NOON).await.unwrap());

    assert_eq!(steps.customer(ada.id).await, edited);
}

async fn a_repeat_after_the_save_asks_nobody(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.attempt(job(&ada), 0).await;
    let after = steps.customer(ada.id).await;

    // The worker died after the save, before it could say so.
    let outcome = steps.attempt(job(&ada), 0).await;

    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    assert_eq!(steps.customer(ada.id).await, after);
    assert_eq!(steps.model.asked("a long story"), 1);
}

/// Two attempts for the same text, of which one has lost its lease: the first answer stays.
async fn a_zombies_answer_changes_nothing(steps: &Steps) {
    let ada = steps.create("a long story").await;
    assert!(steps.app.store.save_condensed(ada.text(), "the first", NOON).await.unwrap());

    assert!(!steps.app.store.save_condensed(ada.text(), "the second", NOON).await.unwrap());
    assert!(!steps.app.store.keep_original(ada.text(), "failed").await.unwrap());

    let after = steps.customer(ada.id).await;
    assert_eq!((&*after.company_context, after.last_error), ("the first", None));
}

async fn what_was_kept_is_condensed_when_it_is_retried(steps: &Steps) {
    let ada = steps.create("a long story").await;
    steps.model.plan(Plan::next(Fault::Fail, 1));
    steps.attempt(job(&ada), 2).await;
    assert_eq!(steps.customer(ada.id).await.context_status, ContextStatus::Kept);

    assert_eq!(steps.attempt(job(&ada), 0).await, DONE);

    let after = steps.customer(ada.id).await;
    assert_eq!((after.context_status, after.last_error), (ContextStatus::Condensed, None));
}

async fn a_customer_that_is_not_there_is_nobodys_fault(steps: &Steps) {
    let gone = CondenseContext { customer: CustomerId::new(999).unwrap(), revision: 1 };

    let outcome = steps.attempt(gone, 0).await;

    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    assert_eq!(steps.model.calls(), []);
}

/// Of two edits at once the job of the older may be enqueued last, and take the place of the newer one's.
async fn the_last_job_condenses_the_newest_text_whichever_it_is_of(steps: &Steps) {
    let ada = steps.create("the first text").await;
    let older = steps.edit(ada.id, "the older text").await;
    let newer = steps.edit(ada.id, "the newer text").await;
    let queue = Dispatcher::Queue(steps.opened());
    queue.dispatch(&newer).await;
    queue.dispatch(&older).await;

    let lease = steps.take().await.unwrap();
    assert_eq!(lease.job.payload.decode::<CondenseContext>().unwrap(), job(&older));
    assert_eq!(steps.under(&lease).await, DONE);

    let after = steps.customer(ada.id).await;
    assert_eq!(after.company_context, condensed("the newer text"));
    assert!(steps.take().await.is_none());
}

async fn the_patrol_finds_what_has_no_job(steps: &Steps) {
    let texts: Vec<_> = ["one", "two", "three"].into();
    for text in texts {
        steps.create(text).await;
    }
    let queue = Dispatcher::Queue(steps.opened());
    let mut patrol = Patrol::new(steps.app.store.clone(), queue);
    let before = NOON - Duration::from_millis(1);

    assert_eq!(patrol.round(before).await.unwrap().lost, 0, "who stores a text enqueues its job");
    assert_eq!(patrol.round(NOON).await.unwrap().lost, 3);
    assert_eq!(patrol.round(NOON).await.unwrap().lost, 0, "they are there now");
    let lease = steps.take().await.unwrap();
    assert_eq!(patrol.round(NOON).await.unwrap().lost, 0, "one of them runs");
    steps.settle(&lease, Next::Complete { result: None }).await;
    assert_eq!(patrol.round(NOON).await.unwrap().lost, 1, "it is over, and nothing has come of it");
}

async fn the_patrol_tells_of_jobs_that_died_without_a_word(steps: &Steps) {
    let ada = steps.create("a long story").await;
    let queue = Dispatcher::Queue(steps.opened());
    let mut patrol = Patrol::new(steps.app.store.clone(), queue);
    patrol.round(NOON).await.unwrap();
    let lease = steps.take().await.unwrap();
    let failure = Failure::new(FailureKind::Timeout, 3, NOON, lease.worker, "it took too long");
    steps.settle(&lease, Next::Dead { failure }).await;

    let found = patrol.round(NOON).await.unwrap();

    assert_eq!((found.lost, found.dead), (0, 1));
    let after = steps.customer(ada.id).await;
    assert_eq!(after.context_status, ContextStatus::Kept);
    assert_eq!(after.company_context, "a long story");
    assert_eq!(after.last_error.as_deref(), Some("it took too long"));
    assert_eq!(patrol.round(NOON).await.unwrap().dead, 0);
}
