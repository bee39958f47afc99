//! What is answered when something was not done.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use program::{InputFault, shown};
use serde_json::json;

/// Why something was not done: a status, a word for programs, and a sentence for people. It is answered with
/// `{"error": {"code", "message"}}`.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    /// With 401 it asks for a bearer's token.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// The machinery has failed: the caller can only try again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

/// Answers whoever asks for a path that there is not.
pub async fn not_found(uri: Uri) -> Refusal {
    let message = format!("there is nothing at {:?}", shown(uri.path()));
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// Answers whoever does with a path what cannot be done.
pub async fn method_not_allowed() -> Refusal {
    let message = "that cannot be done here with this method";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

impl From<InputFault> for Refusal {
    fn from(fault: InputFault) -> Self {
        Self::new(StatusCode::BAD_REQUEST, fault.code(), fault.to_string())
    }
}

impl From<BytesRejection> for Refusal {
    fn from(rejection: BytesRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "unreadable_body",
        };
        Self::new(rejection.status(), code, rejection.body_text())
    }
}

impl IntoResponse for Refusal {
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
