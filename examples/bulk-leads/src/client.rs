//! A caller of the API, over real HTTP: for the demonstration, benchmarks and tests.

use std::time::Duration;

use program::Failure;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; events may come for as long as they like.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A caller with a key. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// What the API has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Value,
}

impl Client {
    /// A caller of the API at `base`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    ///
    /// When the machine's certificates cannot be read.
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).build();
        let http = http.map_err(failed)?;
        Ok(Self { http, base: base.into(), key: key.into() })
    }

    /// A caller with another key, over the same connections.
    #[must_use]
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { key: key.into(), ..self.clone() }
    }

    /// Asks for something; the answer may be a refusal.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that is not JSON.
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        self.post_text(path, body.to_string()).await
    }

    /// Sends whatever it is as JSON.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn post_text(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer, Failure> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        Answer::of(request.body(body)).await
    }

    /// Asks for leads to be changed in the background.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub async fn change(&self, lead_ids: &[i64], status: &str) -> Result<Answer, Failure> {
        let body = json!({"lead_ids": lead_ids, "status": status});
        self.post("/api/crm/leads/bulk-status-async", &body).await
    }

    /// Follows the progress of a job, and gives what its last event tells.
    ///
    /// # Errors
    ///
    /// When the events end without the job's end.
    pub async fn follow(
        &self,
        job_id: &str,
        mut progress: impl FnMut(&Value),
    ) -> Result<Value, Failure> {
        let path = format!("/api/crm/jobs/{job_id}/events");
        let mut answer = self.request(Method::GET, &path).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(Failure::new(format!("no events of job {job_id}: {}", answer.status())));
        }
        let mut text = String::new();
        while let Some(bytes) = answer.chunk().await.map_err(failed)? {
            // What we follow is all ASCII.
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some((event, rest)) = text.split_once("\n\n") {
                let (name, data) = parse(event);
                let rest = rest.to_owned();
                if let Some(data) = data {
                    progress(&data);
                    if name == "end" {
                        return Ok(data);
                    }
                }
                text = rest;
            }
        }
        Err(Failure::new(format!("the events of job {job_id} ended before the job did")))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).header("x-api-key", &self.key)
    }
}

impl Answer {
    async fn of(request: RequestBuilder) -> Result<Self, Failure> {
        let answer = request.timeout(ANSWER_TIMEOUT).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let text = answer.text().await.map_err(failed)?;
        let body = serde_json::from_str(&text)
            .map_err(|_| Failure::new(format!("answer {status} is not JSON: {text:.200}")))?;
        Ok(Self { status, retry_after, body })
    }

    /// A text of the body; empty if there is none of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

fn failed(error: reqwest::Error) -> Failure {
    Failure::failed(&error)
}

/// The name and the data of an event; a comment has neither.
fn parse(event: &str) -> (&str, Option<Value>) {
    let field = |name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    };
    let data = field("data").and_then(|data| serde_json::from_str(data).ok());
    (field("event").unwrap_or_default(), data)
}
