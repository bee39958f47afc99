//! Jobs that belong together: counted as one, with jobs that run when they have ended.

mod callback;
mod contract;
mod handle;

pub use self::callback::IntoCallback;
pub use self::contract::{
    BatchId, BatchRef, BatchState, BatchView, NewBatch, closed_batch, ended_batch, unknown_batch,
};
pub use self::handle::{Batch, DEFAULT_HOME, OpenBatch, Retried};
