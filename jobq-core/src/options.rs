//! What one enqueue chooses beyond the defaults of its job's type.

use std::time::Duration;

use crate::error::Result;
use crate::id::JobId;
use crate::metadata::Metadata;
use crate::name::QueueName;
use crate::priority::Priority;
use crate::record::{JobRecord, When};
use crate::unique::UniqueKey;

/// The choices made so far; what is `None` stays with the job's type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) id: Option<JobId>,
    pub(crate) queue: Option<String>,
    pub(crate) when: When,
    pub(crate) priority: Option<u8>,
    pub(crate) unique: Option<Unique>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) retention: Option<Option<Duration>>,
    pub(crate) metadata: Metadata,
}

/// A unique key chosen at the enqueue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unique {
    None,
    Key(UniqueKey),
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
        match self.unique {
            Some(Unique::None) => record.unique = None,
            Some(Unique::Key(key)) => record.unique = Some(key),
            None => {}
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

/// The setters that one job and many jobs share, on a builder with `options: Options`.
macro_rules! option_setters {
    () => {
        /// Puts it into this queue in place of its type's. A name that breaks the rules of
        /// [`QueueName`]($crate::QueueName) is an error when this is awaited.
        pub fn on(mut self, queue: impl Into<String>) -> Self {
            self.options.queue = Some(queue.into());
            self
        }

        /// Makes it ready at this instant, by the backend's clock; one in the past is as good as now.
        pub fn at(mut self, instant: $crate::Timestamp) -> Self {
            self.options.when = $crate::When::At(instant);
            self
        }

        /// Makes it ready after this delay, by the backend's clock.
        pub fn after(mut self, delay: ::std::time::Duration) -> Self {
            self.options.when = $crate::When::After(delay);
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

pub(crate) use option_setters;
