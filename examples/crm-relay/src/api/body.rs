//! A request's body, read field by field, so that each mistake has its own answer.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use program::{InputFault, shown};
use serde_json::value::RawValue;

use super::error::ApiError;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The bytes of a body, as they came.
pub(super) async fn bytes(request: Request) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await;
    let read = read.map_err(|_| {
        let message = format!("the body has not come within {BODY_TIMEOUT:?}");
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    })?;
    read.map_err(|rejection| {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            _ => "unreadable_body",
        };
        ApiError::new(rejection.status(), code, rejection.body_text())
    })
}

/// The fields of a body that were not yet taken.
#[derive(Debug)]
pub(super) struct Body<'b>(BTreeMap<String, &'b RawValue>);

impl<'b> Body<'b> {
    pub(super) fn read(content: &'b Bytes) -> Result<Self, ApiError> {
        let no_json = |error| malformed(format!("the body is no JSON: {error}"));
        let whole: &RawValue = serde_json::from_slice(content).map_err(no_json)?;
        if !whole.get().starts_with('{') {
            return Err(malformed("the body is no JSON object".to_owned()));
        }
        serde_json::from_str(whole.get()).map(Self).map_err(no_json)
    }

    /// Whatever is there under a name, letter by letter; null if nothing is.
    pub(super) fn any(&mut self, name: &str) -> &'b str {
        self.0.remove(name).unwrap_or(RawValue::NULL).get()
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, ApiError> {
        self.optional(name)?.ok_or_else(|| {
            InputFault::new("missing_field", format!("the body has no {name:?}")).into()
        })
    }

    /// A text that may be there, and not null.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let text = self.any(name);
        serde_json::from_str(text).map_err(|_| {
            let message = format!("{name:?} is no text: {}", shown(text));
            InputFault::new("malformed_field", message).into()
        })
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

#[cfg(test)]
mod tests {
    use axum::body::Body as Stream;
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = stream::pending::<Result<Bytes, std::io::Error>>();
        let began = tokio::time::Instant::now();

        let refused = bytes(Request::new(Stream::from_stream(never))).await.unwrap_err();

        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(began.elapsed(), BODY_TIMEOUT);
    }
}
