//! `jobq schedule add` and `change`.

use jobq_core::{ErrorKind, JobId, ScheduleName};
use jobq_scheduler::{Schedule, Source};
use serde_json::json;

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
    /// What became of it as one JSON object, for programs: --json is what goes in.
    #[arg(long)]
    json_output: bool,
}

impl Args {
    pub(super) fn schedule(&self, registry: &Registry) -> Result<Schedule, Failure> {
        let record = self.job.record(JobId::from_bytes([0; 16]), registry)?;
        let schedule = self.timing.schedule()?.record(record);
        schedule.check()?;
        Ok(schedule)
    }
}

pub(super) async fn add(place: &Place, args: &Args, schedule: Schedule) -> Result<(), Failure> {
    check_end(place, args)?;
    let name = args.name.as_str();
    if let Err(fault) = place.timetable.add(name, schedule).await {
        let is_ours = match place.timetable.get(name).await {
            Ok(Some(view)) => view.source == Source::Operator,
            _ => false,
        };
        if fault.kind() == ErrorKind::Conflict && is_ours {
            return Err(Failure::failed(format!("{fault} by `jobq schedule change {name}`")));
        }
        return Err(fault.into());
    }
    tell(place, args, "added").await
}

/// Refuses an end that is past.
fn check_end(place: &Place, args: &Args) -> Result<(), Failure> {
    let now = place.store.backend.clock().now();
    match args.timing.ends_at.filter(|end| *end <= now) {
        Some(end) => Err(Failure::Usage(format!("--ends-at {end} is past: it would never fire"))),
        None => Ok(()),
    }
}

pub(super) async fn change(place: &Place, args: &Args, schedule: Schedule) -> Result<(), Failure> {
    check_end(place, args)?;
    match place.timetable.change(args.name.as_str(), schedule).await {
        Ok(()) => tell(place, args, "changed").await,
        Err(fault) => Err(place.explain(fault).await),
    }
}

async fn tell(place: &Place, args: &Args, state: &str) -> Result<(), Failure> {
    let name = &args.name;
    let view = place.timetable.get(name.as_str()).await?;
    if args.json_output {
        let group = place.group.as_str();
        output::json(&json!({
            "name": name.as_str(),
            "group": group,
            "state": state,
            "description": view.as_ref().map(|view| view.description.as_str()),
            "next_at": view.and_then(|view| view.next_at).map(|at| at.to_string()),
        }))?;
        return Ok(());
    }
    let when = view.map_or_else(String::new, |view| format!(": {}", view.description));
    output::line(&format!("schedule {name} of group {} is {state}{when}", place.group))?;
    Ok(())
}
