//! Changing the status of many leads.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use jobq_core::JobId;
use serde_json::json;

use super::asking::Asking;
use super::caller::Caller;
use super::fault::Fault;
use super::view::AcceptedView;
use super::{Api, status_path};
use crate::db::{Accepted, AtOnce, LeadChange, NewBulkJob};
use crate::jobs::SplitJob;
use crate::lead_ids::LeadIds;
use crate::status::LeadStatus;

/// The most leads that are changed while the caller waits.
const MAX_AT_ONCE: usize = 100;

/// `POST /api/crm/leads/bulk-status`
pub(crate) async fn at_once(
    State(api): State<Api>,
    caller: Caller,
    asking: Asking,
) -> Result<Response, Fault> {
    let got = asking.lead_ids.as_slice().len() + asking.repeats;
    if got > MAX_AT_ONCE {
        return Err(Asking::too_long(MAX_AT_ONCE, got, ": send it to bulk-status-async"));
    }
    let change = LeadChange {
        change_id: &JobId::generate(api.app.store.clock()).to_string(),
        user_id: caller.key.user_id,
        target: asking.target,
        lead_ids: asking.lead_ids.as_slice(),
    };
    let changed = match api.app.store.change_leads(&change, &caller.limits()).await? {
        AtOnce::Done(changed) => changed,
        AtOnce::Limited(hit) => return Err(Fault::limited(hit)),
    };
    Ok(Json(json!({
        "success": true,
        "total_leads": asking.lead_ids.count(),
        "duplicates_merged": asking.repeats,
        "successes": changed.successes,
        "failures": changed.failed.len(),
        "failed_leads": changed.failed,
    }))
    .into_response())
}

/// `POST /api/crm/leads/bulk-status-async`
pub(crate) async fn in_background(
    State(api): State<Api>,
    caller: Caller,
    asking: Asking,
) -> Result<Response, Fault> {
    let job_id = JobId::generate(api.app.store.clock()).to_string();
    let wish = Wish {
        job_id,
        lead_ids: &asking.lead_ids,
        repeats: asking.repeats,
        target: asking.target,
        retry_of: None,
    };
    accept(&api, &caller, wish).await
}

/// A bulk job to be accepted.
pub(super) struct Wish<'a> {
    pub(super) job_id: String,
    pub(super) lead_ids: &'a LeadIds,
    pub(super) repeats: usize,
    pub(super) target: LeadStatus,
    pub(super) retry_of: Option<&'a str>,
}

/// Stores a job and enqueues what does it.
pub(super) async fn accept(api: &Api, caller: &Caller, wish: Wish<'_>) -> Result<Response, Fault> {
    let (key, job_id) = (&caller.key, wish.job_id);
    let job = NewBulkJob {
        id: &job_id,
        user_id: key.user_id,
        key_id: &key.id,
        is_premium: key.is_premium,
        limits: caller.limits(),
        target: wish.target,
        lead_ids: wish.lead_ids,
        chunk_leads: api.rules.chunk_leads,
        timeout: api.rules.job_timeout,
        retry_of: wish.retry_of,
        has_webhook: key.webhook.is_some(),
    };
    match api.app.store.accept(&job).await? {
        Accepted::Yes => {}
        Accepted::Limited(hit) => return Err(Fault::limited(hit)),
        Accepted::AlreadyRetried(by) => return Err(Fault::already_retried(by)),
    }
    // The job is stored: from here on it will be done.
    let queue = &api.queue.backend;
    let split =
        async { SplitJob::enqueue(queue, &job_id, key.user_id, key.is_premium).await.map(drop) };
    api.now_or_next_round(&job_id, split).await;
    let location = status_path(&job_id);
    let retry_of = wish.retry_of.map(str::to_owned);
    let view = AcceptedView::of(job_id, wish.lead_ids.count(), wish.repeats, retry_of);
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Json(view)).into_response())
}
