//! Who calls.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Api;
use super::fault::Fault;
use crate::api_key::ApiKey;
use crate::db::KeyRecord;
use crate::limits::Limits;

/// The header that holds the key.
const HEADER: &str = "x-api-key";

/// Who calls, as their key says.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) key: KeyRecord,
}

impl Caller {
    pub(crate) fn limits(&self) -> Limits {
        self.key.limits.over(Limits::default())
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let given = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
        let given: ApiKey =
            given.and_then(|text| text.parse().ok()).ok_or_else(Fault::unauthorized)?;
        let known = api.app.store.key(given.id()).await?;
        let key = known.filter(|key| key.revoked_at.is_none() && given.matches(&key.secret_hash));
        Ok(Self { key: key.ok_or_else(Fault::unauthorized)? })
    }
}
