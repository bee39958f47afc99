//! Answers that are not a success.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use program::Failure;
use serde_json::json;
use tracing::error;

use crate::db::{BulkJob, StoreError};
use crate::limits::LimitHit;

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: More,
}

#[derive(Debug)]
enum More {
    Nothing,
    /// When to try again, if ever.
    RetryAfter(Option<u64>),
    /// The job that has to do with it.
    JobId(String),
}

impl Fault {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), more: More::Nothing }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    pub(crate) fn wrong_method() -> Self {
        let message = "this path does not take this method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// No key, or not a right one. Which of the two is nobody's business.
    pub(crate) fn unauthorized() -> Self {
        let message = "send a valid API key in the header X-API-Key";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn body_too_large(most: usize) -> Self {
        let message = format!("the body may have {most} bytes at most");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    }

    pub(crate) fn body_cut_off() -> Self {
        let message = "the body could not be read to its end";
        Self::new(StatusCode::BAD_REQUEST, "body_cut_off", message)
    }

    pub(crate) fn body_too_slow() -> Self {
        let message = "the body did not come in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    pub(crate) fn not_json() -> Self {
        let message = "the body must be JSON, with Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    pub(crate) fn malformed_json(error: &serde_json::Error) -> Self {
        let message = format!("the body is not JSON: {error}");
        Self::new(StatusCode::BAD_REQUEST, "malformed_json", message)
    }

    /// What was sent can be read, and cannot be done.
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(crate) fn limited(hit: LimitHit) -> Self {
        let fault = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", hit.message);
        Self { more: More::RetryAfter(hit.retry_after), ..fault }
    }

    /// Also the answer about the jobs of others: not even that there are such is told.
    pub(crate) fn no_such_job() -> Self {
        Self::new(StatusCode::NOT_FOUND, "job_not_found", "you have no job with this id")
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn job_not_ended(job: &BulkJob) -> Self {
        let message = format!("the job has not ended: it is {}", job.state.as_str());
        Self::conflict("job_not_ended", message)
    }

    pub(crate) fn already_retried(by: String) -> Self {
        let fault = Self::conflict("already_retried", format!("job {by} is the retry"));
        Self { more: More::JobId(by), ..fault }
    }
}

/// The database is away, or worse: the caller can only try again.
impl From<StoreError> for Fault {
    fn from(cause: StoreError) -> Self {
        error!("a request could not be answered: {}", Failure::failed(&cause));
        let message = "the database cannot be used at the moment, try again later";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let Self { status, code, message, more } = self;
        let mut body = json!({"success": false, "error": code, "message": message});
        match &more {
            More::Nothing => {}
            More::RetryAfter(seconds) => body["retry_after"] = json!(seconds),
            More::JobId(id) => body["job_id"] = json!(id),
        }
        let mut answer = (status, Json(body)).into_response();
        if let More::RetryAfter(Some(seconds)) = more {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey"));
        }
        answer
    }
}
