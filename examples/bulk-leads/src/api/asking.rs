//! What somebody asks for: `{"lead_ids": [1, 2, 3], "status": "contacted"}`.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::Api;
use super::fault::Fault;
use crate::lead_ids::LeadIds;
use crate::status::LeadStatus;

/// The largest body, in bytes: 100,000 leads with numbers of nine digits.
const MAX_BODY: usize = 1 << 20;
/// The most leads in one request, whatever the caller's limits.
const MAX_LEADS: usize = 100_000;
/// How long a caller may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Leads, and the status they are to have.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) lead_ids: LeadIds,
    /// How many entries of the list were repeats, and were merged.
    pub(crate) repeats: usize,
    pub(crate) target: LeadStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    lead_ids: Vec<i64>,
    status: String,
}

impl FromRequest<Api> for Asking {
    type Rejection = Fault;

    async fn from_request(request: Request, _: &Api) -> Result<Self, Fault> {
        if !is_json(&request) {
            return Err(Fault::not_json());
        }
        let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), MAX_BODY));
        let bytes = match body.await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) if is_too_large(&error) => return Err(Fault::body_too_large(MAX_BODY)),
            Ok(Err(_)) => return Err(Fault::body_cut_off()),
            Err(_) => return Err(Fault::body_too_slow()),
        };
        Self::read(&bytes)
    }
}

impl Asking {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let body: Body = serde_json::from_slice(bytes).map_err(|error| {
            if error.is_data() {
                Fault::invalid("invalid_body", format!("the body cannot be used: {error}"))
            } else {
                Fault::malformed_json(&error)
            }
        })?;
        // A list of the right length would pass for the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Fault::invalid("invalid_body", "the body must be an object"));
        }
        let target = body
            .status
            .parse()
            .map_err(|error| Fault::invalid("unknown_status", format!("{error}")))?;
        if body.lead_ids.is_empty() {
            return Err(Fault::invalid("empty_list", "lead_ids is empty"));
        }
        if body.lead_ids.len() > MAX_LEADS {
            return Err(Self::too_long(MAX_LEADS, body.lead_ids.len(), ""));
        }
        let (lead_ids, repeats) = LeadIds::merge(body.lead_ids).map_err(|wrong| {
            let message = format!("{wrong} is not the id of a lead: they are 1 or greater");
            Fault::invalid("invalid_lead_id", message)
        })?;
        Ok(Self { lead_ids, repeats, target })
    }

    pub(crate) fn too_long(most: usize, got: usize, hint: &str) -> Fault {
        let message = format!("lead_ids may have {most} entries at most, and has {got}{hint}");
        Fault::invalid("list_too_long", message)
    }
}

fn is_json(request: &Request) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn is_too_large(error: &axum::Error) -> bool {
    use std::error::Error as _;
    // The only word for it: axum's own type for the cause is not public.
    error.source().is_some_and(|cause| cause.to_string() == "length limit exceeded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_are_merged() {
        let asking = Asking::read(br#"{"lead_ids": [2, 1, 2], "status": "won"}"#).unwrap();

        assert_eq!(asking.lead_ids.as_slice(), [1, 2]);
        assert_eq!((asking.repeats, asking.target), (1, LeadStatus::Won));
    }
}
