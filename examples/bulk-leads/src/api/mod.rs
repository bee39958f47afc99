//! The HTTP API. Every answer is JSON with `success`; one that is not a success has a code in `error`, for
//! programs, and a `message` for people.
//!
//! | | |
//! | --- | --- |
//! | `POST /api/crm/leads/bulk-status` | changes up to 100 leads at once |
//! | `POST /api/crm/leads/bulk-status-async` | accepts a bulk job |
//! | `GET /api/crm/jobs/{job_id}` | how far it has come |
//! | `GET /api/crm/jobs/{job_id}/events` | the same, live, until its end |
//! | `POST /api/crm/jobs/{job_id}/cancel` | ends it |
//! | `POST /api/crm/jobs/{job_id}/retry` | a new job with its failed leads |
//! | `POST /api/crm/jobs/{job_id}/redeliver` | sends its message again |
//! | `GET /api/crm/stats?days=N` | the caller's last days |

mod asking;
mod bulk_status;
mod caller;
mod events;
mod fault;
mod jobs;
mod stats;
mod view;

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use program::{Failure, in_one_line};
use tokio::sync::watch;
use tracing::warn;

use self::fault::Fault;
use crate::app::App;
use crate::queue::OpenQueue;

/// How long a caller waits for the queue once the database has the job.
const QUEUE_PATIENCE: Duration = Duration::from_secs(2);

/// What the API's handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) queue: OpenQueue,
    pub(crate) rules: Rules,
    /// Turns true when the server stops: streams of events must end then.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// How jobs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Rules {
    /// How many leads make a chunk.
    pub chunk_leads: u64,
    /// How long a job may wait for its start, and how long it may take from there on.
    pub job_timeout: Duration,
    /// For how long nothing may be done for a job that has not ended.
    pub stuck_after: Duration,
}

impl Api {
    /// Does something with the queue for a job that is stored already. If the queue is away, the next round
    /// does it, and the caller does not wait.
    async fn now_or_next_round<F>(&self, job_id: &str, work: F)
    where
        F: Future<Output = jobq_core::Result<()>>,
    {
        let why = match tokio::time::timeout(QUEUE_PATIENCE, work).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => in_one_line(&error),
            Err(_) => format!("the queue has not answered for {QUEUE_PATIENCE:?}"),
        };
        warn!("bulk job {job_id} is left to the next round: {why}");
        if let Err(error) = self.app.store.leave_to_next_round(job_id).await {
            // The round after some others looks after it all the same.
            warn!("bulk job {job_id} could not be marked: {}", Failure::failed(&error));
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            // A transaction of some milliseconds: others wait no longer for a lead or for the database.
            chunk_leads: 500,
            job_timeout: Duration::from_secs(1_800),
            stuck_after: Duration::from_secs(300),
        }
    }
}

pub(crate) fn router(api: Api) -> Router {
    Router::new()
        .route("/api/crm/leads/bulk-status", post(bulk_status::at_once))
        .route("/api/crm/leads/bulk-status-async", post(bulk_status::in_background))
        .route("/api/crm/jobs/{job_id}", get(jobs::show))
        .route("/api/crm/jobs/{job_id}/events", get(events::stream))
        .route("/api/crm/jobs/{job_id}/cancel", post(jobs::cancel))
        .route("/api/crm/jobs/{job_id}/retry", post(jobs::retry))
        .route("/api/crm/jobs/{job_id}/redeliver", post(jobs::redeliver))
        .route("/api/crm/stats", get(stats::show))
        .fallback(async || Fault::no_such_path())
        .method_not_allowed_fallback(async || Fault::wrong_method())
        .with_state(api)
}

/// Where the state of a job is found.
pub(crate) fn status_path(job_id: &str) -> String {
    format!("/api/crm/jobs/{job_id}")
}
