//! What is answered when something was not done.

use axum::http::StatusCode;
use http_server::Refusal;
use program::Failure;

use crate::customer::CustomerId;

pub(super) fn unknown_customer(id: CustomerId) -> Refusal {
    let message = format!("there is no customer {id}");
    Refusal::new(StatusCode::NOT_FOUND, "unknown_customer", message)
}

pub(super) fn nothing_to_change() -> Refusal {
    let message = "the body has neither \"name\" nor \"text\": there is nothing to change";
    Refusal::new(StatusCode::BAD_REQUEST, "nothing_to_change", message)
}

/// The database or the queue has failed.
pub(super) fn away(failure: impl Into<Failure>) -> Refusal {
    Refusal::unavailable(failure.into().to_string())
}
