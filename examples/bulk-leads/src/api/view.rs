//! A bulk job as callers see it. The names are a promise.

use serde::Serialize;

use super::status_path;
use crate::db::{BulkJob, BulkState, WebhookState};
use crate::status::LeadStatus;
use crate::verdict::FailedLead;

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ProgressView {
    pub(crate) status: BulkState,
    pub(crate) progress_percent: f64,
    pub(crate) processed_leads: u64,
    pub(crate) total_leads: u64,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
}

impl ProgressView {
    pub(crate) fn of(job: &BulkJob) -> Self {
        Self {
            status: job.state,
            progress_percent: job.progress_percent(),
            processed_leads: job.processed_leads(),
            total_leads: job.total_leads,
            successes: job.successes,
            failures: job.failures,
        }
    }
}

/// All there is to know of a job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    success: bool,
    job_id: String,
    target_status: LeadStatus,
    #[serde(flatten)]
    progress: ProgressView,
    failed_leads: Vec<FailedLead>,
    error: Option<String>,
    retry_of: Option<String>,
    retried_by: Option<String>,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    webhook: WebhookView,
}

#[derive(Debug, Serialize)]
struct WebhookView {
    status: WebhookState,
    attempts: u64,
    last_error: Option<String>,
}

impl JobView {
    pub(crate) fn of(job: BulkJob, failed_leads: Vec<FailedLead>) -> Self {
        let duration = job.ended_at.map(|ended_at| ended_at.since(job.created_at));
        Self {
            success: true,
            target_status: job.target,
            progress: ProgressView::of(&job),
            failed_leads,
            retried_by: job.retried_by,
            created_at: job.created_at.to_string(),
            started_at: job.started_at.map(|at| at.to_string()),
            ended_at: job.ended_at.map(|at| at.to_string()),
            duration_ms: duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            webhook: WebhookView {
                status: job.webhook,
                attempts: job.webhook_attempts,
                last_error: job.webhook_error,
            },
            job_id: job.id,
            error: job.error,
            retry_of: job.retry_of,
        }
    }
}

/// A job that was accepted.
#[derive(Debug, Serialize)]
pub(crate) struct AcceptedView {
    success: bool,
    job_id: String,
    status: BulkState,
    total_leads: u64,
    duplicates_merged: usize,
    check_status_url: String,
    events_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<String>,
}

impl AcceptedView {
    pub(crate) fn of(
        job_id: String,
        total_leads: u64,
        repeats: usize,
        retry_of: Option<String>,
    ) -> Self {
        Self {
            success: true,
            status: BulkState::Pending,
            total_leads,
            duplicates_merged: repeats,
            check_status_url: status_path(&job_id),
            events_url: format!("{}/events", status_path(&job_id)),
            job_id,
            retry_of,
        }
    }
}
