//! What became of the steps of a workflow.

use std::collections::BTreeMap;
use std::fmt;

use super::names;
use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::handle::JobHandle;
use crate::job::Job;
use crate::job_ref::JobRef;
use crate::name::Kind;
use crate::record::{Enqueued, JobRecord};

/// The jobs of a workflow that was enqueued, by the names of their steps.
#[derive(Clone)]
pub struct Steps<'a> {
    backend: &'a dyn Backend,
    workflow: String,
    steps: BTreeMap<String, Enrolled>,
}

#[derive(Clone)]
struct Enrolled {
    kind: Kind,
    job: JobRef,
    enqueued: Enqueued,
}

impl<'a> Steps<'a> {
    pub(super) const fn new(backend: &'a dyn Backend, workflow: String) -> Self {
        Self { backend, workflow, steps: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, name: String, record: &JobRecord, enqueued: Enqueued) {
        let job = enqueued.found_in(&record.queue);
        self.steps.insert(name, Enrolled { kind: record.kind.clone(), job, enqueued });
    }

    /// The job of a step, to wait for its result and to follow its progress.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is no step of this name,
    /// [`InvalidInput`](ErrorKind::InvalidInput) when its jobs are of another kind than `J`.
    pub fn handle<J: Job>(&self, step: &str) -> Result<JobHandle<'a, J>> {
        let Enrolled { kind, job, enqueued } = self.steps.get(step).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "workflow {:?} has no step {step:?}, only {}",
                    self.workflow,
                    names(self.steps.keys().map(String::as_str), ", ")
                ),
            )
        })?;
        if kind.as_str() != J::KIND {
            return Err(Error::invalid_input(format!(
                "step {step:?} of workflow {:?} is a job of kind {:?}, not {:?}",
                self.workflow,
                kind.as_str(),
                J::KIND
            )));
        }
        Ok(JobHandle::new(self.backend, job.clone(), Some(enqueued.clone())))
    }

    /// Where each job is found, from any process, by the name of its step.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &JobRef)> {
        self.steps.iter().map(|(name, step)| (name.as_str(), &step.job))
    }

    /// Whether a job was added for every step: it is `false` when the workflow was enqueued before.
    #[must_use]
    pub fn are_new(&self) -> bool {
        self.steps.values().all(|step| step.enqueued.is_created())
    }
}

impl fmt::Debug for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: BTreeMap<&str, &JobRef> = self.iter().collect();
        f.debug_struct("Steps").field("workflow", &self.workflow).field("steps", &steps).finish()
    }
}
