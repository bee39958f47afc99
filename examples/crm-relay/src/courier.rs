//! Takes a message to its receiver: one request, and what its answer means.

use std::time::Duration;

use jobq_core::Timestamp;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::db::Integration;
use crate::message::OutboxMessage;
use crate::retry_after::retry_after;
use crate::signature::{EVENT_HEADER, KEY_HEADER, SIGNATURE_HEADER, sign};
use crate::trouble::Trouble;

/// How long a receiver may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a refusal is kept for people, in characters.
const SHOWN: usize = 200;
/// How much of an answer is read, and for how long: enough to use the connection again.
const MOST_READ: usize = 16 * 1024;
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes messages to their receivers. Clones are the same.
#[derive(Clone, Debug)]
pub struct Courier {
    http: Client,
    timeout: Duration,
}

impl Courier {
    /// One that waits so long for an answer.
    ///
    /// # Errors
    ///
    /// When the machine's certificates cannot be read.
    pub fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .user_agent(concat!("crm-relay/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // A signed message goes to the address that was agreed on, and to no other.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, timeout })
    }

    /// Delivers a message. Dropped, it may or may not have been.
    pub(crate) async fn deliver(
        &self,
        message: &OutboxMessage,
        integration: &Integration,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let body = Body::of(message).to_json();
        let seconds = now.as_millis() / 1_000;
        let secrets = integration.secrets(now);
        let sent = self
            .http
            .post(&integration.webhook_url)
            .header(CONTENT_TYPE, "application/json")
            .header(KEY_HEADER, &message.message_id)
            .header(EVENT_HEADER, &message.event)
            .header(SIGNATURE_HEADER, sign(&secrets, &message.message_id, seconds, body.as_bytes()))
            .body(body)
            .send()
            .await;
        let mut answer = sent.map_err(|error| Trouble::unanswered(error, self.timeout))?;
        let status = answer.status();
        let says = beginning(&mut answer).await;
        if status.is_success() {
            return Ok(());
        }
        let wanted = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Err(Trouble::refused(status, &says, wanted.and_then(|text| retry_after(text, now))))
    }
}

/// What an answer begins with, as far as it can be shown to people. The answer's status is known by then, so
/// what goes wrong here is of no interest.
async fn beginning(answer: &mut Response) -> String {
    let mut read = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            read.extend_from_slice(&chunk);
            if read.len() >= MOST_READ {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(READ_TIMEOUT, reading).await;
    let text = String::from_utf8_lossy(&read);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(SHOWN).map(shown).collect()
}

/// What a receiver is told. The names are a promise.
#[derive(Serialize)]
struct Body<'a> {
    message_id: &'a str,
    event: &'a str,
    created_at: String,
    data: &'a RawValue,
}

impl<'a> Body<'a> {
    fn of(message: &'a OutboxMessage) -> Self {
        Self {
            message_id: &message.message_id,
            event: &message.event,
            created_at: message.created_at.to_string(),
            // It was JSON when it was stored.
            data: serde_json::from_str(&message.payload).unwrap_or(RawValue::NULL),
        }
    }

    fn to_json(&self) -> String {
        // Texts always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}
