//! What each system shows.

use std::error::Error;

use async_trait::async_trait;
use jobq_scheduler::Schedule;
use jobq_worker::Worker;

/// What went wrong, in one line.
pub(crate) type Fault = Box<dyn Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Fault>;

/// A business system that is set up and waits for work.
#[async_trait]
pub(crate) trait System: Send + Sync {
    fn name(&self) -> &'static str;

    /// Its workers, to be run.
    fn workers(&self) -> Result<Vec<Worker>>;

    /// What it does by the clock. In business it would be hours in place of seconds.
    fn schedules(&self) -> Vec<(&'static str, Schedule)> {
        Vec::new()
    }

    /// Brings it work, as its users would, until dropped. Returns only with a fault.
    async fn play(&self) -> Result<()>;

    /// How it does, in one line.
    async fn look(&self) -> Result<String>;

    /// Whether it has nothing left to do, or nothing that it is allowed to do now.
    async fn is_at_rest(&self) -> Result<bool>;

    /// What was promised, and whether it was kept.
    async fn promises(&self) -> Result<Vec<Promise>>;
}

/// Something that was promised.
#[derive(Debug)]
pub(crate) struct Promise {
    /// In words, with the figures.
    pub(crate) what: String,
    pub(crate) is_kept: bool,
}

impl Promise {
    pub(crate) fn new(is_kept: bool, what: impl Into<String>) -> Self {
        Self { what: what.into(), is_kept }
    }
}
