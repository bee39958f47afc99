//! `jobq schedule list`.

use jobq_core::schedules::TickOutcome;
use jobq_core::{JobId, ScheduleName, Timestamp};
use jobq_scheduler::{ScheduleView, instant};
use serde_json::{Value, json};

use super::Place;
use crate::cli::exit::Failure;
use crate::cli::numbers::within;
use crate::cli::output::{self, Column};

/// What `list` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many schedules are shown, by name, 20000 at most.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 20_000))]
    limit: u64,
    /// Only those after this one.
    #[arg(long, value_name = "NAME")]
    after: Option<ScheduleName>,
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<(), Failure> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let after = args.after.as_ref();
    let mut views = place.timetable.list_after(after, limit.saturating_add(1)).await?;
    let is_cut = views.len() > limit;
    views.truncate(limit);
    if args.json {
        output::json(&views.iter().map(|view| as_json(view, place)).collect())?;
    } else if views.is_empty() {
        output::line(&nothing(place, after).await?)?;
    } else {
        output::table(&COLUMNS, views.iter().map(as_row).collect())?;
        if let Some(last) = views.last().filter(|_| is_cut) {
            output::note(&format!("and more: --after {}", last.name))?;
        }
    }
    Ok(())
}

async fn nothing(place: &Place, after: Option<&ScheduleName>) -> Result<String, Failure> {
    let group = &place.group;
    Ok(match (after, place.others().await?) {
        (Some(name), _) => format!("group {group} has no schedule after {name}"),
        (None, Some(others)) => format!("group {group} has no schedules ({others})"),
        (None, None) => format!(
            "group {group} has no schedules: code and jobq.toml declare them, and `jobq schedule add` adds \
             them"
        ),
    })
}

const COLUMNS: [Column; 9] = [
    Column::Text("name"),
    Column::Text("runs"),
    Column::Text("zone"),
    Column::Text("job"),
    Column::Text("next run"),
    Column::Text("last run"),
    Column::Text("outcome"),
    Column::Text("by"),
    Column::Text(""),
];

fn as_row(view: &ScheduleView) -> Vec<String> {
    let zone = view.timezone.as_deref();
    let instant =
        |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| instant::text(at, zone));
    let with_zone = format!(", {}", zone.unwrap_or_default());
    vec![
        view.name.to_string(),
        view.description.strip_suffix(&with_zone).unwrap_or(&view.description).to_owned(),
        zone.unwrap_or("-").to_owned(),
        format!("{} on {}", view.kind, view.queue),
        instant(view.next_at),
        instant(view.acted_at),
        view.outcome.map_or("-", TickOutcome::as_str).to_owned(),
        view.source.to_string(),
        if view.paused { "paused" } else { "" }.to_owned(),
    ]
}

fn as_json(view: &ScheduleView, place: &Place) -> Value {
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "name": view.name.as_str(),
        "group": place.group.as_str(),
        "description": view.description,
        "timezone": view.timezone,
        "kind": view.kind.as_str(),
        "queue": view.queue.as_str(),
        "source": view.source.as_str(),
        "paused": view.paused,
        "catch_up": view.catch_up.to_string(),
        "overlap": view.overlap.as_str(),
        "next_at": instant(view.next_at),
        "last_tick": instant(view.last_tick),
        "last_at": instant(view.acted_at),
        "outcome": view.outcome.map(TickOutcome::as_str),
        "last_job": view.last_job.map(|id: JobId| id.to_string()),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use jobq_core::{
        Clock, GroupName, JobRecord, Kind, ManualClock, MemoryBackend, Payload, QueueName,
    };
    use jobq_scheduler::{CatchUp, Schedule};

    use super::*;
    use crate::cli::connect::Store;

    /// A Monday, 02:00 in Warsaw.
    const MONDAY: Timestamp = Timestamp::from_millis(1_800_234_000_000);

    /// A shop with a schedule of its code that has run, and one of an operator that is paused.
    pub(in crate::cli::schedule) async fn shop() -> (Place, ManualClock) {
        let clock = ManualClock::starting_at(MONDAY - Duration::from_secs(60));
        let store = Store::of(MemoryBackend::with_clock(clock.clone()));
        let group = GroupName::new("shop").unwrap();
        let timetable = store.schedules.timetable(&group).unwrap();
        let job = |kind: &str, queue: &str| {
            let payload = Payload::from_json("{}").unwrap();
            let (queue, kind) = (QueueName::new(queue).unwrap(), Kind::new(kind).unwrap());
            JobRecord::new(JobId::from_key(""), queue, kind, payload)
        };
        let prune = Schedule::daily_at("02:00").timezone("Europe/Warsaw").catch_up(CatchUp::skip());
        let prune = prune.without_overlapping().record(job("prune_failed", "default"));
        let scheduler =
            || store.schedules.scheduler().group("shop").schedule("prune", prune.clone());
        scheduler().run_once().await.unwrap();
        clock.advance(Duration::from_secs(60));
        scheduler().run_once().await.unwrap();
        let sync = Schedule::every(Duration::from_secs(1_800)).record(job("sync", "integrations"));
        timetable.add("sync", sync).await.unwrap();
        timetable.pause("sync").await.unwrap();
        (Place { store, timetable, group, at: "here".to_owned() }, clock)
    }

    #[tokio::test]
    async fn a_schedule_is_one_row() {
        let (place, clock) = shop().await;
        assert_eq!(clock.now(), MONDAY);
        let views = place.timetable.list().await.unwrap();

        let table = output::render(&COLUMNS, views.iter().map(as_row).collect());

        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                " name   runs                zone           job                      next run                   last run                   outcome   by",
                " prune  at 02:00 every day  Europe/Warsaw  prune_failed on default  2027-01-19T02:00:00+01:00  2027-01-18T02:00:00+01:00  enqueued  code",
                " sync   every 30 minutes    -              sync on integrations     -                          -                          -         operator  paused",
            ]
        );
    }

    #[tokio::test]
    async fn programs_get_all_that_is_known() {
        let (place, _) = shop().await;
        let views = place.timetable.list().await.unwrap();

        let id = views[0].last_job.unwrap();
        assert_eq!(
            as_json(&views[0], &place),
            json!({
                "name": "prune",
                "group": "shop",
                "description": "at 02:00 every day, Europe/Warsaw",
                "timezone": "Europe/Warsaw",
                "kind": "prune_failed",
                "queue": "default",
                "source": "code",
                "paused": false,
                "catch_up": "skip",
                "overlap": "skip",
                "next_at": "2027-01-19T01:00:00.000Z",
                "last_tick": "2027-01-18T01:00:00.000Z",
                "last_at": "2027-01-18T01:00:00.000Z",
                "outcome": "enqueued",
                "last_job": id.to_string(),
            })
        );
        let sync = as_json(&views[1], &place);
        assert_eq!((&sync["paused"], &sync["next_at"]), (&json!(true), &Value::Null));
        assert_eq!((&sync["catch_up"], &sync["overlap"]), (&json!("last"), &json!("allow")));
    }

    #[tokio::test]
    async fn a_group_without_schedules_says_which_have_some() {
        let (mut place, _) = shop().await;
        place.group = GroupName::new("default").unwrap();

        let told = nothing(&place, None).await.unwrap();
        assert_eq!(told, "group default has no schedules (there is group shop: see --group)");
    }
}
