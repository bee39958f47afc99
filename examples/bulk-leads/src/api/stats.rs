//! The caller's last days.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::caller::Caller;
use super::fault::Fault;
use crate::db::BulkState;

const DEFAULT_DAYS: u64 = 7;
const MAX_DAYS: u64 = 366;

/// How far to look back.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    days: Option<u64>,
}

/// `GET /api/crm/stats?days=N`
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Fault> {
    let days = match asked {
        Ok(Query(asked)) => asked.days.unwrap_or(DEFAULT_DAYS),
        Err(_) => 0,
    };
    if !(1..=MAX_DAYS).contains(&days) {
        let message = format!("days must be a whole number from 1 to {MAX_DAYS}");
        return Err(Fault::invalid("invalid_query", message));
    }
    let (store, user) = (&api.app.store, caller.key.user_id);
    Ok(Json(json!({
        "success": true,
        "pending_jobs": store.count_jobs(user, BulkState::Pending).await?,
        "processing_jobs": store.count_jobs(user, BulkState::Processing).await?,
        "stuck_jobs": store.count_stuck(user, api.rules.stuck_after).await?,
        "limits": caller.limits(),
        "days": store.stats(user, days).await?,
    })))
}
