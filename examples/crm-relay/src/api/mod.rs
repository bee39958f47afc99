//! The HTTP API.
//!
//! | request | who may | answer |
//! | --- | --- | --- |
//! | `POST /api/crm/inbox` | who signs, or has the token | 202, stored; 200, it was stored before |
//! | `GET /api/crm/inbox/ID` | who has the token | 200, the message |
//! | `POST /api/crm/outbox` | who has the token | 202, stored; 200, it was stored before |
//! | `GET /api/crm/outbox/ID` | who has the token | 200, the message |
//! | `GET /api/crm/metrics` | who has the token | 200, see [`Metrics`] |
//!
//! What is refused is answered with `{"error": {"code", "message"}}`, and nothing was done. After 202 and 200
//! the message is stored for good; after anything else, and after no answer at all, it may be sent again.

mod body;
mod refusals;
mod token;

use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_server::{Refusal, method_not_allowed, not_found};
use program::InputFault;
use serde_json::{Value, json};

use self::body::{Body, bytes};
use self::refusals::{away, unauthorized, unknown_message};
pub use self::token::Token;
use crate::db::{Enqueued, Metrics, Received, Relay, Store};
use crate::input::MAX_DATA;
use crate::message::{InboxMessage, NewInbox, NewOutbox, OutboxMessage};
use crate::signature::{KEY_HEADER, SIGNATURE_HEADER, verify};

/// The largest body that is read: the longest data, and the little around it.
const MAX_BODY: usize = MAX_DATA + 4 * 1024;

/// What the API works on. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    store: Store,
    /// To be told that a job was stored.
    relay: Option<Relay>,
    token: Token,
}

impl Api {
    pub(crate) const fn new(store: Store, relay: Option<Relay>, token: Token) -> Self {
        Self { store, relay, token }
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/api/crm/inbox", post(receive))
            .route("/api/crm/inbox/{id}", get(show_inbox))
            .route("/api/crm/outbox", post(enqueue))
            .route("/api/crm/outbox/{id}", get(show_outbox))
            .route("/api/crm/metrics", get(metrics))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }

    fn need_token(&self, headers: &HeaderMap) -> Answer<()> {
        if self.token.is_shown(headers) { Ok(()) } else { Err(unauthorized()) }
    }

    /// Whether the integration of a source, which is a destination too, has signed this.
    async fn is_signed(&self, source: &str, headers: &HeaderMap, body: &[u8]) -> Answer<bool> {
        let Some(signature) = header(headers, SIGNATURE_HEADER) else { return Ok(false) };
        let key = header(headers, KEY_HEADER).unwrap_or_default();
        let Some(integration) = self.store.active_integration(source).await.map_err(away)? else {
            return Ok(false);
        };
        let now = self.store.now();
        let seconds = now.as_millis() / 1_000;
        Ok(verify(&integration.secrets(now), seconds, key, signature, body).is_ok())
    }

    fn nudge(&self) {
        if let Some(relay) = &self.relay {
            relay.nudge();
        }
    }
}

type Number = Result<Path<String>, PathRejection>;
type Answer<T> = Result<T, Refusal>;

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The caller's key. One that cannot be read must not be taken for none: the message would be stored twice.
fn key_of(headers: &HeaderMap) -> Answer<Option<&str>> {
    let mut keys = headers.get_all(KEY_HEADER).iter();
    let refused = |why| Err(InputFault::new("invalid_message_id", why).into());
    match (keys.next().map(HeaderValue::to_str), keys.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => refused("there is more than one header Idempotency-Key"),
        (Some(Ok(key)), None) => Ok(Some(key)),
        (Some(Err(_)), None) => {
            refused("Idempotency-Key is no message id: 1 to 128 characters of ASCII without spaces")
        }
    }
}

