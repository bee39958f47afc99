//! What can be seen of a job by somebody who waits for it.

use crate::progress::Report;
use crate::state::JobState;

/// What can be seen of a job at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sighting {
    /// Where it is in its life; `None` if the queue does not know it: it was never enqueued, or it has
    /// ended and left nothing behind.
    pub state: Option<JobState>,
    /// What its newest attempt has said of itself.
    pub report: Report,
    /// What its handler returned, encoded (completed).
    pub result: Option<Vec<u8>>,
    /// What went wrong last (dead, or backing off).
    pub error: Option<String>,
}
