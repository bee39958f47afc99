//! What is answered when something was not done.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use program::{Failure, InputFault, shown};
use serde_json::json;

use crate::customer::CustomerId;
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

    pub(super) fn unknown_customer(id: CustomerId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_customer", format!("there is no customer {id}"))
    }

    pub(super) fn nothing_to_change() -> Self {
        let message = "the body has neither \"name\" nor \"text\": there is nothing to change";
        Self::new(StatusCode::BAD_REQUEST, "nothing_to_change", message)
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
        let (status, code) = match failure.code() {
            Some(code) => (StatusCode::BAD_REQUEST, code),
            None => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self::new(status, code, failure.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        (self.status, Json(body)).into_response()
    }
}
