//! A receiver of webhooks that checks their signatures: for the demonstration and tests, and an example of
//! how to write one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use jobq_core::{Clock, SystemClock};
use program::Failure;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::signature::{DELIVERY_HEADER, Rejected, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify};

/// A message that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Names the delivery: the same when it is repeated.
    pub delivery: String,
    /// Whether it may be trusted.
    pub checked: Result<(), Rejected>,
    /// What it says; null if it is not JSON.
    pub body: Value,
    /// What was answered.
    pub answered: u16,
}

/// How a receiver is put together.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Reception {
    /// Where to listen; port 0 for a free one.
    pub listen: SocketAddr,
    /// What the messages are signed with.
    pub secret: String,
    /// Tells how old a message is.
    pub clock: Arc<dyn Clock>,
    /// What to answer to the first messages, whatever they are.
    pub answers: Vec<u16>,
}

impl Reception {
    /// A receiver that takes what is signed with `secret`, by the machine's clock.
    pub fn new(listen: SocketAddr, secret: impl Into<String>) -> Self {
        let clock = Arc::new(SystemClock::default());
        Self { listen, secret: secret.into(), clock, answers: Vec::new() }
    }
}

/// A receiver that runs. Dropped, it stops.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    messages: mpsc::UnboundedReceiver<Received>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Desk {
    secret: String,
    clock: Arc<dyn Clock>,
    /// What to answer to the next messages; by their signature to all later ones.
    answers: Arc<Mutex<VecDeque<u16>>>,
    messages: mpsc::UnboundedSender<Received>,
}

impl Receiver {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// When the address is in use.
    pub async fn start(reception: Reception) -> Result<Self, Failure> {
        let Reception { listen, secret, clock, answers } = reception;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Failure::new(format!("cannot listen on {listen}: {error}")))?;
        let url = format!("http://{}/webhook", listener.local_addr()?);
        let (sender, messages) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.into()));
        let desk = Desk { secret, clock, answers, messages: sender };
        let router = Router::new().route("/webhook", post(receive)).with_state(desk);
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the receiver of webhooks has stopped: {error}");
            }
        });
        Ok(Self { url, messages, server })
    }

    /// Where messages are to be sent.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next message. Cancel safe.
    pub async fn next(&mut self) -> Option<Received> {
        self.messages.recv().await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let now = desk.clock.now().as_millis() / 1_000;
    let (timestamp, signature) = (header(TIMESTAMP_HEADER), header(SIGNATURE_HEADER));
    let checked = verify(&desk.secret, now, &timestamp, &signature, &body);
    let told = desk.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let answer = match (told, checked) {
        (Some(status), _) => StatusCode::from_u16(status).unwrap_or(StatusCode::NO_CONTENT),
        (None, Ok(())) => StatusCode::NO_CONTENT,
        (None, Err(_)) => StatusCode::UNAUTHORIZED,
    };
    let received = Received {
        delivery: header(DELIVERY_HEADER),
        checked,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        answered: answer.as_u16(),
    };
    // Nobody may be interested any more.
    let _ = desk.messages.send(received);
    answer
}
