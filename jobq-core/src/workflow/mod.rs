//! Jobs of any types that come after one another, written down by name and enqueued as a whole.

mod graph;
mod step;
mod steps;

use std::collections::HashMap;
use std::fmt;

use self::step::Plan;
pub use self::step::{Before, Step};
pub use self::steps::Steps;
use crate::backend::Backend;
use crate::clock::SystemClock;
use crate::error::{Error, Result};
use crate::id::JobId;
use crate::job::Job;
use crate::job_ref::JobRef;
use crate::parents::Parent;
use crate::record::{JobRecord, NewJob};

/// How many jobs one call to the backend carries.
const JOBS_AT_ONCE: usize = 250;

/// Jobs of any types by name, each of which may come after others.
///
/// Nothing is written until it is [enqueued](crate::Queue::enqueue_workflow). Ids are made when a step is
/// added: the same workflow enqueued again adds nothing as long as its jobs are known, so give them a
/// [retention](Step::retention) if it may be repeated late.
///
/// ```
/// use jobq_core::{Inspect, Job, JobState, MemoryBackend, OnParentFailure, Queue, Workflow};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct Fetch { url: String }
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct ParseRows;
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(retention = "1d")]
/// struct Report;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let queue = MemoryBackend::new();
/// let mut import = Workflow::new("price list");
/// import.step("fetch", Fetch { url: "https://example.com/prices.csv".into() });
/// import.step("rows", ParseRows).after(["fetch"]);
/// import.step("report", Report).after(["fetch", "rows"]).on_parent_failure(OnParentFailure::Continue);
/// let steps = queue.enqueue_workflow(&import).await?;
///
/// let report = steps.handle::<Report>("report")?;
/// let job = queue.job(&report.reference().queue, report.id()).await?.expect("it is enqueued");
/// assert_eq!(job.state, JobState::Waiting);
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
///
/// Steps that come one after the other need no names for that:
///
/// ```
/// # use jobq_core::{Job, MemoryBackend, Queue, Workflow};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, Job)] struct Dump;
/// # #[derive(Serialize, Deserialize, Job)] struct Upload;
/// # #[derive(Serialize, Deserialize, Job)] struct Verify;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut backup = Workflow::new("backup");
/// backup.then("dump", Dump);
/// backup.then("upload", Upload).max_attempts(10);
/// backup.then("verify", Verify);
/// MemoryBackend::new().enqueue_workflow(&backup).await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Workflow {
    name: String,
    key: Option<String>,
    plans: Vec<Plan>,
}

