//! The HTTP API of `crm-sync serve`: the hooks that a store's program calls, and the numbers for those
//! who watch.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `POST /hooks/created`, `/hooks/updated` | `{"store", "entity", "record", "direction"?}` | 202 `{"job_id", "created"}` |
//! | `POST /sync` | the same | the same, at the entity's own priority |
//! | `POST /full-sync` | `{"entity", "store"?, "direction"?}` | 202, what was enqueued by store |
//! | `PUT /rate` | `{"rate", "store"?}`; `null` takes the change back | 200 |
//! | `GET /status` | | 200, see [`Status`] |
//! | `GET /log/STORE/ENTITY/RECORD` | | 200, the last attempts |
//!
//! What is refused is answered with `{"error": {"code", "message"}}`, and nothing was done.

mod refusals;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http_server::{Body, Refusal, method_not_allowed, not_found};
use jobq_core::{Clock, Enqueued, SystemClock};
use serde_json::{Value, json};

use self::refusals::{refused, unknown_event};
use crate::db::{LogEntry, Store};
use crate::entity::{Direction, Entity};
use crate::ids::{RecordKey, StoreId};
use crate::job::{Reason, SyncRecord};
use crate::limits::set_rate;
use crate::monitor::{Status, status};
use crate::producer::{FullSync, Producer};
use crate::queue::Opened;
use crate::window::parse_rate;

/// How many rows of a record's log are shown.
const LOG_ROWS: u32 = 50;

/// What the API works on. Clones are the same.
#[derive(Clone, Debug)]
pub struct Api {
    store: Store,
    queue: Opened,
    producer: Producer,
}

impl Api {
    /// An API over a database and a queue.
    #[must_use]
    pub fn new(store: Store, queue: Opened) -> Self {
        let producer = Producer::new(store.clone(), queue.clone());
        Self { store, queue, producer }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/hooks/{event}", post(hook))
            .route("/sync", post(sync))
            .route("/full-sync", post(full_sync))
            .route("/rate", put(rate))
            .route("/status", get(numbers))
            .route("/log/{store}/{entity}/{record}", get(log))
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(self)
    }
}

type Content = Result<Bytes, BytesRejection>;
type Answer<T> = Result<T, Refusal>;
type Accepted = (StatusCode, Json<Value>);

async fn hook(
    State(api): State<Api>,
    Path(event): Path<String>,
    content: Content,
) -> Answer<Accepted> {
    let reason = match event.as_str() {
        "created" => Reason::Created,
        "updated" => Reason::Updated,
        _ => return Err(unknown_event(&event)),
    };
    enqueue(&api, content, reason).await
}

async fn sync(State(api): State<Api>, content: Content) -> Answer<Accepted> {
    enqueue(&api, content, Reason::Asked).await
}

async fn enqueue(api: &Api, content: Content, reason: Reason) -> Answer<Accepted> {
    let mut body = Body::read(content)?;
    let key = RecordKey {
        store: body.needed("store")?,
        entity: body.needed("entity")?,
        record: body.needed("record")?,
    };
    let direction = body.optional("direction")?.unwrap_or(Direction::ToCrm);
    body.finish()?;
    let enqueued =
        api.producer.sync(SyncRecord::new(key, direction), reason).await.map_err(refused)?;
    let is_created = matches!(enqueued, Enqueued::Created(_));
    let answer = json!({"job_id": enqueued.id().to_string(), "created": is_created});
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

async fn full_sync(
    State(api): State<Api>,
    content: Content,
) -> Answer<(StatusCode, Json<Vec<FullSync>>)> {
    let mut body = Body::read(content)?;
    let entity: Entity = body.needed("entity")?;
    let store: Option<StoreId> = body.optional("store")?;
    let direction = body.optional("direction")?.unwrap_or(Direction::ToCrm);
    body.finish()?;
    let done = api.producer.full_sync(store, entity, direction).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(done)))
}

async fn rate(State(api): State<Api>, content: Content) -> Answer<Json<Value>> {
    let mut body = Body::read(content)?;
    let rate = body.text_or_null("rate")?.map(|rate| parse_rate(&rate)).transpose()?;
    let store: Option<StoreId> = body.optional("store")?;
    body.finish()?;
    if let Some(store) = store {
        api.producer.account(store).await.map_err(refused)?;
    }
    set_rate(&*api.queue.backend, store, rate).await.map_err(refused)?;
    Ok(Json(json!({"store": store, "rate": rate.map(|rate| rate.to_string())})))
}

async fn numbers(State(api): State<Api>) -> Answer<Json<Status>> {
    let now = SystemClock::default().now();
    Ok(Json(status(&api.store, Some(&*api.queue.inspect), now).await.map_err(refused)?))
}

async fn log(
    State(api): State<Api>,
    Path((store, entity, record)): Path<(String, String, String)>,
) -> Answer<Json<Vec<LogEntry>>> {
    let key = RecordKey { store: store.parse()?, entity: entity.parse()?, record: record.parse()? };
    Ok(Json(api.store.log_of(key, LOG_ROWS).await.map_err(refused)?))
}
