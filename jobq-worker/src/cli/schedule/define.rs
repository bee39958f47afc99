//! `jobq schedule add` and `change`.

use jobq_core::{JobId, ScheduleName};
use jobq_scheduler::Schedule;

use super::{Place, TimingArgs};
use crate::cli::exit::Failure;
use crate::cli::job::JobArgs;
use crate::cli::output;
use crate::registry::Registry;

/// What both take.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the schedule.
    pub(super) name: ScheduleName,
    #[command(flatten)]
    timing: TimingArgs,
    #[command(flatten)]
    job: JobArgs,
}

impl Args {
    pub(super) fn schedule(&self, registry: &Registry) -> Result<Schedule, Failure> {
        let record = self.job.record(JobId::from_bytes([0; 16]), registry)?;
        let schedule = self.timing.schedule()?.record(record);
        schedule.check()?;
        Ok(schedule)
    }
}

pub(super) async fn add(
    place: &Place,
    name: &ScheduleName,
    schedule: Schedule,
) -> Result<(), Failure> {
    place.timetable.add(name.as_str(), schedule).await?;
    tell(place, name, "is added").await
}

pub(super) async fn change(
    place: &Place,
    name: &ScheduleName,
    schedule: Schedule,
) -> Result<(), Failure> {
    match place.timetable.change(name.as_str(), schedule).await {
        Ok(()) => tell(place, name, "is changed").await,
        Err(fault) => Err(place.explain(fault).await),
    }
}

async fn tell(place: &Place, name: &ScheduleName, what: &str) -> Result<(), Failure> {
    let view = place.timetable.get(name.as_str()).await?;
    let when = view.map_or_else(String::new, |view| format!(": {}", view.description));
    output::line(&format!("schedule {name} of group {} {what}{when}", place.group))?;
    Ok(())
}
