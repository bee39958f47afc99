//! `jobq.toml`: what is set once for all commands. [`cli`](super) shows one.

mod file;
#[cfg(test)]
mod fuzz;
mod schedules;
mod values;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;

use jobq_core::{GroupName, LaneKey, LimitName, LimitScope, Limits, QueueName, Rate};
use serde::Deserialize;

use self::schedules::{FileSchedules, ScheduleTables, SchedulerTable};
use self::values::{Failures, Text};
pub(super) use self::work::WorkTable;
use super::connect::OF_ALL;
use super::exit::Failure;
use super::nearest;
use crate::given_limits::{self, GivenLimits};
use crate::registry::Registry;

/// Where the file is, as every command takes it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The file that says what is set for all commands; by default `jobq.toml`, if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "JOBQ_CONFIG", help_heading = OF_ALL)]
    config: Option<PathBuf>,
}

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Where the jobs are.
    pub(super) backend: Option<String>,
    /// What the keys in Redis begin with.
    pub(super) prefix: Option<String>,
    /// What is set for workers.
    pub(super) work: WorkTable,
    /// Where to serve health.
    pub(super) listen: Option<String>,
    /// Limits that hold whenever a worker starts.
    pub(super) limits: Vec<(LimitScope, Limits)>,
    /// The group of schedules, unless another one is asked for.
    pub(super) group: Option<GroupName>,
    /// Schedules that are declared whenever a scheduler starts.
    pub(super) schedules: FileSchedules,
}

impl ConfigFile {
    /// Reads it, and refuses whatever it says that makes no sense.
    pub(super) fn read(&self, registry: &Registry) -> Result<Config, Failure> {
        let read = file::read(self.config.as_deref());
        let (path, text) = read.map_err(Failure::Usage)?;
        Config::parse(&path, &text, registry).map_err(Failure::Usage)
    }
}

