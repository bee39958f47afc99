//! Looking at a job, ending it, retrying its failed leads, and sending its message again.

use std::collections::HashSet;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use jobq_core::JobId;

use super::Api;
use super::bulk_status::{Wish, accept};
use super::caller::Caller;
use super::fault::Fault;
use super::view::JobView;
use crate::db::{BulkJob, BulkState, WebhookState};
use crate::jobs::{FinishJob, SendWebhook, WEBHOOK_QUEUE, batch_of, run_dead};
use crate::lead_ids::LeadIds;

/// `GET /api/crm/jobs/{job_id}`
pub(crate) async fn show(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job_id): JobPath,
) -> Result<Json<JobView>, Fault> {
    let job = job_of(&api, &caller, job_id).await?;
    view(&api, job).await
}

/// `POST /api/crm/jobs/{job_id}/cancel`. What is done stays done.
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job_id): JobPath,
) -> Result<Json<JobView>, Fault> {
    let job = job_of(&api, &caller, job_id).await?;
    let is_ours = api.app.store.cancel_job(&job.id).await?;
    let job = job_of(&api, &caller, job_id).await?;
    if !is_ours && job.state != BulkState::Cancelled {
        let message = format!("the job has ended: it is {}", job.state.as_str());
        return Err(Fault::conflict("job_ended", message));
    }
    api.app.feed.ring();
    api.now_or_next_round(&job.id, call_off(&api, &job)).await;
    view(&api, job).await
}

/// Sees to the message, and spares the workers the chunks that are left, which would change nothing.
async fn call_off(api: &Api, job: &BulkJob) -> jobq_core::Result<()> {
    FinishJob::enqueue(&api.queue.backend, &job.id).await?;
    api.queue.inspect.call_off_batch(&batch_of(&job.id)?).await?;
    Ok(())
}

/// `POST /api/crm/jobs/{job_id}/retry`: a new job with the leads that failed, and, if the job was given
/// up, those that it never came to. A job is retried once; what fails again is retried from the new job.
pub(crate) async fn retry(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job_id): JobPath,
) -> Result<Response, Fault> {
    let job = job_of(&api, &caller, job_id).await?;
    if !job.state.has_ended() {
        return Err(Fault::job_not_ended(&job));
    }
    let lead_ids = leads_to_retry(&api, &job).await?;
    if lead_ids.count() == 0 {
        return Err(Fault::conflict("nothing_to_retry", "no lead of the job has failed"));
    }
    let wish = Wish {
        job_id: JobId::generate(api.app.store.clock()).to_string(),
        lead_ids: &lead_ids,
        repeats: 0,
        target: job.target,
        retry_of: Some(&job.id),
    };
    accept(&api, &caller, wish).await
}

/// `POST /api/crm/jobs/{job_id}/redeliver`: sends a message once more that was given up.
pub(crate) async fn redeliver(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job_id): JobPath,
) -> Result<(StatusCode, Json<JobView>), Fault> {
    let job = job_of(&api, &caller, job_id).await?;
    if !job.state.has_ended() {
        return Err(Fault::job_not_ended(&job));
    }
    if !api.app.store.redeliver(&job.id).await? {
        let why = match job.webhook {
            WebhookState::None => "nobody is to be told of this job's end",
            WebhookState::Delivered => "the message is delivered",
            WebhookState::Pending | WebhookState::Failed => "the message is going to be sent",
        };
        let message = format!("there is nothing to send again: {why}");
        return Err(Fault::conflict("webhook_not_failed", message));
    }
    let job = job_of(&api, &caller, job_id).await?;
    api.now_or_next_round(&job.id, send_again(&api, &job)).await;
    Ok((StatusCode::ACCEPTED, view(&api, job).await?))
}

async fn send_again(api: &Api, job: &BulkJob) -> jobq_core::Result<()> {
    let id = SendWebhook::enqueue(&api.queue.backend, job).await?;
    run_dead(&api.queue.inspect, WEBHOOK_QUEUE, &[id]).await
}

async fn leads_to_retry(api: &Api, job: &BulkJob) -> Result<LeadIds, Fault> {
    let store = &api.app.store;
    let failed = store.failed_leads(&job.id).await?.into_iter().map(|lead| lead.lead_id);
    let mut ids: Vec<i64> = failed.collect();
    if matches!(job.state, BulkState::Failed | BulkState::TimedOut) {
        let done: HashSet<u64> = store.done_chunks(&job.id).await?.into_iter().collect();
        let all = store.lead_ids(&job.id).await?;
        let never_reached = all.chunks(job.chunk_leads).filter(|(no, _)| !done.contains(no));
        ids.extend(never_reached.flat_map(|(_, leads)| leads));
    }
    // They were merged before.
    Ok(LeadIds::merge(ids).map(|(ids, _)| ids).unwrap_or_default())
}

/// The id in the path. Whatever else is there, be it text or not, is no job.
#[derive(Debug)]
pub(crate) struct JobPath(pub(crate) JobId);

impl FromRequestParts<Api> for JobPath {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let found = Path::<String>::from_request_parts(parts, api).await;
        let Path(text) = found.map_err(|_| Fault::no_such_job())?;
        text.parse().map(Self).map_err(|_| Fault::no_such_job())
    }
}

/// A job of the caller's.
pub(super) async fn job_of(api: &Api, caller: &Caller, job_id: JobId) -> Result<BulkJob, Fault> {
    let job = api.app.store.job_of(caller.key.user_id, &job_id.to_string()).await?;
    job.ok_or_else(Fault::no_such_job)
}

async fn view(api: &Api, job: BulkJob) -> Result<Json<JobView>, Fault> {
    let failed_leads =
        if job.failures == 0 { Vec::new() } else { api.app.store.failed_leads(&job.id).await? };
    Ok(Json(JobView::of(job, failed_leads)))
}
