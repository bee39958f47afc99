//! What is asked of the server beside the model's own API.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::faults::Plan;
use super::{StubModel, Summary};

pub(super) fn router() -> Router<StubModel> {
    Router::new()
        .route("/summary", get(summary))
        .route("/faults", post(plan))
        .route("/release", post(release))
}

async fn summary(State(model): State<StubModel>) -> Json<Summary> {
    Json(model.summary())
}

/// What is to be released.
#[derive(Debug, Deserialize)]
struct Release {
    text: String,
}

async fn release(
    State(model): State<StubModel>,
    release: Result<Json<Release>, JsonRejection>,
) -> Response {
    match release {
        Ok(Json(release)) => {
            model.release(&release.text);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(rejection) => refused(&rejection),
    }
}

fn refused(rejection: &JsonRejection) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": rejection.body_text()}))).into_response()
}

async fn plan(State(model): State<StubModel>, plan: Result<Json<Plan>, JsonRejection>) -> Response {
    match plan {
        Ok(Json(plan)) => {
            model.plan(plan);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(rejection) => refused(&rejection),
    }
}
