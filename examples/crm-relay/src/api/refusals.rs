//! What is answered when something was not done.

use axum::http::StatusCode;
use http_server::Refusal;
use program::{Failure, shown};

use crate::db::StoreError;

pub(super) fn unknown_message(number: &str) -> Refusal {
    let message = format!("there is no message {:?}", shown(number));
    Refusal::new(StatusCode::NOT_FOUND, "unknown_message", message)
}

/// The same whatever is wrong, so that nobody learns from it.
pub(super) fn unauthorized() -> Refusal {
    let message = "show the token as `Authorization: Bearer …`, or sign the message";
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

/// Where the database is, and what is wrong with it, is nobody's business.
pub(super) fn away(error: StoreError) -> Refusal {
    let failure = Failure::from(error);
    tracing::error!(%failure, "a request was not answered");
    Refusal::unavailable("the database is away: send it again later")
}