impl Config {
    pub(super) fn parse(path: &str, text: &str, registry: &Registry) -> Result<Self, String> {
        let mut file: File = toml::from_str(text).map_err(|error| complaint(path, text, &error))?;
        let (group, tables) = (file.scheduler.group.take(), std::mem::take(&mut file.schedules));
        let mut faults = Vec::new();
        let work = std::mem::take(&mut file.work);
        let [backend, prefix, listen] =
            [&mut file.backend, &mut file.prefix, &mut file.listen].map(Option::take);
        let limits = given_limits::check(file.limits(), &mut faults);
        if !faults.is_empty() {
            return Err(format!("{path}: {}", faults.join("; ")));
        }
        let schedules = FileSchedules::of(tables, (path, text), registry, &mut faults);
        if !faults.is_empty() {
            return Err(format!("{path}, {}", faults.join("; ")));
        }
        Ok(Self { backend, prefix, work, listen, limits, group, schedules })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    backend: Option<String>,
    prefix: Option<String>,
    listen: Option<String>,
    #[serde(default)]
    work: WorkTable,
    #[serde(default)]
    queues: BTreeMap<String, QueueTable>,
    #[serde(default)]
    limits: BTreeMap<String, SharedTable>,
    #[serde(default)]
    scheduler: SchedulerTable,
    #[serde(default)]
    schedules: ScheduleTables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueTable {
    concurrency: Option<u32>,
    rate: Option<Text<Rate>>,
    max_size: Option<u64>,
    shared: Option<String>,
    lanes: Option<LaneTable>,
    #[serde(default)]
    lane: BTreeMap<String, LaneTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LaneTable {
    concurrency: Option<u32>,
    rate: Option<Text<Rate>>,
    max_size: Option<u64>,
    weight: Option<u16>,
    breaker: Option<Failures>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedTable {
    concurrency: Option<u32>,
    rate: Option<Text<Rate>>,
}

impl File {
    fn limits(self) -> Vec<GivenLimits> {
        let mut given = Vec::new();
        for (name, queue) in self.queues {
            match QueueName::new(name) {
                Ok(name) => queue.limits(&name, &mut given),
                Err(fault) => given.push((Err(fault.to_string()), Limits::new())),
            }
        }
        for (name, shared) in self.limits {
            let scope = LimitName::new(name).map(LimitScope::Shared);
            given.push((scope.map_err(|fault| fault.to_string()), shared.limits()));
        }
        given
    }
}

impl QueueTable {
    /// A queue that the file names has just the limits that the file says, so what it does not say is
    /// set to none.
    fn limits(self, queue: &QueueName, given: &mut Vec<GivenLimits>) {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency;
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits.max_size = self.max_size;
        match self.shared.map(LimitName::new).transpose() {
            Ok(name) => limits.shared = name,
            Err(fault) => given.push((Err(fault.to_string()), Limits::new())),
        }
        given.push((Ok(LimitScope::Queue(queue.clone())), limits));
        let lanes = self.lanes.map_or_else(Limits::new, LaneTable::limits);
        given.push((Ok(LimitScope::Lanes(queue.clone())), lanes));
        for (key, lane) in self.lane {
            let scope = LaneKey::new(key).map(|key| LimitScope::Lane(queue.clone(), key));
            given.push((scope.map_err(|fault| fault.to_string()), lane.limits()));
        }
    }
}

impl LaneTable {
    fn limits(self) -> Limits {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency;
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits.max_size = self.max_size;
        limits.weight = self.weight;
        limits.breaker = self.breaker.map(|Failures(breaker)| breaker);
        limits
    }
}

impl SharedTable {
    fn limits(self) -> Limits {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency;
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits
    }
}

/// What is wrong, and where, in one line.
fn complaint(path: &str, text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let what =
        unknown_key(message).unwrap_or_else(|| in_words_of_toml(message).replace('\n', "; "));
    match error.span() {
        Some(span) => {
            let (line, column) = (line_of(text, span.start), column_of(text, span.start));
            format!("{path}, line {line}, column {column}: {what}")
        }
        None => format!("{path}: {what}"),
    }
}

/// What serde says of a value of a wrong type, which it names as Rust does.
fn in_words_of_toml(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let found = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| found.strip_prefix(start))
        .unwrap_or(found);
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let kind = match kind {
        "sequence" => "list",
        "map" => "table",
        "integer" => "number",
        kind => kind,
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        "a string" => "a text in quotes",
        "a map" => "a table",
        "a boolean" => "true or false",
        other if other.starts_with("struct ") => "a table",
        other => other,
    };
    format!("{expected} is expected, not {}", format!("{kind} {value}").trim_end())
}

/// In which line a place in a text is.
fn line_of(text: &str, place: usize) -> usize {
    text.get(..place).unwrap_or(text).matches('\n').count() + 1
}

/// In which column of its line a place in a text is, in letters.
fn column_of(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
}

/// What serde says of an unknown key, with the one that was probably meant.
fn unknown_key(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(format!("unknown key {key:?}: {}", nearest::hint(key, &known)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use jobq_core::Breaker;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse("jobq.toml", text, &Registry::new())
    }

    /// What is told without the columns, which are looked at elsewhere.
    pub(super) fn without_columns(told: &str) -> String {
        let mut parts = told.split(", column ");
        let first = parts.next().unwrap_or_default().to_owned();
        let digit = |c: char| c.is_ascii_digit();
        parts.fold(first, |told, part| told + part.trim_start_matches(digit))
    }

    #[test]
    fn what_the_documentation_shows_is_read() {
        let shown: Vec<&str> =
            include_str!("../mod.rs").lines().map_while(|line| line.strip_prefix("//!")).collect();
        let text = shown.join("\n");
        let blocks: Vec<&str> =
            text.split("```toml").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() >= 4, "{}", blocks.len());
        for block in blocks {
            if let Err(fault) = parse(block) {
                panic!("{block}: {fault}");
            }
        }
    }

    #[test]
    fn the_place_of_a_mistake_is_told_by_line_and_column() {
        for (text, place) in [
            ("[queues.crm]\n  weight = 5", "line 2, column 3: unknown key"),
            ("[queues.crm]\nrate = \"often\"", "line 2, column 8: \"often\" is not a rate"),
            ("# żółw\n[limits.\"żółw\"]\nrat = 1", "line 3, column 1: unknown key \"rat\""),
            ("[scheduler]\ngroup = \"ż\", x = 1", "line 2, column 12: "),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.starts_with(&format!("jobq.toml, {place}")), "{told}");
        }
    }

    fn scope_and_limits(text: &str) -> Vec<(String, Limits)> {
        let config = parse(text).unwrap();
        config.limits.into_iter().map(|(scope, limits)| (scope.to_string(), limits)).collect()
    }

    #[test]
    fn every_limit_has_its_place() {
        let minute = Duration::from_secs(60);
        let text = r#"
            [queues.crm]
            concurrency = 50
            rate = "10/s"
            max_size = 100_000
            shared = "crm-api"
            [queues.crm.lanes]
            rate = "100/min"
            concurrency = 5
            max_size = 1000
            breaker = "5/30s"
            [queues.crm.lane."7"]
            rate = "200/min burst 20"
            weight = 3
            [limits.crm-api]
            rate = "1000/h sliding"
            concurrency = 9
        "#;

        assert_eq!(
            scope_and_limits(text),
            [
                (
                    "queue crm".to_owned(),
                    Limits::new()
                        .concurrency(50)
                        .rate(Rate::fixed(10, Duration::from_secs(1)))
                        .max_size(100_000)
                        .shared(LimitName::new("crm-api").unwrap())
                ),
                (
                    "each lane of queue crm".to_owned(),
                    Limits::new()
                        .concurrency(5)
                        .rate(Rate::fixed(100, minute))
                        .max_size(1_000)
                        .breaker(Breaker::new(5, Duration::from_secs(30)))
                ),
                (
                    "lane 7 of queue crm".to_owned(),
                    Limits::new().rate(Rate::bucket(200, minute, 20)).weight(3)
                ),
                (
                    "shared limit crm-api".to_owned(),
                    Limits::new().rate(Rate::sliding(1_000, minute * 60)).concurrency(9)
                ),
            ]
        );
    }

    #[test]
    fn an_address_to_listen_at_stands_before_all_tables() {
        let config = parse("listen = \"0.0.0.0:9090\"\n[queues.crm]").unwrap();
        assert_eq!(config.listen.as_deref(), Some("0.0.0.0:9090"));

        let told = parse("\nlisten = 9090").unwrap_err();
        assert_eq!(
            told,
            "jobq.toml, line 2, column 10: a text in quotes is expected, not number `9090`"
        );
    }

    #[test]
    fn what_a_named_queue_does_not_say_is_no_limit() {
        assert_eq!(scope_and_limits(""), []);
        assert_eq!(
            scope_and_limits("[queues.crm.lanes]\nweight = 2"),
            [
                ("queue crm".to_owned(), Limits::new()),
                ("each lane of queue crm".to_owned(), Limits::new().weight(2))
            ]
        );
    }

    #[test]
    fn mistakes_are_told_in_one_line_with_their_place() {
        for (text, complaint) in [
            (
                "[queues.crm]\nconcurency = 5",
                "jobq.toml, line 2: unknown key \"concurency\": did you mean \"concurrency\"?",
            ),
            (
                "[queues.crm]\n\nweight = 5",
                "jobq.toml, line 3: unknown key \"weight\": there are concurrency, rate, max_size, \
                 shared, lanes, lane",
            ),
            ("[queue.crm]", "jobq.toml, line 1: unknown key \"queue\": did you mean \"queues\"?"),
            (
                "[queues.crm]\nrate = \"100 per minute\"",
                "jobq.toml, line 2: \"100 per minute\" is not a rate, such as \"100/min\", \
                 \"10/s sliding\" or \"100/min burst 20\"",
            ),
            (
                "[queues.crm.lanes]\nbreaker = \"5\"",
                "jobq.toml, line 2: \"5\" is not a breaker, such as \"5/30s\": failures in a row, and \
                 the rest after them",
            ),
            (
                "[queues.crm]\nconcurrency = -1",
                "jobq.toml, line 2: a whole number from 0 on is expected, not number `-1`",
            ),
            (
                "[queues.crm]\nconcurrency = \"many\"",
                "jobq.toml, line 2: a whole number from 0 on is expected, not string \"many\"",
            ),
            (
                "[work]\nallow_command = \"report\"",
                "jobq.toml, line 2: a list, such as [\"a\", \"b\"] is expected, not string \"report\"",
            ),
            (
                "[work]\ntries = 70000",
                "jobq.toml, line 2: \"70000\" is not how often a job can be tried: 1 to 65535",
            ),
            (
                "[queues.crm]\nconcurrency = 0",
                "jobq.toml: the limits of queue crm: a concurrency of 0 is not possible: 1 to \
                 1000000000",
            ),
            (
                "[queues.\"c m\"]",
                "jobq.toml: queue name \"c m\" may hold only ASCII letters, digits, '.', '_' and '-'",
            ),
            (
                "[queues.crm]\nshared = \"a b\"",
                "jobq.toml: limit name \"a b\" may hold only ASCII letters, digits, '.', '_' and '-'",
            ),
            ("[queues.crm", "jobq.toml, line 1: "),
            ("[queues.crm]\n[queues.crm]", "jobq.toml, line 2: "),
        ] {
            let told = without_columns(&parse(text).unwrap_err());
            assert!(told.starts_with(complaint), "{text:?}: {told}");
            assert!(!told.contains('\n'), "{told:?}");
        }
    }
}