impl Workflow {
    /// A workflow without steps.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), key: None, plans: Vec::new() }
    }

    /// Makes the ids of its steps follow from `key` and their names, so that a workflow that is built anew
    /// under the same key, in whatever process, adds nothing either.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a step that comes after no other, unless that is chosen.
    pub fn step<J: Job>(&mut self, name: impl Into<String>, job: J) -> Step<'_> {
        self.add(name.into(), &job, Vec::new())
    }

    /// Adds a step that comes after the one that was added last.
    pub fn then<J: Job>(&mut self, name: impl Into<String>, job: J) -> Step<'_> {
        let last = self.plans.last().map(|plan| plan.name.clone());
        self.add(name.into(), &job, last.into_iter().collect())
    }

    fn add<J: Job>(&mut self, name: String, job: &J, after: Vec<String>) -> Step<'_> {
        let id = match &self.key {
            Some(key) => JobId::from_key(&format!("workflow {key:?} step {name:?}")),
            None => JobId::generate(&SystemClock),
        };
        let record = JobRecord::of(id, job);
        self.plans.push(Plan { name, record, after, options: Default::default() });
        let last = self.plans.len() - 1;
        Step::new(&mut self.plans[last])
    }

    /// Enqueues it: those that come last first, so that every job finds those that wait for it.
    pub(crate) async fn enqueue<'a>(&self, backend: &'a dyn Backend) -> Result<Steps<'a>> {
        let (order, jobs) = self.jobs()?;
        let mut steps = Steps::new(backend, self.name.clone());
        for (nths, jobs) in order.chunks(JOBS_AT_ONCE).zip(jobs.chunks(JOBS_AT_ONCE)) {
            let answers = backend.enqueue_jobs(jobs).await?;
            for ((nth, job), enqueued) in nths.iter().zip(jobs).zip(answers) {
                steps.add(self.plans[*nth].name.clone(), &job.record, enqueued);
            }
        }
        Ok(steps)
    }

    /// The jobs in the order in which they are to be enqueued, and which step each of them is.
    fn jobs(&self) -> Result<(Vec<usize>, Vec<NewJob>)> {
        let befores = self.befores()?;
        let heights = graph::heights(&befores).map_err(|circle| self.circle(&circle))?;
        let mut jobs = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            jobs.push(plan.build(&self.name).map_err(|cause| self.refused(&plan.name, &cause))?);
        }
        let found_at: Vec<JobRef> =
            jobs.iter().map(|job| JobRef::new(job.record.queue.clone(), job.record.id)).collect();
        for (step, befores) in befores.iter().enumerate() {
            for before in befores {
                jobs[step].parents.push(Parent::to_come(found_at[*before].clone()));
                jobs[*before].children.push(found_at[step].clone());
            }
        }
        for (plan, job) in self.plans.iter().zip(&jobs) {
            job.check().map_err(|cause| self.refused(&plan.name, &cause))?;
        }
        let mut order: Vec<(usize, NewJob)> = jobs.into_iter().enumerate().collect();
        // Neighbours of one queue travel together.
        order.sort_by(|(a, x), (b, y)| {
            (heights[*a], &x.record.queue).cmp(&(heights[*b], &y.record.queue))
        });
        Ok(order.into_iter().unzip())
    }

    /// For each step, the steps that it comes after.
    fn befores(&self) -> Result<Vec<Vec<usize>>> {
        let mut by_name = HashMap::with_capacity(self.plans.len());
        for (n, plan) in self.plans.iter().enumerate() {
            if by_name.insert(plan.name.as_str(), n).is_some() {
                return Err(Error::invalid_input(format!(
                    "workflow {:?} has two steps named {:?}",
                    self.name, plan.name
                )));
            }
        }
        let mut all = Vec::with_capacity(self.plans.len());
        for plan in &self.plans {
            let mut befores = Vec::with_capacity(plan.after.len());
            for name in &plan.after {
                let before = by_name.get(name.as_str()).ok_or_else(|| self.unknown(plan, name))?;
                if !befores.contains(before) {
                    befores.push(*before);
                }
            }
            all.push(befores);
        }
        Ok(all)
    }

    fn unknown(&self, plan: &Plan, name: &str) -> Error {
        Error::invalid_input(format!(
            "step {:?} of workflow {:?} is to come after {name:?}, which is no step of it: {}",
            plan.name,
            self.name,
            names(self.plans.iter().map(|plan| plan.name.as_str()), ", ")
        ))
    }

    fn circle(&self, steps: &[usize]) -> Error {
        let circle = steps.iter().chain(steps.first()).map(|step| self.plans[*step].name.as_str());
        Error::invalid_input(format!(
            "workflow {:?} goes round in a circle: {}",
            self.name,
            names(circle, " → ")
        ))
    }

    fn refused(&self, step: &str, cause: &Error) -> Error {
        Error::new(cause.kind(), format!("step {step:?} of workflow {:?}: {cause}", self.name))
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<&str> = self.plans.iter().map(|plan| plan.name.as_str()).collect();
        f.debug_struct("Workflow").field("name", &self.name).field("steps", &steps).finish()
    }
}

/// Names for people: twenty at most.
fn names<'a>(names: impl Iterator<Item = &'a str>, between: &str) -> String {
    const SHOWN: usize = 20;
    let mut names = names.map(|name| format!("{name:?}"));
    let mut shown: Vec<String> = names.by_ref().take(SHOWN).collect();
    match names.count() {
        0 => {}
        more => shown.push(format!("and {more} more")),
    }
    shown.join(between)
}
