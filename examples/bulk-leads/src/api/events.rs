//! The progress of a job as server-sent events: `progress` whenever it has moved, and `end` with the end.
//!
//! Every event tells all there is to tell, so a reader that lost its connection just connects again.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use super::Api;
use super::caller::Caller;
use super::fault::Fault;
use super::jobs::{JobPath, job_of};
use super::view::ProgressView;
use crate::db::Store;

/// The least time between two events: nobody reads faster.
const GAP: Duration = Duration::from_millis(50);
/// How often a job is looked at that is worked on in another process.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `GET /api/crm/jobs/{job_id}/events`
pub(crate) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    JobPath(job_id): JobPath,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    // Before the job is looked at, so that no move is missed.
    let moves = api.app.feed.listen();
    let job = job_of(&api, &caller, job_id).await?;
    let stopping = api.stopping.clone();
    let watcher = Watcher {
        store: api.app.store,
        job_id: job.id,
        moves,
        stopping,
        told: None,
        looked_at: None,
    };
    let events = stream::unfold(Some(watcher), async |watcher| {
        let mut watcher = watcher?;
        let (event, is_last) = watcher.next().await?;
        Some((Ok(event), (!is_last).then_some(watcher)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Looks at a job whenever it may have moved.
struct Watcher {
    store: Store,
    job_id: String,
    moves: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
    /// What the reader knows.
    told: Option<ProgressView>,
    looked_at: Option<Instant>,
}

impl Watcher {
    /// Waits for something new, and says whether it is the end. `None` when the server stops or the job is
    /// gone.
    async fn next(&mut self) -> Option<(Event, bool)> {
        loop {
            self.wait().await?;
            self.looked_at = Some(Instant::now());
            let view = match self.store.job(&self.job_id).await {
                Ok(job) => ProgressView::of(&job?),
                Err(error) => {
                    warn!("the progress of bulk job {} is not known: {error}", self.job_id);
                    continue;
                }
            };
            if self.told.as_ref() == Some(&view) {
                continue;
            }
            let is_last = view.status.has_ended();
            // Words and numbers always have a JSON form.
            let data = serde_json::to_string(&view).unwrap_or_default();
            let event = Event::default().event(if is_last { "end" } else { "progress" }).data(data);
            self.told = Some(view);
            return Some((event, is_last));
        }
    }

    /// Waits until it is worth while to look; `None` when the server stops.
    async fn wait(&mut self) -> Option<()> {
        let Some(looked_at) = self.looked_at else {
            return Some(());
        };
        let moved = async {
            tokio::time::sleep_until(looked_at + GAP).await;
            // The bell outlives the server; and if it did not, there would be nothing to hear.
            if self.moves.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = moved => Some(()),
            () = tokio::time::sleep_until(looked_at + LOOK_EVERY) => Some(()),
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }
}
