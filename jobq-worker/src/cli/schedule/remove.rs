//! `jobq schedule remove`: one that an operator has added is removed.

use jobq_core::ScheduleName;
use jobq_scheduler::Source;
use serde_json::json;

use super::Place;
use crate::cli::consent::Consent;
use crate::cli::exit::Failure;
use crate::cli::output;

/// What `remove` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the schedule.
    name: ScheduleName,
    #[command(flatten)]
    consent: Consent,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.consent.check("removes a schedule")
    }
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<(), Failure> {
    let (timetable, name, group) = (&place.timetable, args.name.as_str(), &place.group);
    // Whether it is there, or what was meant.
    if let Err(fault) = timetable.next(name, 1).await {
        return Err(place.explain(fault).await);
    }
    let view = timetable.get(name).await?;
    let of_code = view.as_ref().is_some_and(|view| view.source == Source::Code);
    let is_dry_run = args.consent.is_dry_run();
    if of_code && is_dry_run {
        return Err(Failure::failed(format!(
            "schedule {name:?} is declared by code: change it there, or pause it"
        )));
    }
    if !is_dry_run {
        if let (false, Some(view)) = (of_code, view) {
            let (when, at) = (view.description, &place.at);
            args.consent
                .ask(&format!("remove schedule {name} of group {group} ({when}) at {at}?"))?;
        }
        if let Err(fault) = timetable.remove(name).await {
            return Err(place.explain(fault).await);
        }
    }
    let (state, sentence) = match is_dry_run {
        true => ("would_be_removed", "would be removed"),
        false => ("removed", "is removed"),
    };
    if args.json {
        output::json(&json!({
            "name": name, "group": group.as_str(), "state": state, "dry_run": is_dry_run,
        }))?;
    } else {
        output::line(&format!("schedule {name} of group {group} {sentence}"))?;
    }
    Ok(())
}
