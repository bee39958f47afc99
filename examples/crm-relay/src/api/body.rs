//! A request's body, read field by field, so that each mistake has its own answer.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use http_server::Refusal;
use http_server::body::{malformed, missing, no_text, none_left};
use program::InputFault;
use serde_json::value::RawValue;

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The bytes of a body, as they came.
pub(super) async fn bytes(request: Request) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await;
    let read = read.map_err(|_| {
        let message = format!("the body has not come within {BODY_TIMEOUT:?}");
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    })?;
    Ok(read?)
}

/// The fields of a body that were not yet taken.
#[derive(Debug)]
pub(super) struct Body<'b>(BTreeMap<String, &'b RawValue>);

impl<'b> Body<'b> {
    pub(super) fn read(content: &'b Bytes) -> Result<Self, InputFault> {
        let no_json = |error| malformed(format!("the body is no JSON: {error}"));
        let whole: &RawValue = serde_json::from_slice(content).map_err(no_json)?;
        if !whole.get().starts_with('{') {
            return Err(malformed("the body is no JSON object"));
        }
        serde_json::from_str(whole.get()).map(Self).map_err(no_json)
    }

    /// Whatever is there under a name, letter by letter; null if nothing is.
    pub(super) fn any(&mut self, name: &str) -> &'b str {
        self.0.remove(name).unwrap_or(RawValue::NULL).get()
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, InputFault> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// A text that may be there, and not null.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<String>, InputFault> {
        let text = self.any(name);
        serde_json::from_str(text).map_err(|_| no_text(name, text))
    }

    /// Refuses what was not taken: a misspelt field would otherwise do something else than was meant.
    pub(super) fn finish(self) -> Result<(), InputFault> {
        none_left(self.0.keys())
    }
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
