//! One step of a workflow, as it is being planned.

use std::fmt;
use std::time::Duration;

use crate::error::Result;
use crate::job_ref::JobRef;
use crate::metadata::Metadata;
use crate::options::{Options, option_setters};
use crate::parents::Parent;
use crate::record::{JobRecord, NewJob, When};
use crate::unique::Unique;

/// What is known of a step.
pub(super) struct Plan {
    pub(super) name: String,
    /// Encoded when the step was added; what is wrong with it is told when the workflow is enqueued.
    pub(super) record: Result<JobRecord>,
    /// The names of the steps that it comes after.
    pub(super) after: Vec<String>,
    pub(super) options: Options,
}

impl Plan {
    /// The job, without the steps that it comes after.
    pub(super) fn build(&self, workflow: &str) -> Result<NewJob> {
        let mut record = match &self.record {
            Ok(record) => record.clone(),
            Err(error) => return Err(crate::Error::new(error.kind(), error.to_string())),
        };
        self.options.apply(&mut record)?;
        record.metadata.insert(Metadata::WORKFLOW, workflow);
        record.metadata.insert(Metadata::STEP, self.name.as_str());
        let mut job = NewJob::new(record, self.options.when);
        job.parents = self.options.parents.iter().cloned().map(Parent::known).collect();
        job.on_parent_failure = self.options.on_parent_failure;
        Ok(job)
    }
}

/// A step that was added to a workflow: choose what it comes after, and options.
pub struct Step<'a> {
    after: &'a mut Vec<String>,
    options: &'a mut Options,
}

impl<'a> Step<'a> {
    pub(super) const fn new(plan: &'a mut Plan) -> Self {
        Self { after: &mut plan.after, options: &mut plan.options }
    }
}

#[allow(unused_mut, reason = "builders that own their options need it")]
#[expect(clippy::return_self_not_must_use, reason = "the workflow has the choice, not the answer")]
impl Step<'_> {
    option_setters!();

    /// Lets it come after other steps of the workflow, `after(["fetch", "rows"])`, after jobs that are
    /// enqueued already, `after(&handle)`, or after a delay: that starts when the last of them has ended.
    /// Names of steps that are added later are as good.
    pub fn after(self, what: impl Into<Before>) -> Self {
        match what.into() {
            Before::Delay(delay) => self.options.when = When::After(delay),
            Before::Steps(names) => self.after.extend(names),
            Before::Jobs(jobs) => self.options.parents.extend(jobs),
        }
        self
    }

    /// Overrides what makes the job the same as another. A job that others come after cannot be one that
    /// may be a duplicate: they would wait for it for ever.
    pub fn unique(self, unique: impl Into<Unique>) -> Self {
        self.options.unique = Some(Some(unique.into()));
        self
    }

    /// Makes the job like no other.
    pub fn not_unique(self) -> Self {
        self.options.unique = Some(None);
        self
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("after", &self.after).finish_non_exhaustive()
    }
}

/// What a step comes after.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Before {
    /// A delay.
    Delay(Duration),
    /// The end of steps of the same workflow.
    Steps(Vec<String>),
    /// The end of jobs that are enqueued already.
    Jobs(Vec<JobRef>),
}

impl From<Duration> for Before {
    fn from(delay: Duration) -> Self {
        Self::Delay(delay)
    }
}

impl From<&str> for Before {
    fn from(name: &str) -> Self {
        Self::Steps(vec![name.to_owned()])
    }
}

impl<const N: usize> From<[&str; N]> for Before {
    fn from(names: [&str; N]) -> Self {
        Self::Steps(names.map(str::to_owned).into())
    }
}

impl From<Vec<String>> for Before {
    fn from(names: Vec<String>) -> Self {
        Self::Steps(names)
    }
}

impl From<JobRef> for Before {
    fn from(job: JobRef) -> Self {
        Self::Jobs(vec![job])
    }
}

impl From<Vec<JobRef>> for Before {
    fn from(jobs: Vec<JobRef>) -> Self {
        Self::Jobs(jobs)
    }
}

impl<J> From<&crate::JobHandle<'_, J>> for Before {
    fn from(handle: &crate::JobHandle<'_, J>) -> Self {
        Self::Jobs(vec![handle.reference().clone()])
    }
}
