//! What each answer of a receiver brings about, on whatever database.

use std::time::Duration;

use crm_relay::Pass;
use crm_relay::message::OutboxStatus;
use crm_relay::stub::Answer;

use super::steps::{SHOP, Steps};

const SECOND: Duration = Duration::from_secs(1);

/// What is expected of a message after one attempt.
#[derive(Debug, PartialEq)]
pub(crate) enum Expected {
    /// It has failed.
    Never,
    /// It waits for so long.
    After(Duration),
}

/// Has a message delivered to a destination, and checks what the row says: the class of the error, and what
/// comes next.
pub(crate) async fn check(
    steps: &Steps,
    destination: &str,
    class: &str,
    expected: &Expected,
) -> String {
    let id = steps.send(destination).await;
    let now = steps.store().now();

    let pass = steps.pass().await;

    let row = steps.outbox(id).await;
    let error = row.last_error.clone().unwrap_or_default();
    assert!(error.starts_with(&format!("{class}: ")), "{class}: {error}");
    let attempts = u64::from(class != "no_active_integration");
    assert_eq!((row.attempts, row.sent_at), (attempts, None), "{error}");
    let (status, counted) = match expected {
        Expected::Never => (OutboxStatus::Failed, pass.failed),
        Expected::After(wait) => {
            assert_eq!(row.next_attempt_at.since(now), *wait, "{error}");
            (OutboxStatus::Pending, pass.retried)
        }
    };
    assert_eq!((row.status, counted, pass.taken()), (status, 1, 1), "{error}");
    if row.status == OutboxStatus::Pending {
        assert_eq!(steps.pass().await, Pass::default(), "it is not due: {error}");
        // Out of the way of the others.
        steps.receiver.plan(destination, [Answer::Status(410)]);
        steps.clock.advance(Duration::from_secs(2 * 3_600));
        steps.pass().await;
    }
    error
}

/// Every answer that a receiver may give.
pub(crate) async fn every_answer(steps: &Steps) {
    let backoff = Expected::After(10 * SECOND);
    for status in [400, 401, 403, 404, 409, 410, 422] {
        steps.receiver.plan(SHOP, [Answer::Status(status)]);
        check(steps, SHOP, &format!("http_{status}"), &Expected::Never).await;
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        steps.receiver.plan(SHOP, [Answer::Status(status)]);
        check(steps, SHOP, &format!("http_{status}"), &backoff).await;
    }
    for (status, text, wait) in [
        (429, "30".to_owned(), 30 * SECOND),
        (503, "120".to_owned(), 120 * SECOND),
        (503, "0".to_owned(), 10 * SECOND),
        (503, "1".to_owned(), 10 * SECOND),
        (429, "999999999".to_owned(), 3_600 * SECOND),
        (429, "soon".to_owned(), 10 * SECOND),
        (500, "30".to_owned(), 10 * SECOND),
        (408, "30".to_owned(), 10 * SECOND),
    ] {
        steps.receiver.plan(SHOP, [Answer::RetryAfter(status, text)]);
        check(steps, SHOP, &format!("http_{status}"), &Expected::After(wait)).await;
    }
    steps.receiver.plan(SHOP, [Answer::RetryAfter(422, "30".to_owned())]);
    check(steps, SHOP, "http_422", &Expected::Never).await;
}
