//! One request to a CRM and its answer, with nothing hidden: no redirect is followed and nothing is sent
//! twice, for each request is one of the store's budget.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect, retry};
use serde_json::Value;

use super::{CrmError, RetryAfter};
use crate::departure::CONNECT_TIMEOUT;

/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;
/// How much of what a CRM says about a refusal is kept.
const MAX_MESSAGE: usize = 200;

/// The connections to all CRMs. Clones share them.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
}

impl Http {
    /// Connections over which an answer is waited for no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// When the machine has no certificates, and the like.
    pub fn new(timeout: Duration) -> Result<Self, CrmError> {
        // Whoever was earlier has taken the same.
        program::choose_cryptography();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .user_agent(concat!("jobq-crm-sync/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failing("the HTTP client cannot be set up", error))?;
        Ok(Self { client })
    }

    /// The way to one store's account at its CRM.
    #[must_use]
    pub const fn access<'a>(&'a self, base_url: &'a str, api_key: &'a str) -> Access<'a> {
        Access { http: self, base_url, api_key }
    }
}

/// The way to one store's account at its CRM.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    http: &'a Http,
    base_url: &'a str,
    api_key: &'a str,
}

impl Access<'_> {
    /// The key, as a bearer's.
    pub(crate) fn bearer(&self) -> (HeaderName, String) {
        (AUTHORIZATION, format!("Bearer {}", self.api_key))
    }

    /// The key, in a header that the CRM has made up.
    pub(crate) fn key_in(&self, header: &'static str) -> (HeaderName, String) {
        (HeaderName::from_static(header), self.api_key.to_owned())
    }

    /// Sends one request, and gives the JSON of its answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &[&str],
        headers: impl IntoIterator<Item = (HeaderName, String)>,
        body: Option<&Value>,
    ) -> Result<Value, CrmError> {
        let mut request = self.http.client.request(method, self.url(path)?);
        for (name, value) in headers {
            let value = HeaderValue::try_from(value).map_err(|_| CrmError::Refused {
                status: 0,
                message: format!("{name} cannot be sent: is the store's key right?"),
            })?;
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response =
            request.send().await.map_err(|error| failing("the CRM cannot be reached", error))?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let answer = read(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|error| {
                CrmError::Failing(format!("the CRM's answer is no JSON: {error}"))
            });
        }
        Err(refusal(status, retry_after, &answer))
    }

    /// The store's address with further segments, each as it is, whatever is in it.
    fn url(&self, path: &[&str]) -> Result<Url, CrmError> {
        let wrong = || CrmError::Refused {
            status: 0,
            message: "the store's base_url is no http address".to_owned(),
        };
        let mut url = Url::parse(self.base_url).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().extend(path);
        Ok(url)
    }
}

fn retry_after(response: &Response) -> Option<RetryAfter> {
    RetryAfter::parse(response.headers().get(RETRY_AFTER)?.to_str().ok()?)
}

async fn read(mut response: Response) -> Result<Vec<u8>, CrmError> {
    let mut answer = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| failing("the connection to the CRM broke off", error))?
    {
        answer.extend_from_slice(&piece);
        if answer.len() > MAX_ANSWER {
            return Err(CrmError::Failing(format!(
                "the CRM's answer is larger than {MAX_ANSWER} bytes"
            )));
        }
    }
    Ok(answer)
}

fn refusal(status: StatusCode, retry_after: Option<RetryAfter>, answer: &[u8]) -> CrmError {
    let number = status.as_u16();
    match status {
        StatusCode::TOO_MANY_REQUESTS => CrmError::Throttled { status: number, retry_after },
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            CrmError::Throttled { status: number, retry_after }
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => CrmError::Missing,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            CrmError::Failing(format!("the CRM answers HTTP {number}"))
        }
        _ if status.is_server_error() => {
            CrmError::Failing(format!("the CRM answers HTTP {number}"))
        }
        _ => {
            let message = String::from_utf8_lossy(answer).replace(['\n', '\r'], " ");
            let message = message.chars().take(MAX_MESSAGE).collect::<String>().trim().to_owned();
            CrmError::Refused { status: number, message }
        }
    }
}

/// One line with the innermost cause, without the address, which may hold a key.
fn failing(what: &str, error: reqwest::Error) -> CrmError {
    if error.is_timeout() {
        return CrmError::Failing("the CRM does not answer in time".to_owned());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    CrmError::Failing(format!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<&str>) -> CrmError {
        let retry_after = retry_after.and_then(RetryAfter::parse);
        refusal(StatusCode::from_u16(status).unwrap(), retry_after, b"{\"error\":\"no\"}\n")
    }

    #[test]
    fn a_status_says_what_is_to_be_done() {
        let delay = Some(RetryAfter::Delay(Duration::from_secs(2)));
        let throttled = |status, retry_after| CrmError::Throttled { status, retry_after };

        assert_eq!(refused(429, Some("2")), throttled(429, delay));
        assert_eq!(refused(429, None), throttled(429, None));
        assert_eq!(refused(503, Some("2")), throttled(503, delay));
        for status in [408, 425, 500, 502, 503, 504] {
            assert!(matches!(refused(status, None), CrmError::Failing(_)), "{status}");
        }
        for status in [404, 410] {
            assert_eq!(refused(status, None), CrmError::Missing);
        }
        for status in [301, 400, 401, 409, 422] {
            let message = "{\"error\":\"no\"}".to_owned();
            assert_eq!(refused(status, None), CrmError::Refused { status, message });
        }
    }

    #[test]
    fn an_id_is_one_segment_of_the_path_whatever_is_in_it() {
        let http = Http::new(Duration::from_secs(1)).unwrap();
        for base in ["http://crm.example/tide/7", "http://crm.example/tide/7/"] {
            let url = http.access(base, "key").url(&["customers", "a/../b?c"]).unwrap();

            assert_eq!(url.as_str(), "http://crm.example/tide/7/customers/a%2F..%2Fb%3Fc");
        }
        assert!(http.access("crm.example", "key").url(&[]).is_err());
    }
}
