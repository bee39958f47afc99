//! The CRM's own API, as each of the two brands.

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::books::{Brand, Remote};
use super::faults::Fault;
use super::line::Line;
use super::log::Request;
use super::{Crm, State as Kept, now};

pub(super) fn router() -> Router<Crm> {
    Router::new()
        .route("/tide/{store}/{collection}", post(tide))
        .route("/tide/{store}/{collection}/{id}", get(tide).put(tide))
        .route("/harbor/{store}/{objects}", post(harbor))
        .route("/harbor/{store}/{objects}/{id}", get(harbor).patch(harbor))
}

/// A request, read as far as both brands have it in common.
struct Call {
    brand: Brand,
    store: u32,
    method: Method,
    /// The collection.
    sort: String,
    id: Option<String>,
    body: Value,
    idempotency_key: Option<String>,
    is_known: bool,
}

/// What is answered.
type Answer = (StatusCode, Value);

async fn tide(
    State(crm): State<Crm>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(path): Path<Vec<String>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = |store: u32| Call {
        idempotency_key: text(&headers, "idempotency-key"),
        is_known: text(&headers, "authorization") == Some(format!("Bearer key-{store}")),
        ..Call::new(Brand::Tide, store, method, &path, &body)
    };
    serve(&crm, &line, &path, call).await
}

async fn harbor(
    State(crm): State<Crm>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(path): Path<Vec<String>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = |store: u32| {
        let call = Call::new(Brand::Harbor, store, method, &path, &body);
        Call {
            idempotency_key: call.body["data"]["request_id"].as_str().map(str::to_owned),
            is_known: text(&headers, "x-api-key") == Some(format!("key-{store}")),
            ..call
        }
    };
    serve(&crm, &line, &path, call).await
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Answers a request, or lets go wrong what is to go wrong.
async fn serve(
    crm: &Crm,
    line: &Line,
    path: &[String],
    call: impl FnOnce(u32) -> Call,
) -> Response {
    let at = now();
    let Some(Ok(store)) = path.first().map(|store| store.parse()) else {
        return respond((StatusCode::NOT_FOUND, error("there is no such account")), None);
    };
    let call = call(store);
    let (number, fault, chances) = {
        let mut state = crm.state();
        let fault = state.faults.next(store, call.method.as_str());
        let request = Request {
            at,
            store,
            brand: call.brand,
            method: call.method.to_string(),
            path: path[1..].join("/"),
            idempotency_key: call.idempotency_key.clone(),
            status: None,
            fault,
        };
        (state.log.begin(request), fault, state.faults.chances())
    };
    let (answer, retry_after) = match fault {
        Some(Fault::Fail) => {
            ((StatusCode::INTERNAL_SERVER_ERROR, error("something went wrong")), None)
        }
        Some(Fault::Throttle) => {
            let answer = (StatusCode::TOO_MANY_REQUESTS, error("too many requests"));
            (answer, Some(chances.retry_after))
        }
        Some(Fault::Slow) => {
            let answer = call.answer(&mut crm.state());
            tokio::time::sleep(chances.slow_for).await;
            (answer, None)
        }
        Some(Fault::Cut) => {
            let answer = call.answer(&mut crm.state());
            line.cut();
            (answer, None)
        }
        None => (call.answer(&mut crm.state()), None),
    };
    let is_cut = fault == Some(Fault::Cut);
    crm.state().log.end(number, (!is_cut).then(|| answer.0.as_u16()));
    respond(answer, retry_after)
}

fn respond((status, body): Answer, retry_after: Option<u32>) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn error(message: &str) -> Value {
    json!({"error": message})
}

impl Call {
    fn new(brand: Brand, store: u32, method: Method, path: &[String], body: &[u8]) -> Self {
        Self {
            brand,
            store,
            method,
            sort: path.get(1).cloned().unwrap_or_default(),
            id: path.get(2).cloned(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            idempotency_key: None,
            is_known: false,
        }
    }

    fn answer(&self, state: &mut Kept) -> Answer {
        if !self.is_known {
            return (StatusCode::UNAUTHORIZED, error("the key is not that of this account"));
        }
        let has_fields = match self.brand {
            Brand::Tide => self.body.is_object(),
            Brand::Harbor => self.body["data"].is_object(),
        };
        match (&self.method, &self.id) {
            (&Method::GET, Some(id)) => self.fetch(state, id),
            _ if !has_fields => (StatusCode::UNPROCESSABLE_ENTITY, error("this is no record")),
            (&Method::POST, _) => self.create(state),
            (_, Some(id)) => self.update(state, id),
            (_, None) => (StatusCode::METHOD_NOT_ALLOWED, error("a record must be named")),
        }
    }

    fn create(&self, state: &mut Kept) -> Answer {
        let (sort, reference) = match self.brand {
            Brand::Tide => (Some(self.sort.as_str()), self.body["reference"].as_str()),
            Brand::Harbor => {
                (self.body["data"]["type"].as_str(), self.body["data"]["external_ref"].as_str())
            }
        };
        let (Some(sort), Some(reference)) = (sort, reference) else {
            return (StatusCode::UNPROCESSABLE_ENTITY, error("a type and a reference are needed"));
        };
        let remote = Remote {
            sort: sort.to_owned(),
            reference: reference.to_owned(),
            body: self.body.clone(),
        };
        let account = (self.brand, self.store);
        let (id, is_new) = state.books.create(account, self.idempotency_key.clone(), remote);
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        (status, self.shown(state, &id))
    }

    fn fetch(&self, state: &Kept, id: &str) -> Answer {
        if self.finds(state, id) {
            (StatusCode::OK, self.shown(state, id))
        } else {
            (StatusCode::NOT_FOUND, error("there is no such record"))
        }
    }

    fn update(&self, state: &mut Kept, id: &str) -> Answer {
        if !self.finds(state, id) {
            return (StatusCode::NOT_FOUND, error("there is no such record"));
        }
        if let Some(remote) = state.books.get_mut((self.brand, self.store), id) {
            remote.body = self.body.clone();
        }
        (StatusCode::OK, self.shown(state, id))
    }

    fn finds(&self, state: &Kept, id: &str) -> bool {
        let remote = state.books.get((self.brand, self.store), id);
        // Tide's addresses name the sort, those of Harbor do not.
        remote.is_some_and(|remote| self.brand == Brand::Harbor || remote.sort == self.sort)
    }

    /// A record as the brand shows it.
    fn shown(&self, state: &Kept, id: &str) -> Value {
        let remote = state.books.get((self.brand, self.store), id);
        let mut body = remote.map(|remote| remote.body.clone()).unwrap_or_default();
        match self.brand {
            Brand::Tide => body["id"] = id.into(),
            Brand::Harbor => body["data"]["id"] = id.parse::<u64>().unwrap_or_default().into(),
        }
        body
    }
}
