//! A request's body, read field by field, so that each mistake has its own answer.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use program::{InputFault, shown};
use serde_json::{Map, Value};

use super::error::ApiError;

/// The fields of a body that were not yet taken.
#[derive(Debug)]
pub(super) struct Body(Map<String, Value>);

impl Body {
    pub(super) fn read(content: Result<Bytes, BytesRejection>) -> Result<Self, ApiError> {
        let content = content.map_err(|rejection| {
            let code = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
                _ => "unreadable_body",
            };
            ApiError::new(rejection.status(), code, rejection.body_text())
        })?;
        match serde_json::from_slice(&content) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(malformed("the body is no JSON object".to_owned())),
            Err(error) => Err(malformed(format!("the body is no JSON: {error}"))),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional(name)?.ok_or_else(|| {
            InputFault::new("missing_field", format!("the body has no {name:?}")).into()
        })
    }

    /// A text that may be there, and not null.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => {
                let message = format!("{name:?} is no text: {}", shown(&other.to_string()));
                Err(InputFault::new("malformed_field", message).into())
            }
        }
    }

    /// Refuses what was not taken: a misspelt field would otherwise do something else than was meant.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let message = format!("there is no field {:?}", shown(name));
                Err(InputFault::new("unknown_field", message).into())
            }
        }
    }
}

fn malformed(message: String) -> ApiError {
    InputFault::new("malformed_json", message).into()
}
