//! One request to the language model, and its answer.
//!
//! `POST {endpoint}/chat` with the words of Ollama's API: `{"model", "messages": [{"role", "content"}],
//! "stream": false}`, answered with `{"message": {"content"}}`.

use std::fmt;
use std::time::Duration;

use program::{Failure, InputFault};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url, redirect, retry};
use serde_json::{Value, json};

use crate::customer::MAX_TEXT;

/// The model that is asked for.
pub const MODEL: &str = "gpt-oss";
/// How long an answer is waited for, unless it is said otherwise.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(45);
/// What the model is told to do.
const TASK: &str = "Condense what follows about a company into a short context of a few sentences, in the \
                    language of the text. Answer with the context alone.";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer that is read.
const MAX_ANSWER: usize = 1024 * 1024;
/// The longest that a server can make us wait.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The way to the model. Clones share their connections.
#[derive(Clone)]
pub struct Model {
    client: Client,
    chat: Url,
    /// What is sent to say who we are, marked as secret.
    key: Option<HeaderValue>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the key nor the address, which may hold a password.
        f.debug_struct("Model").finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller has to tell all of them apart")]
pub enum ModelError {
    /// It may work the next time, but not before the time that the server asks for.
    Failing {
        /// What went wrong. It holds nothing of what the server has said, which may be anything.
        message: String,
        /// What the server asks for.
        retry_after: Option<Duration>,
    },
    /// The server will never answer such a request.
    Refused(String),
}

impl ModelError {
    fn failing(message: impl Into<String>) -> Self {
        Self::Failing { message: message.into(), retry_after: None }
    }
}

impl Model {
    /// The model at an endpoint, such as `http://127.0.0.1:11434/api`, with a bearer's key if it wants one.
    ///
    /// # Errors
    ///
    /// `model_endpoint` or `model_key` when it is none.
    pub fn new(endpoint: &str, key: Option<&str>, timeout: Duration) -> Result<Self, Failure> {
        // Whoever was earlier has taken the same.
        program::choose_cryptography();
        let wrong = || {
            let message =
                "the model's endpoint must be an address such as http://127.0.0.1:11434/api";
            InputFault::new("model_endpoint", message)
        };
        let mut chat = Url::parse(endpoint).map_err(|_| wrong())?;
        if !matches!(chat.scheme(), "http" | "https") || !chat.has_host() {
            return Err(wrong().into());
        }
        chat.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().push("chat");
        let key = key.map(|key| HeaderValue::try_from(format!("Bearer {key}")));
        let mut key = key.transpose().map_err(|_| {
            InputFault::new("model_key", "the model's key holds characters that cannot be sent")
        })?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .user_agent(concat!("jobq-company-context/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Failure::failed(&error.without_url()))?;
        Ok(Self { client, chat, key })
    }

    /// Asks the model to condense a text. The answer may be empty, and is not longer than a text may be.
    ///
    /// Cancel safe: dropped, the request is called off.
    ///
    /// # Errors
    ///
    /// When there is no answer, or none that could be meant.
    pub async fn condense(&self, text: &str) -> Result<String, ModelError> {
        let body = json!({
            "model": MODEL,
            "messages": [{"role": "system", "content": TASK}, {"role": "user", "content": text}],
            "stream": false,
        });
        let mut request = self.client.post(self.chat.clone());
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let response =
            request.send().await.map_err(|error| failing("the model cannot be reached", error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(status, retry_after(&response)));
        }
        content(&read(response).await?)
    }
}

/// What the model has said, without what surrounds it.
fn content(answer: &[u8]) -> Result<String, ModelError> {
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|_| ModelError::failing("the model's answer is no JSON"))?;
    let content = answer["message"]["content"]
        .as_str()
        .ok_or_else(|| ModelError::failing("the model's answer has no message.content"))?
        .trim();
    if content.chars().count() > MAX_TEXT {
        let message = format!("the model's answer is longer than {MAX_TEXT} characters");
        return Err(ModelError::failing(message));
    }
    if content.contains('\0') {
        return Err(ModelError::failing("the model's answer holds a NUL character"));
    }
    Ok(content.to_owned())
}

/// Seconds only: the dates that are allowed too are not worth a clock here.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_REST))
}

async fn read(mut response: Response) -> Result<Vec<u8>, ModelError> {
    let mut answer = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| failing("the connection to the model broke off", error))?
    {
        answer.extend_from_slice(&piece);
        if answer.len() > MAX_ANSWER {
            let message = format!("the model's answer is larger than {MAX_ANSWER} bytes");
            return Err(ModelError::failing(message));
        }
    }
    Ok(answer)
}

fn refusal(status: StatusCode, retry_after: Option<Duration>) -> ModelError {
    let message = format!("the model answers HTTP {}", status.as_u16());
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            ModelError::Failing { message, retry_after }
        }
        _ if status.is_client_error() || status.is_redirection() => ModelError::Refused(message),
        _ => ModelError::Failing { message, retry_after },
    }
}

/// One line with the innermost cause, without the address.
fn failing(what: &str, error: reqwest::Error) -> ModelError {
    if error.is_timeout() {
        return ModelError::failing("the model does not answer in time");
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    ModelError::failing(format!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_ends_with_chat_once() {
        for endpoint in ["http://127.0.0.1:11434/api", "http://127.0.0.1:11434/api/"] {
            let model = Model::new(endpoint, None, HTTP_TIMEOUT).unwrap();

            assert_eq!(model.chat.as_str(), "http://127.0.0.1:11434/api/chat");
        }
        for endpoint in ["", "nowhere", "ftp://host/api", "mailto:a@b", "http://"] {
            let refused = Model::new(endpoint, None, HTTP_TIMEOUT).unwrap_err();
            assert_eq!(refused.code(), Some("model_endpoint"), "{endpoint}");
        }
        let refused = Model::new("http://host", Some("a\nb"), HTTP_TIMEOUT).unwrap_err();
        assert_eq!(refused.code(), Some("model_key"));
        assert!(!refused.to_string().contains('\n'));
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let model = Model::new("http://user:hunter2@host/api", Some("hunter3"), HTTP_TIMEOUT);

        assert!(!format!("{:?}", model.unwrap()).contains("hunter"));
    }

    #[test]
    fn only_a_text_is_an_answer() {
        let answer = |text: &str| content(text.as_bytes());

        assert_eq!(answer(r#"{"message":{"content":" short \n"},"done":true}"#).unwrap(), "short");
        assert_eq!(answer(r#"{"message":{"content":"  "}}"#).unwrap(), "");
        for nonsense in [
            "",
            "<html>",
            "[]",
            "null",
            "7",
            "{}",
            r#"{"message":"short"}"#,
            r#"{"message":{"content":42}}"#,
            r#"{"message":{"content":null}}"#,
            r#"{"message":{"content":"a\u0000b"}}"#,
            r#"{"message":{"content":"cut of"#,
        ] {
            assert!(matches!(answer(nonsense), Err(ModelError::Failing { .. })), "{nonsense}");
        }
        let long = format!(r#"{{"message":{{"content":"{}"}}}}"#, "x".repeat(MAX_TEXT + 1));
        assert!(answer(&long).is_err());
    }

    #[test]
    fn a_status_says_what_is_to_be_done() {
        let of = |status| refusal(StatusCode::from_u16(status).unwrap(), None);

        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(of(status), ModelError::Failing { .. }), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 413, 422] {
            assert!(matches!(of(status), ModelError::Refused(_)), "{status}");
        }
    }
}
