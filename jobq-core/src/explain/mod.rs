//! Why a job is not running, and when it may: the facts, as a backend knows them, and what they mean in
//! words.
//!
//! A backend answers with a [`Standing`]; [`explain`] asks for it and for the living workers, and makes
//! an [`Explanation`] of both.
//!
//! ```
//! use jobq_core::explain::explain;
//! use jobq_core::{Backend, JobRef, QueueName};
//! # async fn show(store: &jobq_core::MemoryBackend, id: jobq_core::JobId) -> jobq_core::Result<()> {
//!
//! let job = JobRef::new(QueueName::new("crm")?, id);
//! match explain(store, &job, store.clock().now()).await? {
//!     Some(explanation) => println!("{explanation}"),
//!     None => println!("queue crm knows no job {id}"),
//! }
//! # Ok(())
//! # }
//! ```

mod estimate;
mod explanation;
mod reasons;
mod standing;

pub use self::explanation::{Explanation, Reason, explain};
pub use self::standing::{Block, Standing};
