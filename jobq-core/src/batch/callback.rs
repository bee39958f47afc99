//! What can be enqueued by a batch.

use crate::backend::Backend;
use crate::error::Result;
use crate::job::Job;
use crate::queue::Enqueue;
use crate::record::NewJob;

/// A job that a batch enqueues when its time has come: a job, with the choices of its type; one about to be
/// enqueued, with the choices made for it (queue, lane, priority, retention, id, …; a delay starts when it
/// is enqueued); or a [`NewJob`].
///
/// ```
/// # use std::time::Duration;
/// # use jobq_core::{Job, MemoryBackend, Queue};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, Job)]
/// struct SendReport;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let queue = MemoryBackend::new();
/// let report = queue.enqueue(SendReport).on("mail").priority(9).after(Duration::from_secs(60));
/// queue.batch("price list").on_complete(report).on_failure(SendReport).open().await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
///
/// A batch, parents or children of a callback are refused when the batch is opened. Whether some program
/// handles its kind cannot be known then: [`explain`](crate::explain::explain) says of a job that no living
/// worker handles.
pub trait IntoCallback {
    /// The job to be enqueued, whose id is made now if it has none.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when it cannot be enqueued as it is.
    fn into_callback(self, backend: &dyn Backend) -> Result<NewJob>;
}

impl<J: Job> IntoCallback for J {
    fn into_callback(self, backend: &dyn Backend) -> Result<NewJob> {
        Enqueue::new(backend, self).build()
    }
}

impl<J: Job> IntoCallback for Enqueue<'_, J> {
    fn into_callback(self, _: &dyn Backend) -> Result<NewJob> {
        self.build()
    }
}

impl IntoCallback for NewJob {
    fn into_callback(self, _: &dyn Backend) -> Result<NewJob> {
        Ok(self)
    }
}
