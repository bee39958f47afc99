//! The built-in kind `http`: a job that makes a request.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::backoff::ThreadRandom;
use jobq_core::duration::text;
use jobq_core::{Backoff, Error, Job, JobContext, JobError, JobResult, SystemClock};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use self::answer::{rest, retry_after, tail, verdict};
use super::allowed_urls::{AllowedUrls, is_web, same_place};
use super::output;
use crate::events::Chain;
use crate::registry::Registry;

/// How long a request may take unless the job says otherwise, and how long at most.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3_600);

/// How many of its lines go to the log of a job that has failed.
const TAIL_LINES: usize = 20;

/// How often a server may send the request elsewhere.
const MAX_REDIRECTS: usize = 5;

/// After how long a job comes back that this worker is not for.
const LATER: Duration = Duration::from_secs(60);

/// What frames a request, and so is not for a job to say.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Makes an HTTP request. The worker must allow the URL: `jobq work --allow-url https://api.example.com/`. A worker
/// that allows none puts such jobs off; one that allows others only finds them dead.
///
/// An answer of 2xx completes the job, also if its body breaks off; its status and the end of its body are the result, if the job has a
/// retention. 408, 425, 429 and 5xx are errors, and the job is tried again after its backoff, or after what
/// `Retry-After` says if that is longer, an hour at most; any other answer is not going to change, and the job is dead. So it is after a redirect to
/// another server, or to what is not allowed: only others are followed. The end of the body of an answer
/// that is no success goes to the job's log.
///
/// Without an `Idempotency-Key` among its headers it has the job's id, so that the server can tell a repeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Http {
    /// The URL.
    pub url: String,
    /// The method; `GET` by default, or `POST` if there is a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Its headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Body>,
    /// How long it may take, in seconds, until the answer has been read; 30 by default, 3600 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

/// A text is sent as it is, anything else as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Json(Value),
}

impl Job for Http {
    const KIND: &'static str = "http";
    const BACKOFF: Backoff = Backoff::DEFAULT;
}

impl Http {
    /// A `GET` of this URL.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        let headers = BTreeMap::new();
        Self { url: url.into(), method: None, headers, body: None, timeout_s: None }
    }

    /// A `POST` of a text to this URL. Its `content-type` is for [`headers`](Self::headers) to say.
    #[must_use]
    pub fn post(url: impl Into<String>, body: impl Into<String>) -> Self {
        Self { body: Some(Body::Text(body.into())), ..Self::get(url) }
    }

    /// Refuses what no worker could ask for.
    pub(super) fn check(&self) -> jobq_core::Result<()> {
        if let Some(seconds) = self.timeout_s
            && seconds > LONGEST.as_secs()
        {
            let most = LONGEST.as_secs();
            return Err(Error::invalid_input(format!("timeout_s is {seconds}: 1 to {most} s")));
        }
        self.request().map(drop).map_err(Error::invalid_input)
    }

    /// The request as it is to be made, or why it makes no sense.
    fn request(&self) -> Result<(Method, Url, HeaderMap), String> {
        // A URL may hold a password: only what is wrong with it is told.
        if self.timeout_s == Some(0) {
            return Err("timeout_s is 0: no request could end in time".to_owned());
        }
        if !self.url.contains("://") {
            return Err(match self.url.contains('@') {
                true => "the URL has no https:// in front".to_owned(),
                false => format!("{:?} has no https:// in front", output::one_line(&self.url, 80)),
            });
        }
        let url: Url = self.url.parse().map_err(|fault| format!("the URL is wrong: {fault}"))?;
        if !is_web(&url) {
            return Err(format!("a URL of {}: only http and https are possible", url.scheme()));
        }
        let method = match (&self.method, &self.body) {
            (Some(name), _) => name
                .to_ascii_uppercase()
                .parse()
                .map_err(|_| format!("{name:?} is not a method of HTTP"))?,
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let known = name
                .parse::<HeaderName>()
                .map_err(|_| format!("{name:?} is not the name of a header"))?;
            if FRAMING.contains(&known.as_str()) {
                return Err(format!("a job may not set the header {known}"));
            }
            let value = HeaderValue::from_str(value).map_err(|_| {
                format!("the value of header {known} has characters it may not have")
            })?;
            headers.insert(known, value);
        }
        if matches!(self.body, Some(Body::Json(_))) && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok((method, url, headers))
    }
}

