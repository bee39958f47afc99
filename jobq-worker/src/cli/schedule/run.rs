//! `jobq schedule run`: the job of a schedule, now.

use jobq_core::{GroupName, ScheduleName};
use jobq_scheduler::RunNow;
use serde_json::{Value, json};

use super::Place;
use crate::cli::exit::Failure;
use crate::cli::output;

/// What `run` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the schedule.
    name: ScheduleName,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<(), Failure> {
    let outcome = match place.timetable.run(args.name.as_str()).await {
        Ok(outcome) => outcome,
        Err(fault) => return Err(place.explain(fault).await),
    };
    let printed = if args.json {
        output::json(&as_json(&args.name, &place.group, &outcome))
    } else {
        output::line(&sentence(&args.name, &outcome))
    };
    // Whoever does not learn of it would run it again.
    if let (Err(error), RunNow::Enqueued(id)) = (&printed, &outcome) {
        return Err(Failure::failed(format!("cannot write: {error}; job {id} was enqueued")));
    }
    printed?;
    match outcome {
        RunNow::LeftOut => Err(Failure::Told),
        _ => Ok(()),
    }
}

fn sentence(name: &ScheduleName, outcome: &RunNow) -> String {
    match outcome {
        RunNow::Enqueued(id) => id.to_string(),
        RunNow::Duplicate(job) => format!("{job}  was there already"),
        RunNow::LeftOut => format!(
            "nothing was enqueued: a job of schedule {name} is still live, and they must not overlap"
        ),
        _ => "it was run, with an outcome that this version does not know".to_owned(),
    }
}

fn as_json(name: &ScheduleName, group: &GroupName, outcome: &RunNow) -> Value {
    let (word, id) = match outcome {
        RunNow::Enqueued(id) => ("enqueued", Some(id.to_string())),
        RunNow::Duplicate(job) => ("duplicate", Some(job.id.to_string())),
        RunNow::LeftOut => ("left_out", None),
        _ => ("unknown", None),
    };
    json!({ "name": name.as_str(), "group": group.as_str(), "outcome": word, "id": id })
}

#[cfg(test)]
mod tests {
    use jobq_core::{JobId, JobRef, QueueName};

    use super::*;

    #[test]
    fn what_became_of_it_is_told() {
        let (name, id) = (ScheduleName::new("prune").unwrap(), JobId::from_key("x"));
        let other = JobRef::new(QueueName::new("mail").unwrap(), id);

        let group = GroupName::new("shop").unwrap();
        let told = |outcome| {
            let value = as_json(&name, &group, &outcome);
            assert_eq!(value["group"], "shop");
            (sentence(&name, &outcome), value["outcome"].clone())
        };
        assert_eq!(told(RunNow::Enqueued(id)), (id.to_string(), "enqueued".into()));
        assert_eq!(
            told(RunNow::Duplicate(other)),
            (format!("mail/{id}  was there already"), "duplicate".into())
        );
        let (left_out, word) = told(RunNow::LeftOut);
        assert!(
            left_out.starts_with("nothing was enqueued: a job of schedule prune is still live")
        );
        assert_eq!(word, "left_out");
    }
}
