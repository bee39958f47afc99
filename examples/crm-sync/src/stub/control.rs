//! What is asked of the server beside the CRM's own API.

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::faults::Plan;
use super::log::line;
use super::{Crm, Summary};

pub(super) fn router() -> Router<Crm> {
    Router::new()
        .route("/log", get(log))
        .route("/summary", get(summary))
        .route("/faults", post(plan))
}

async fn log(State(crm): State<Crm>) -> String {
    crm.requests().iter().map(|request| line(request) + "\n").collect()
}

async fn summary(State(crm): State<Crm>) -> Json<Summary> {
    Json(crm.summary())
}

async fn plan(State(crm): State<Crm>, plan: Result<Json<Plan>, JsonRejection>) -> Response {
    match plan {
        Ok(Json(plan)) => {
            crm.plan(plan);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(rejection) => {
            let body = Json(json!({"error": rejection.body_text()}));
            (StatusCode::BAD_REQUEST, body).into_response()
        }
    }
}
