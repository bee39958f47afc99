//! What one enqueue chooses beyond the defaults of its job's type.

use std::time::Duration;

use crate::batch::BatchRef;
use crate::error::Result;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::metadata::Metadata;
use crate::name::QueueName;
use crate::parents::OnParentFailure;
use crate::priority::Priority;
use crate::record::{JobRecord, When};
use crate::unique::Unique;

/// The choices made so far; what is `None` stays with the job's type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) id: Option<JobId>,
    pub(crate) queue: Option<String>,
    pub(crate) when: When,
    pub(crate) priority: Option<u8>,
    pub(crate) unique: Option<Option<Unique>>,
    pub(crate) lane: Option<Lane>,
    pub(crate) cost: Option<u32>,
    pub(crate) parents: Vec<JobRef>,
    pub(crate) on_parent_failure: OnParentFailure,
    pub(crate) batch: Option<BatchRef>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) retention: Option<Option<Duration>>,
    pub(crate) metadata: Metadata,
}

/// A lane chosen at the enqueue, not yet checked.
#[derive(Clone, Debug)]
pub(crate) enum Lane {
    None,
    Key(String),
}

impl Options {
    /// Changes a record as chosen, and refuses choices that no backend could keep.
    pub(crate) fn apply(&self, record: &mut JobRecord) -> Result<()> {
        if let Some(queue) = &self.queue {
            record.queue = QueueName::new(queue)?;
        }
        if let Some(level) = self.priority {
            record.priority = Priority::new(level)?;
        }
        if let Some(unique) = self.unique {
            record.unique = unique;
        }
        match &self.lane {
            Some(Lane::None) => record.lane = None,
            Some(Lane::Key(key)) => record.lane = Some(LaneKey::new(key)?),
            None => {}
        }
        if let Some(cost) = self.cost {
            record.cost = cost;
        }
        if let Some(batch) = &self.batch {
            record.batch = Some(batch.clone());
        }
        if let Some(max_attempts) = self.max_attempts {
            record.max_attempts = max_attempts;
        }
        if let Some(timeout) = self.timeout {
            record.timeout = timeout;
        }
        if let Some(retention) = self.retention {
            record.retention = retention;
        }
        if !self.metadata.is_empty() {
            record.metadata = self.metadata.clone();
        }
        record.check()
    }
}

/// The setters that one job, many jobs and the steps of workflows share, on a builder with
/// `options: Options`.
macro_rules! option_setters {
    () => {
        /// Puts it into this queue in place of its type's. A name that breaks the rules of
        /// [`QueueName`]($crate::QueueName) is an error when this is awaited.
        pub fn on(mut self, queue: impl Into<String>) -> Self {
            self.options.queue = Some(queue.into());
            self
        }

        /// Makes it ready at this instant, by the backend's clock; one in the past is as good as now, and one
        /// after the year 9999 an error when this is awaited.
        pub fn at(mut self, instant: $crate::Timestamp) -> Self {
            self.options.when = $crate::When::At(instant);
            self
        }

        /// Chooses what becomes of it when a job it waits for ends as dead or cancelled.
        pub fn on_parent_failure(mut self, policy: $crate::OnParentFailure) -> Self {
            self.options.on_parent_failure = policy;
            self
        }

        /// Puts it into this lane in place of its type's. A key that breaks the rules of
        /// [`LaneKey`]($crate::LaneKey) is an error when this is awaited.
        pub fn lane(mut self, key: impl ::std::fmt::Display) -> Self {
            self.options.lane = Some($crate::options::Lane::Key(key.to_string()));
            self
        }

        /// Puts it into no lane.
        pub fn no_lane(mut self) -> Self {
            self.options.lane = Some($crate::options::Lane::None);
            self
        }

        /// Overrides how much of a rate limit it uses up: 1 to 65,535.
        pub fn cost(mut self, cost: u32) -> Self {
            self.options.cost = Some(cost);
            self
        }

        /// Lets this batch count it. Its home is told with the enqueue.
        pub fn batch(mut self, batch: $crate::BatchRef) -> Self {
            self.options.batch = Some(batch);
            self
        }

        /// Overrides the priority: 0 to 15, higher first. A number above is an error when this is
        /// awaited.
        pub fn priority(mut self, level: u8) -> Self {
            self.options.priority = Some(level);
            self
        }

        /// Overrides how often it is tried, the first attempt included: 1 to 65,535.
        pub fn max_attempts(mut self, attempts: u32) -> Self {
            self.options.max_attempts = Some(attempts);
            self
        }

        /// Overrides how long one attempt may take; `None` for as long as it likes.
        pub fn timeout(mut self, timeout: impl Into<Option<::std::time::Duration>>) -> Self {
            self.options.timeout = Some(timeout.into());
            self
        }

        /// Overrides how long it is kept once completed or cancelled; `None` leaves nothing behind.
        pub fn retention(mut self, retention: impl Into<Option<::std::time::Duration>>) -> Self {
            self.options.retention = Some(retention.into());
            self
        }

        /// Adds a fact that travels beside the payload; all of them together may have 4 KiB.
        pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.options.metadata.insert(key, value);
            self
        }

        /// Adds the W3C trace context of the caller, so that the handler's span can continue it.
        pub fn traceparent(self, traceparent: impl Into<String>) -> Self {
            self.metadata($crate::Metadata::TRACEPARENT, traceparent)
        }
    };
}

