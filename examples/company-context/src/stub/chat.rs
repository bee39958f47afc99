//! The model's own API.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::faults::Fault;
use super::{Call, StubModel};

/// How much of a text is left of it.
const LEFT: usize = 80;
const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long a connection lives after the start of an answer that is cut.
const CUT_AFTER: Duration = Duration::from_millis(50);

pub(super) fn router() -> Router<StubModel> {
    Router::new().route("/api/chat", post(chat)).layer(DefaultBodyLimit::max(MAX_BODY))
}

/// What the model makes of a text: so one can see of a context which text it is of.
#[must_use]
pub fn condensed(text: &str) -> String {
    let start: String = text.chars().take(LEFT).collect();
    format!("In short, of {} characters: {}", text.chars().count(), start.trim_end())
}

async fn chat(State(model): State<StubModel>, body: Bytes) -> Response {
    let Some((name, text)) = read(&body) else {
        let body = Json(json!({"error": "a model and a message of a user are needed"}));
        return (StatusCode::BAD_REQUEST, body).into_response();
    };
    let mut released = model.released.subscribe();
    let (number, delay, fault) = {
        let mut state = model.state();
        let time = state.asked.entry(text.clone()).or_default();
        *time += 1;
        let time = *time;
        let (delay, fault) = state.faults.next(&text, time);
        state.calls.push(Call { text: text.clone(), model: name, fault, status: None });
        (state.calls.len() - 1, delay, fault)
    };
    tokio::time::sleep(delay).await;
    match fault {
        Some(Fault::Hold) => {
            // The model lives as long as its server, and nobody is thousands of releases late.
            while released.recv().await.is_ok_and(|part| !text.contains(&part)) {}
        }
        Some(Fault::Hang) => std::future::pending().await,
        _ => {}
    }
    let response = answer(&text, fault);
    model.state().calls[number].status = Some(response.status().as_u16());
    response
}

/// The model that is asked for, and what the user says.
fn read(body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let messages = body["messages"].as_array()?;
    let user = messages.iter().rfind(|message| message["role"] == "user")?;
    let is_whole = body["stream"] == false;
    is_whole.then_some((body["model"].as_str()?.to_owned(), user["content"].as_str()?.to_owned()))
}

fn answer(text: &str, fault: Option<Fault>) -> Response {
    let said = |content: Value| {
        let message = json!({"role": "assistant", "content": content});
        Json(json!({"model": "stub", "message": message, "done": true})).into_response()
    };
    let failed = |status: StatusCode| {
        // A server may repeat in its error what was sent to it.
        (status, Json(json!({"error": format!("something went wrong with {text}")})))
    };
    match fault {
        None | Some(Fault::Hold | Fault::Hang) => said(condensed(text).into()),
        Some(Fault::Empty) => said(" \n".into()),
        Some(Fault::Misfit) => said(42.into()),
        Some(Fault::Flood) => said("x".repeat(2 * 1024 * 1024).into()),
        Some(Fault::Nonsense) => "<html><body>It works!</body></html>".into_response(),
        Some(Fault::Fail) => failed(StatusCode::INTERNAL_SERVER_ERROR).into_response(),
        Some(Fault::Refuse) => failed(StatusCode::BAD_REQUEST).into_response(),
        Some(Fault::Busy) => {
            let wait = [(header::RETRY_AFTER, "1")];
            (wait, failed(StatusCode::TOO_MANY_REQUESTS)).into_response()
        }
        Some(Fault::Cut) => {
            let start = Ok(Bytes::from_static(b"{\"message\": {\"content\": \"In short, of"));
            let end = async {
                // Until then the start is on its way.
                tokio::time::sleep(CUT_AFTER).await;
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
            };
            Body::from_stream(stream::iter([start]).chain(stream::once(end))).into_response()
        }
    }
}
