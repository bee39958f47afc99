//! What is answered when something was not done.

use axum::http::StatusCode;
use http_server::Refusal;
use program::{Failure, shown};

pub(super) fn unknown_event(event: &str) -> Refusal {
    let message = format!("there is no hook {:?}: created or updated", shown(event));
    Refusal::new(StatusCode::NOT_FOUND, "unknown_event", message)
}

/// There is no such store; or the database or the queue has failed.
pub(super) fn refused(failure: impl Into<Failure>) -> Refusal {
    let failure = failure.into();
    let message = failure.to_string();
    match failure.code() {
        Some(code @ "unknown_store") => Refusal::new(StatusCode::NOT_FOUND, code, message),
        Some(code) => Refusal::new(StatusCode::BAD_REQUEST, code, message),
        None => Refusal::unavailable(message),
    }
}