/// The setter of what a job is enqueued to come after.
macro_rules! after_setter {
    () => {
        /// Makes it ready after this delay, by the backend's clock, or after these jobs have ended:
        /// `after(Duration::from_secs(60))`, `after(&extract)` with a handle, or an array of handles or references.
        /// Said several times it adds up: `after(&extract).after(&prices)` waits for jobs of two kinds. With
        /// a delay too, that starts when the last of the jobs has ended. A job that is not known is an error
        /// when this is awaited.
        ///
        /// ```
        /// # use std::time::Duration;
        /// # use jobq_core::{Job, MemoryBackend, Queue};
        /// # use serde::{Deserialize, Serialize};
        /// #[derive(Serialize, Deserialize, Job)]
        /// struct Extract { file: String }
        ///
        /// #[derive(Serialize, Deserialize, Job)]
        /// struct FetchPrices;
        ///
        /// #[derive(Serialize, Deserialize, Job)]
        /// struct Import;
        ///
        /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        /// let queue = MemoryBackend::new();
        /// let extract = queue.enqueue(Extract { file: "a.csv".into() }).handle().await?;
        /// let prices = queue.enqueue(FetchPrices).handle().await?;
        /// queue.enqueue(Import).after(&extract).after(&prices).after(Duration::from_secs(5)).await?;
        /// # Ok::<(), jobq_core::Error>(())
        /// # }).unwrap();
        /// ```
        pub fn after(mut self, what: impl Into<$crate::After>) -> Self {
            match what.into() {
                $crate::After::Delay(delay) => self.options.when = $crate::When::After(delay),
                $crate::After::Jobs(jobs) => self.options.parents.extend(jobs),
            }
            self
        }
    };
}

/// The setters of what only a single job can have.
macro_rules! one_job_setters {
    () => {
        /// Gives the job this id. A job under an id that the backend knows is not added again, so a caller
        /// with a key of its own can repeat an enqueue whose answer it never saw:
        /// `id(JobId::from_key("invoice-4711"))`.
        pub fn id(mut self, id: $crate::JobId) -> Self {
            self.options.id = Some(id);
            self
        }

        /// Overrides what makes the job the same as another: a [`UniqueKey`]($crate::UniqueKey) holds until
        /// the job ends, a [`Unique`]($crate::Unique) as its mode says.
        pub fn unique(mut self, unique: impl Into<$crate::Unique>) -> Self {
            self.options.unique = Some(Some(unique.into()));
            self
        }

        /// Makes the job like no other.
        pub fn not_unique(mut self) -> Self {
            self.options.unique = Some(None);
            self
        }
    };
}

pub(crate) use after_setter;
pub(crate) use one_job_setters;
pub(crate) use option_setters;
