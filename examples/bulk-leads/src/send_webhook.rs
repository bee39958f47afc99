//! The message at the end of a bulk job, signed, and delivered until its receiver has it or says that it
//! never will.

use std::time::Duration;

use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;

use crate::app::App;
use crate::db::{BulkJob, BulkState, WebhookState};
use crate::jobs::SendWebhook;
use crate::signature::{DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};

/// The longest wait that a receiver may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The handler of [`SendWebhook`].
///
/// # Errors
///
/// When the database fails, or the receiver is away, to be tried again; dead when the receiver refuses.
pub async fn send_webhook(job: SendWebhook, State(app): State<App>, cx: JobContext) -> JobResult {
    let Some(bulk) = app.store.job(&job.job_id).await? else {
        return Err(JobError::discard("its bulk job was pruned"));
    };
    if bulk.webhook != WebhookState::Pending {
        return Ok(());
    }
    let key = app.store.key(&bulk.key_id).await?.filter(|key| key.revoked_at.is_none());
    let delivered = match key.and_then(|key| key.webhook) {
        Some((url, secret)) => deliver(&app, &bulk, &url, &secret).await,
        None => Err(Undelivered::never("the key was revoked or has no webhook any more")),
    };
    let note = async |state, error: Option<&str>| {
        app.store.note_webhook(&bulk.id, cx.attempt(), state, error).await
    };
    match delivered {
        Ok(()) => Ok(note(WebhookState::Delivered, None).await?),
        Err(Undelivered { why, again: Again::Never }) => {
            note(WebhookState::Failed, Some(&why)).await?;
            Err(JobError::dead(why))
        }
        Err(Undelivered { why, .. }) if cx.is_last_attempt() => {
            note(WebhookState::Failed, Some(&why)).await?;
            Err(JobError::dead(why))
        }
        Err(Undelivered { why, again }) => {
            note(WebhookState::Pending, Some(&why)).await?;
            Err(match again {
                Again::After(delay) => JobError::retry_after(delay, why),
                Again::Later | Again::Never => JobError::retry(why),
            })
        }
    }
}

/// Why a message was not delivered.
struct Undelivered {
    why: String,
    again: Again,
}

enum Again {
    /// After the backoff.
    Later,
    /// When the receiver wants it.
    After(Duration),
    Never,
}

impl Undelivered {
    fn never(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: Again::Never }
    }
}

async fn deliver(app: &App, bulk: &BulkJob, url: &str, secret: &str) -> Result<(), Undelivered> {
    let body = Message::of(bulk).to_json();
    let timestamp = app.store.now().as_millis() / 1_000;
    let sent = app
        .http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(DELIVERY_HEADER, &bulk.id)
        .header(TIMESTAMP_HEADER, timestamp.to_string())
        .header(SIGNATURE_HEADER, sign(secret, timestamp, body.as_bytes()))
        .body(body)
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(refused(&answer)),
        Err(error) => {
            // Without the address, which may hold a password.
            let why = program::in_one_line(&error.without_url());
            Err(Undelivered { why, again: Again::Later })
        }
    }
}

/// What an answer other than success means. A 4xx is not going to change, but for those that say so.
fn refused(answer: &Response) -> Undelivered {
    let status = answer.status();
    let why = format!("the receiver answered {status}");
    let may_change = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    if !may_change {
        return Undelivered::never(why);
    }
    let wanted = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let again = match wanted.and_then(|seconds| seconds.trim().parse().ok()) {
        Some(seconds) => Again::After(Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
        None => Again::Later,
    };
    Undelivered { why, again }
}

/// What a receiver is told. The names are a promise.
#[derive(Serialize)]
struct Message<'a> {
    event: &'static str,
    job_id: &'a str,
    status: BulkState,
    total_leads: u64,
    processed_leads: u64,
    successes: u64,
    failures: u64,
    retry_of: Option<&'a str>,
    error: Option<&'a str>,
    ended_at: Option<String>,
    check_status_url: String,
}

impl<'a> Message<'a> {
    fn of(bulk: &'a BulkJob) -> Self {
        Self {
            event: match bulk.state {
                BulkState::Completed => "bulk_job.completed",
                BulkState::Cancelled => "bulk_job.cancelled",
                BulkState::TimedOut => "bulk_job.timed_out",
                BulkState::Failed | BulkState::Pending | BulkState::Processing => "bulk_job.failed",
            },
            job_id: &bulk.id,
            status: bulk.state,
            total_leads: bulk.total_leads,
            processed_leads: bulk.processed_leads(),
            successes: bulk.successes,
            failures: bulk.failures,
            retry_of: bulk.retry_of.as_deref(),
            error: bulk.error.as_deref(),
            ended_at: bulk.ended_at.map(|at| at.to_string()),
            check_status_url: crate::api::status_path(&bulk.id),
        }
    }

    fn to_json(&self) -> String {
        // Texts and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}
