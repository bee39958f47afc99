//! What is answered when something was not done.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use program::{Failure, InputFault, shown};
use serde_json::json;

use crate::db::StoreError;

/// Why something was not done: a status, a word for programs, and a sentence for people.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn unknown_message(number: &str) -> Self {
        let message = format!("there is no message {:?}", shown(number));
        Self::new(StatusCode::NOT_FOUND, "unknown_message", message)
    }

    /// The same whatever is wrong, so that nobody learns from it.
    pub(super) fn unauthorized() -> Self {
        let message = "show the token as `Authorization: Bearer …`, or sign the message";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    let message = format!("there is nothing at {:?}", shown(uri.path()));
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
}

pub(super) async fn method_not_allowed() -> ApiError {
    let message = "that cannot be done here with this method";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

impl From<InputFault> for ApiError {
    fn from(fault: InputFault) -> Self {
        Failure::from(fault).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        if let Some(code) = failure.code() {
            return Self::new(StatusCode::BAD_REQUEST, code, failure.to_string());
        }
        // Where the database is, and what is wrong with it, is nobody's business.
        tracing::error!(%failure, "a request was not answered");
        let message = "the database is away: send it again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut answer = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        answer
    }
}
