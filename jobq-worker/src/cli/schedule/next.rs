//! `jobq schedule next`: when a schedule is to run next.

use jobq_core::{ScheduleName, Timestamp};
use jobq_scheduler::{ScheduleView, instant};
use serde_json::{Value, json};

use super::Place;
use crate::cli::exit::Failure;
use crate::cli::numbers::within;
use crate::cli::output::{self, Column};

/// The most times that are worked out.
const MOST: u64 = 10_000;

/// What `next` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of the schedule.
    name: ScheduleName,
    /// How many times, at most 10,000.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10,
        value_parser = within::<usize>(1, MOST))]
    count: usize,
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(place: &Place, args: &Args) -> Result<(), Failure> {
    let name = args.name.as_str();
    let times = match place.timetable.next(name, args.count).await {
        Ok(times) => times,
        Err(fault) => return Err(place.explain(fault).await),
    };
    let Some(view) = place.timetable.get(name).await? else {
        return Err(Failure::failed(format!("schedule {name} was removed just now")));
    };
    if args.json {
        output::json(&as_json(&times, &view))?;
    } else if times.is_empty() {
        output::line(&format!("schedule {name} has come to its end"))?;
    } else {
        let now = place.store.backend.clock().now();
        output::table(&COLUMNS, as_rows(&times, &view, now))?;
        if view.paused {
            output::line("but it is paused: see `jobq schedule resume`")?;
        }
    }
    Ok(())
}

const COLUMNS: [Column; 2] = [Column::Text("next run"), Column::Number("in")];

fn as_rows(times: &[Timestamp], view: &ScheduleView, now: Timestamp) -> Vec<Vec<String>> {
    let row =
        |at: &Timestamp| vec![instant::text(*at, view.timezone.as_deref()), output::span(now, *at)];
    times.iter().map(row).collect()
}

fn as_json(times: &[Timestamp], view: &ScheduleView) -> Value {
    let one = |at: &Timestamp| {
        json!({
            "at": at.to_string(),
            "local": instant::text(*at, view.timezone.as_deref()),
        })
    };
    times.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::schedule::list::tests::shop;

    #[tokio::test]
    async fn times_are_shown_by_the_clocks_of_the_zone() {
        let (place, clock) = shop().await;
        let times = place.timetable.next("prune", 2).await.unwrap();
        let view = place.timetable.get("prune").await.unwrap().unwrap();
        let now = jobq_core::Clock::now(&clock);

        assert_eq!(
            output::render(&COLUMNS, as_rows(&times, &view, now)),
            " next run                   in\n \
             2027-01-19T02:00:00+01:00  1d\n \
             2027-01-20T02:00:00+01:00  2d"
        );
        assert_eq!(
            as_json(&times, &view).to_string(),
            r#"[{"at":"2027-01-19T01:00:00.000Z","local":"2027-01-19T02:00:00+01:00"},{"at":"2027-01-20T01:00:00.000Z","local":"2027-01-20T02:00:00+01:00"}]"#
        );
    }
}