async fn receive(
    State(api): State<Api>,
    headers: HeaderMap,
    request: Request,
) -> Answer<(StatusCode, Json<Value>)> {
    let content = bytes(request).await?;
    let body = Body::read(&content);
    if !api.token.is_shown(&headers) {
        // Nothing more is said to a stranger than that.
        let mut body = body.map_err(|_| unauthorized())?;
        let source = body.needed("source").map_err(|_| unauthorized())?;
        if !api.is_signed(&source, &headers, &content).await? {
            return Err(unauthorized());
        }
    }
    let new = new_inbox(Body::read(&content)?, key_of(&headers)?)?;
    match api.store.receive(new).await.map_err(away)? {
        Received::New(id) => {
            api.nudge();
            let body = json!({"id": id, "status": "pending", "duplicate": false});
            Ok((StatusCode::ACCEPTED, Json(body)))
        }
        Received::Repeated(id, status) => {
            let body = json!({"id": id, "status": status, "duplicate": true});
            Ok((StatusCode::OK, Json(body)))
        }
        Received::Different => {
            let message = "another message of this source has the same id";
            Err(Refusal::new(StatusCode::CONFLICT, "message_id_reused", message))
        }
    }
}

/// The sender's id is the header's, or a field's; if both are there they must agree, for only the header is
/// what a signature is about.
fn new_inbox(mut body: Body<'_>, key: Option<&str>) -> Answer<NewInbox> {
    let (source, event) = (body.needed("source")?, body.needed("event")?);
    let (named, data) = (body.optional("message_id")?, body.any("data"));
    body.finish()?;
    let message_id = match (named.as_deref(), key) {
        (Some(named), Some(key)) if named != key => {
            let message = "\"message_id\" and the header Idempotency-Key are not the same";
            return Err(InputFault::new("ambiguous_message_id", message).into());
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => {
            let message =
                "the message has no id: give \"message_id\", or the header Idempotency-Key";
            return Err(InputFault::new("missing_field", message).into());
        }
    };
    Ok(NewInbox::of_json(&source, message_id, &event, data)?)
}

async fn enqueue(
    State(api): State<Api>,
    headers: HeaderMap,
    request: Request,
) -> Answer<(StatusCode, Json<Value>)> {
    api.need_token(&headers)?;
    let content = bytes(request).await?;
    let mut body = Body::read(&content)?;
    let (destination, event) = (body.needed("destination")?, body.needed("event")?);
    let data = body.any("data");
    body.finish()?;
    let new = NewOutbox::of_json(&destination, &event, data, key_of(&headers)?)?;
    match api.store.enqueue(new).await.map_err(away)? {
        Enqueued::New { id, message_id } => {
            api.nudge();
            let body = json!({
                "id": id, "message_id": message_id, "status": "pending", "duplicate": false
            });
            Ok((StatusCode::ACCEPTED, Json(body)))
        }
        Enqueued::Repeated(known) => {
            let body = json!({
                "id": known.id, "message_id": known.message_id, "status": known.status,
                "duplicate": true
            });
            Ok((StatusCode::OK, Json(body)))
        }
        Enqueued::Different => {
            let message = "another message to this destination has the same Idempotency-Key";
            Err(Refusal::new(StatusCode::CONFLICT, "idempotency_key_reused", message))
        }
    }
}

async fn show_inbox(
    State(api): State<Api>,
    headers: HeaderMap,
    number: Number,
) -> Answer<Json<InboxMessage>> {
    api.need_token(&headers)?;
    let (id, text) = numbered(number)?;
    let found = api.store.inbox_message(id).await.map_err(away)?;
    Ok(Json(found.ok_or_else(|| unknown_message(&text))?))
}

async fn show_outbox(
    State(api): State<Api>,
    headers: HeaderMap,
    number: Number,
) -> Answer<Json<OutboxMessage>> {
    api.need_token(&headers)?;
    let (id, text) = numbered(number)?;
    let found = api.store.outbox_message(id).await.map_err(away)?;
    Ok(Json(found.ok_or_else(|| unknown_message(&text))?))
}

fn numbered(number: Number) -> Answer<(i64, String)> {
    // What is no UTF-8 is no number either.
    let Path(text) = number.unwrap_or_else(|_| Path(String::new()));
    match text.parse() {
        Ok(id) => Ok((id, text)),
        Err(_) => Err(unknown_message(&text)),
    }
}

async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Answer<Json<Metrics>> {
    api.need_token(&headers)?;
    Ok(Json(api.store.metrics().await.map_err(away)?))
}
