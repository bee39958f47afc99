//! `jobq schedule pause` and `resume`.

use jobq_core::ScheduleName;
use serde_json::json;

use super::Place;
use crate::cli::exit::Failure;
use crate::cli::output;

/// What both take.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the schedule.
    name: ScheduleName,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// What is done to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Switch {
    Pause,
    Resume,
}

impl Switch {
    /// What it is then.
    const fn state(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
        }
    }
}

pub(super) async fn run(place: &Place, args: &Args, switch: Switch) -> Result<(), Failure> {
    let (timetable, name) = (&place.timetable, args.name.as_str());
    let done = match switch {
        Switch::Pause => timetable.pause(name).await,
        Switch::Resume => timetable.resume(name).await,
    };
    if let Err(fault) = done {
        return Err(place.explain(fault).await);
    }
    if args.json {
        let group = place.group.as_str();
        output::json(&json!({ "name": name, "group": group, "state": switch.state() }))?;
    } else {
        output::line(&format!("schedule {name} of group {} is {}", place.group, switch.state()))?;
    }
    Ok(())
}