/// What is kept of an answer.
#[derive(Debug, Serialize)]
struct Answered {
    status: u16,
    /// The end of the body.
    body: String,
}

/// Adds the handler, for these URLs only, unless the kind is taken.
pub(super) fn register(registry: Registry, allowed: AllowedUrls) -> Result<Registry, String> {
    if registry.kinds().any(|kind| kind == Http::KIND) {
        return Ok(registry);
    }
    let allowed = Arc::new(allowed);
    // What is never asked needs no certificates.
    let client = (!allowed.is_empty()).then(|| client(Arc::clone(&allowed))).transpose()?;
    let registry = registry.handle(move |job: Http, context: JobContext| {
        run(job, context, client.clone(), Arc::clone(&allowed))
    });
    Ok(registry.of_any_queue())
}

fn client(allowed: Arc<AllowedUrls>) -> Result<Client, String> {
    // An error means that the program has chosen a provider before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("jobq/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(TIME_LIMIT)
        .referer(false)
        .redirect(Policy::custom(move |attempt| follow(attempt, &allowed)))
        .build()
        .map_err(|error| format!("no HTTP requests can be made: {}", Chain(&error)))
}

/// A server may send a request on to itself only, and only to what is allowed.
fn follow(attempt: Attempt<'_>, allowed: &AllowedUrls) -> Action {
    let is_here = attempt.previous().first().is_some_and(|first| same_place(first, attempt.url()));
    if is_here && allowed.allows(attempt.url()) && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

async fn run(
    job: Http,
    context: JobContext,
    client: Option<Client>,
    allowed: Arc<AllowedUrls>,
) -> JobResult<Answered> {
    // Another worker of this queue may be the one for such jobs.
    let Some(client) = client else { return Err(JobError::snooze(LATER)) };
    let (method, url, mut headers) = job.request().map_err(JobError::dead)?;
    if !allowed.allows(&url) {
        let place = place(&url);
        return Err(JobError::dead(format!(
            "the URL, at {place}, is not allowed here: start the worker with --allow-url {place}/"
        )));
    }
    let what = format!("{method} at {}", place(&url));
    if !headers.contains_key("idempotency-key") {
        let id = HeaderValue::from_str(&context.id().to_string()).map_err(JobError::dead)?;
        headers.insert("idempotency-key", id);
    }
    let limit = job.timeout_s.map_or(TIME_LIMIT, Duration::from_secs).min(LONGEST);
    let end = Instant::now() + limit;
    let mut request = client.request(method, url).headers(headers);
    request = match job.body {
        None => request,
        Some(Body::Text(text)) => request.body(text),
        Some(Body::Json(value)) => request.body(value.to_string()),
    };
    let sent = tokio::time::timeout_at(end, request.send()).await;
    let answer = sent
        .map_err(|_| JobError::retry(format!("{what} took longer than {}", text(limit))))?
        // Without the URL, which may hold a password.
        .map_err(|error| JobError::retry(format!("{what}: {}", Chain(&error.without_url()))))?;
    let status = answer.status();
    let wait = retry_after(answer.headers(), &SystemClock::default())
        .map(|wanted| rest(wanted, context.attempt(), &mut ThreadRandom::default()));
    let body = tail(answer, end).await;
    if status.is_success() {
        return Ok(Answered { status: status.as_u16(), body });
    }
    let lines: Vec<_> = body.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        // The log is a courtesy.
        let _ = context.log(*line).await;
    }
    Err(verdict(&what, status, wait))
}

/// Where a URL leads, without user, password, path and query.
fn place(url: &Url) -> String {
    url.origin().ascii_serialization()
}
