//! `[schedules.NAME]` and `[scheduler]` of `jobq.toml`.

use std::collections::BTreeMap;

use jobq_core::{GroupName, JobId, Kind, LaneKey, Payload, QueueName, ScheduleName};
use jobq_scheduler::{CatchUp, Overlap, Schedule};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::complaint::line_of;
use super::values::{Cost, Cron, DailyAt, Instant, Kept, Level, Mode, Text, Time, Whole, Zone};
use crate::cli::exit::Failure;
use crate::cli::job::JobOptions;
use crate::cli::schedule::TimingArgs;
use crate::registry::Registry;

/// The schedules that a file declares.
#[derive(Debug, Default)]
pub(in crate::cli) struct FileSchedules {
    /// The file, as people named it.
    pub(in crate::cli) path: String,
    pub(in crate::cli) named: Vec<(ScheduleName, Schedule)>,
}

/// `[scheduler]`: what holds for all schedules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchedulerTable {
    pub(super) group: Option<GroupName>,
}

/// `[schedules]`: each under its name.
pub(super) type ScheduleTables = BTreeMap<Spanned<String>, ScheduleTable>;

/// `[schedules.NAME]`. What is wrong with a single value is told with its line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTable {
    cron: Option<Cron>,
    every: Option<Time>,
    daily_at: Option<DailyAt>,
    timezone: Option<Zone>,
    starts_at: Option<Instant>,
    ends_at: Option<Instant>,
    jitter: Option<Time>,
    catch_up: Option<Text<CatchUp>>,
    overlap: Option<Text<Overlap>>,
    kind: Kind,
    payload: Option<toml::Value>,
    queue: Option<QueueName>,
    priority: Option<Level>,
    max_attempts: Option<Whole<1, 65_535>>,
    timeout: Option<Time>,
    retention: Option<Kept>,
    lane: Option<LaneKey>,
    cost: Option<Cost>,
    unique: Option<toml::Value>,
    unique_mode: Option<Mode>,
    #[serde(default)]
    unique_everywhere: bool,
}

impl FileSchedules {
    /// Schedules as they are declared; what is wrong with one as a whole is told with its first line.
    pub(super) fn of(
        tables: ScheduleTables,
        (path, text): (&str, &str),
        registry: &Registry,
        faults: &mut Vec<String>,
    ) -> Self {
        let mut named = Vec::new();
        for (name, table) in tables {
            let line = line_of(text, name.span().start);
            let checked = ScheduleName::new(name.get_ref()).map_err(|fault| fault.to_string());
            let schedule = checked.and_then(|name| {
                let schedule = table.schedule(registry);
                Ok((name.clone(), schedule.map_err(|fault| format!("schedule {name:?}: {fault}"))?))
            });
            match schedule {
                Ok(schedule) => named.push(schedule),
                Err(fault) => faults.push(format!("line {line}: {fault}")),
            }
        }
        Self { path: path.to_owned(), named }
    }
}

impl ScheduleTable {
    fn schedule(self, registry: &Registry) -> Result<Schedule, String> {
        let (timing, job) = (self.timing(), self.job(registry));
        // All that is wrong with it at once.
        match (timing, job) {
            (Ok(timing), Ok(job)) => {
                let schedule = timing.record(job);
                schedule.check().map_err(|fault| fault.to_string())?;
                Ok(schedule)
            }
            (Err(fault), Ok(_)) | (Ok(_), Err(fault)) => Err(fault),
            (Err(fault), Err(other)) => Err(format!("{fault}; {other}")),
        }
    }

    fn timing(&self) -> Result<Schedule, String> {
        let mut timing = TimingArgs::default();
        timing.rhythm.cron = self.cron.as_ref().map(|Cron(text)| text.clone());
        timing.rhythm.every = self.every.as_ref().map(|Time(time)| *time);
        timing.rhythm.daily_at = self.daily_at.as_ref().map(|DailyAt(text)| text.clone());
        timing.timezone = self.timezone.as_ref().map(|Zone(name)| name.clone());
        timing.starts_at = self.starts_at.map(|Instant(at)| at);
        timing.ends_at = self.ends_at.map(|Instant(at)| at);
        timing.jitter = self.jitter.as_ref().map(|Time(time)| *time);
        timing.catch_up = self.catch_up.map(|Text(policy)| policy);
        timing.overlap = self.overlap.map(|Text(policy)| policy);
        let schedule = timing.schedule().map_err(said)?;
        schedule.timing().map_err(|fault| fault.to_string())?;
        Ok(schedule)
    }

    fn job(self, registry: &Registry) -> Result<jobq_core::JobRecord, String> {
        let arguments = self.payload.unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
        let payload = Payload::from_json(&json(arguments)?.to_string());
        let options = JobOptions {
            queue: self.queue,
            priority: self.priority.map(|Level(level)| level),
            max_attempts: self.max_attempts.map(Whole::number),
            timeout: self.timeout.map(|Time(time)| time),
            retention: self.retention.map(|Kept(time)| time),
            lane: self.lane,
            cost: self.cost.map(Whole::number),
            unique: self.unique.map(json).transpose()?.map(|value| value.to_string()),
            unique_mode: self.unique_mode.map(|Mode(mode)| mode),
            unique_everywhere: self.unique_everywhere,
        };
        let payload = payload.map_err(|fault| fault.to_string())?;
        options.record(self.kind, JobId::from_bytes([0; 16]), payload, registry).map_err(said)
    }
}

/// A failure that is told as part of a longer list.
fn said(failure: Failure) -> String {
    match failure {
        Failure::Usage(why) | Failure::Failed(why) => why,
        Failure::Told => String::new(),
    }
}

/// A value of TOML as `jobq enqueue --json` takes it. Dates and times become text.
fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{number} cannot be given to a job"))?,
        toml::Value::Boolean(is) => Value::Bool(is),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(values) => {
            Value::Array(values.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(pairs.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jobq_core::Job;
    use jobq_scheduler::instant;
    use serde::Serialize;

    use super::super::Config;
    use super::*;
    use crate::cli::config::tests::without_columns;

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "prune_failed", queue = "maintenance", max_attempts = 7)]
    struct PruneFailed {
        hours: u32,
    }

    async fn prune_failed(_: PruneFailed) {}

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("jobq.toml", text, &Registry::new().handle(prune_failed))
    }

    fn schedules(text: &str) -> Vec<(String, String)> {
        let named = parse(text).unwrap().schedules.named.into_iter();
        named.map(|(name, it)| (name.to_string(), it.timing().unwrap().to_string())).collect()
    }

    #[test]
    fn schedules_are_read_with_all_that_they_say() {
        let text = r#"
            [scheduler]
            group = "shop"

            [schedules.prune]
            cron = "0 2 * * *"
            timezone = "Europe/Warsaw"
            kind = "prune_failed"
            payload = { hours = 168 }
            queue = "default"
            priority = 5
            max_attempts = 3
            timeout = "30s"
            retention = "1d"
            lane = "7"
            cost = 2
            unique = ["nightly"]
            unique_mode = "until_started"
            unique_everywhere = true
            catch_up = "all 24 within 2d"
            overlap = "skip"
            jitter = "30s"
            starts_at = 2026-12-01T06:00:00+01:00
            ends_at = "2036-12-01T06:00:00Z"

            [schedules.sync]
            every = "30m"
            kind = "sync"

            [schedules.report]
            daily_at = "06:30"
            kind = "report"
            payload = { to = ["a", "b"], since = 2026-01-01, rate = 0.5, nested = { deep = true } }
        "#;

        assert_eq!(parse(text).unwrap().group.unwrap().as_str(), "shop");
        let expected = [
            ("prune", "at 02:00 every day, Europe/Warsaw"),
            ("report", "at 06:30 every day, UTC"),
            ("sync", "every 30 minutes"),
        ];
        assert_eq!(schedules(text), expected.map(|(name, it)| (name.to_owned(), it.to_owned())));
        let prune = parse(text).unwrap().schedules.named.swap_remove(0).1;
        let by_hand = Schedule::cron("0 2 * * *")
            .timezone("Europe/Warsaw")
            .jitter(Duration::from_secs(30))
            .catch_up(CatchUp::all(24).within(Duration::from_secs(2 * 86_400)))
            .without_overlapping()
            .starts_at(instant::parse("2026-12-01T05:00:00Z").unwrap())
            .ends_at(instant::parse("2036-12-01T06:00:00Z").unwrap());
        let without_job = |text: String| text.split("job: ").next().unwrap().to_owned();
        assert_eq!(without_job(format!("{prune:?}")), without_job(format!("{by_hand:?}")));
    }

    #[test]
    fn a_payload_is_what_enqueue_makes_of_it() {
        let table: toml::Value = toml::from_str(
            "hours = 168\nlist = [1, -2.5]\nat = 2026-01-01T00:00:00Z\n[nested]\nis = true",
        )
        .unwrap();

        assert_eq!(
            json(table).unwrap(),
            serde_json::json!({
                "hours": 168, "list": [1, -2.5], "at": "2026-01-01T00:00:00Z", "nested": { "is": true }
            })
        );
        let told = json(toml::Value::Float(f64::INFINITY)).unwrap_err();
        assert_eq!(told, "inf cannot be given to a job");
    }

    #[test]
    fn mistakes_are_told_with_line_table_and_field() {
        let prune = "[schedules.prune]\nkind = \"prune_failed\"\npayload = { hours = 1 }\n";
        for (text, complaint) in [
            (
                format!("{prune}cron = \"61 * * * *\""),
                "jobq.toml, line 4: cron expression \"61 * * * *\": minute \"61\": 61 is not 0 to 59",
            ),
            (
                format!("{prune}cron = \"0 0 30 2 *\""),
                "jobq.toml, line 4: cron expression \"0 0 30 2 *\"",
            ),
            (
                format!("{prune}daily_at = \"02:00\"\ntimezone = \"Europe/Warsa\""),
                "jobq.toml, line 5: time zone \"Europe/Warsa\" is not known: did you mean \
                 \"Europe/Warsaw\"?",
            ),
            (
                format!("{prune}daily_at = \"25:00\""),
                "jobq.toml, line 4: \"25:00\" is not a time of day",
            ),
            (format!("{prune}every = \"soon\""), "jobq.toml, line 4: \"soon\" is not a duration"),
            (
                format!("{prune}daily_at = \"02:00\"\ntime_zone = \"UTC\""),
                "jobq.toml, line 5: unknown key \"time_zone\": did you mean \"timezone\"?",
            ),
            (
                format!("{prune}every = \"1h\"\noverlap = \"skp\""),
                "jobq.toml, line 5: \"skp\" is no policy for overlapping: did you mean \"skip\"?",
            ),
            (
                format!("{prune}every = \"1h\"\ncatch_up = \"everything\""),
                "jobq.toml, line 5: \"everything\" does not say what is made up for",
            ),
            (
                format!("{prune}every = \"1h\"\nstarts_at = \"tomorrow\""),
                "jobq.toml, line 5: \"tomorrow\" is not an instant",
            ),
            (format!("{prune}every = \"1h\"\npriority = 16"), "jobq.toml, line 5: "),
            (
                prune.to_owned(),
                "jobq.toml, line 1: schedule \"prune\": say one of cron, every and daily_at",
            ),
            (
                format!("{prune}every = \"1h\"\ncron = \"* * * * *\""),
                "jobq.toml, line 1: schedule \"prune\": say one of cron, every and daily_at",
            ),
            (
                format!("\n\n{prune}every = \"1h\"\ntimezone = \"UTC\""),
                "jobq.toml, line 3: schedule \"prune\": an interval counts elapsed time and takes no \
                 time zone",
            ),
            (
                format!(
                    "{prune}daily_at = \"02:00\"\nstarts_at = 2026-12-01T03:00:00Z\nends_at = \
                         2026-12-02T01:00:00Z"
                ),
                "jobq.toml, line 1: schedule \"prune\": never fires: there is no tick",
            ),
            (
                "[schedules.prune]\nevery = \"1h\"".to_owned(),
                "jobq.toml, line 1: missing field `kind`",
            ),
            (
                "[schedules.prune]\nkind = \"prune_failed\"\nevery = \"1h\"".to_owned(),
                "jobq.toml, line 1: schedule \"prune\": ",
            ),
            (
                "[schedules.prune]\nkind = \"command\"\nevery = \"1h\"\npayload = { programme = \
                 \"ls\" }"
                    .to_owned(),
                "jobq.toml, line 1: schedule \"prune\": ",
            ),
            (
                "[schedules.\"a b\"]\nkind = \"x\"\nevery = \"1h\"".to_owned(),
                "jobq.toml, line 1: schedule name \"a b\" may hold only",
            ),
            (format!("{prune}every = \"1h\"\n{prune}"), "jobq.toml, line 5: "),
            (
                "[scheduler]\ngrup = \"shop\"".to_owned(),
                "jobq.toml, line 2: unknown key \"grup\": did you mean \"group\"?",
            ),
            (
                "[schedule.prune]".to_owned(),
                "jobq.toml, line 1: unknown key \"schedule\": did you mean \"schedule",
            ),
        ] {
            let told = without_columns(&parse(&text).unwrap_err());
            assert!(told.starts_with(complaint), "{text:?}: {told}");
            assert!(!told.contains('\n'), "{told:?}");
        }
    }

    #[test]
    fn all_schedules_that_are_wrong_are_told_at_once() {
        let told = parse("[schedules.a]\nkind = \"x\"\n[schedules.b]\nkind = \"x\"").unwrap_err();
        assert_eq!(
            told,
            "jobq.toml, line 1: schedule \"a\": say one of cron, every and daily_at; line 3: schedule \
             \"b\": say one of cron, every and daily_at"
        );
    }
}
