//! `jobq.toml`: what is set once for all commands. [`cli`](super) shows one.

mod complaint;
mod file;
#[cfg(test)]
mod fuzz;
mod limits;
mod schedules;
mod values;
mod work;

use std::path::PathBuf;

use jobq_core::{GroupName, LimitScope, Limits};
use serde::Deserialize;
use toml::Spanned;

use self::complaint::{complaint, place_of};
use self::limits::{QueueTables, SharedTables};
use self::schedules::{FileSchedules, ScheduleTables, SchedulerTable};
pub(super) use self::work::WorkTable;
use super::allowed_urls::AllowedUrls;
use super::connect::OF_ALL;
use super::exit::Failure;
use crate::health;
use crate::registry::Registry;

/// Where the file is, as every command takes it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The file that says what is set for all commands; by default `jobq.toml`, if it is there.
    #[arg(long, global = true, value_name = "FILE", env = "JOBQ_CONFIG", help_heading = OF_ALL)]
    config: Option<PathBuf>,
}

/// A value of the file, with the place to name when it turns out to be wrong: `jobq.toml, line 3, column 8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set<T> {
    pub(super) value: T,
    pub(super) place: String,
}

impl<T> Set<T> {
    fn by_file(it: Spanned<T>, (path, text): (&str, &str)) -> Self {
        let place = format!("{path}, {}", place_of(text, it.span().start));
        Self { value: it.into_inner(), place }
    }
}

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Where the jobs are.
    pub(super) backend: Option<Set<String>>,
    /// What the keys in Redis begin with.
    pub(super) prefix: Option<Set<String>>,
    /// What is set for workers.
    pub(super) work: WorkTable,
    /// Programs that workers allow, beside those that flags do.
    pub(super) allow_command: Vec<Set<String>>,
    /// Beginnings of URLs that workers allow, beside those that flags do.
    pub(super) allow_url: AllowedUrls,
    /// Where to serve health.
    pub(super) listen: Option<Set<String>>,
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
        let file: File = toml::from_str(text).map_err(|error| complaint(path, text, &error))?;
        let mut faults = Vec::new();
        let limits = limits::read(file.queues, file.limits, text, &mut faults);
        let schedules = FileSchedules::of(file.schedules, (path, text), registry, &mut faults);
        let mut wrong = |it: &Spanned<String>, fault: &str| {
            faults.push(format!("{}: {fault}", place_of(text, it.span().start)));
        };
        let mut work = file.work;
        let mut allow_url = AllowedUrls::default();
        for prefix in std::mem::take(&mut work.allow_url) {
            if let Err(fault) = allow_url.add(prefix.get_ref()) {
                wrong(&prefix, &format!("allow_url {fault}"));
            }
        }
        if let Some(listen) = file.listen.as_ref().filter(|it| !it.get_ref().trim().is_empty())
            && let Err(fault) = health::place(listen.get_ref())
        {
            wrong(listen, &fault.to_string());
        }
        if !faults.is_empty() {
            return Err(format!("{path}, {}", faults.join("; ")));
        }
        let set = |it: Spanned<String>| Set::by_file(it, (path, text));
        let allow_command = std::mem::take(&mut work.allow_command).into_iter().map(set).collect();
        Ok(Self {
            backend: file.backend.map(set),
            prefix: file.prefix.map(set),
            work,
            allow_command,
            allow_url,
            listen: file.listen.map(set),
            limits,
            group: file.scheduler.group,
            schedules,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    backend: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
    listen: Option<Spanned<String>>,
    #[serde(default)]
    work: WorkTable,
    #[serde(default)]
    queues: QueueTables,
    #[serde(default)]
    limits: SharedTables,
    #[serde(default)]
    scheduler: SchedulerTable,
    #[serde(default)]
    schedules: ScheduleTables,
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use jobq_core::{Breaker, LimitName, Rate};

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
            ("# żółw\n[limits.crm]\nrat = 1", "line 3, column 1: unknown key \"rat\""),
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
        let listen = config.listen.unwrap();
        assert_eq!(
            (&*listen.value, &*listen.place),
            ("0.0.0.0:9090", "jobq.toml, line 1, column 10")
        );

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
                "jobq.toml, line 2: -1 is too small: 1 to 1000000000",
            ),
            (
                "[queues.crm]\nconcurrency = \"many\"",
                "jobq.toml, line 2: a whole number from 1 to 1000000000 is expected, not text \"many\"",
            ),
            (
                "[work]\nallow_command = \"report\"",
                "jobq.toml, line 2: a list, such as [\"a\", \"b\"], is expected, not text \"report\"",
            ),
            (
                "[work]\ntries = 70000",
                "jobq.toml, line 2: \"70000\" is not how often a job can be tried: 1 to 65535",
            ),
            ("[queues.crm]\nconcurrency = 0", "jobq.toml, line 2: 0 is too small: 1 to 1000000000"),
            (
                "[queues.crm]\nconcurrency = 99999999999",
                "jobq.toml, line 2: 99999999999 is too large: 1 to 1000000000",
            ),
            ("[queues.crm]\nmax_size = 0", "jobq.toml, line 2: 0 is too small: 1 to 1000000000000"),
            (
                "[queues.crm.lanes]\nweight = 70000",
                "jobq.toml, line 2: 70000 is too large: 1 to 100",
            ),
            (
                "[work]\nconcurrency = 99999999999",
                "jobq.toml, line 2: 99999999999 is too large: 1 to 100000",
            ),
            (
                "[work]\nconcurrency = 99999999999999999999",
                "jobq.toml, line 2: 99999999999999999999 is too large: 1 to 100000",
            ),
            (
                "\n[queues.\"c m\"]",
                "jobq.toml, line 2: queue name \"c m\" may hold only ASCII letters, digits, '.', '_' and '-'",
            ),
            (
                "[queues.crm]\nshared = \"a b\"",
                "jobq.toml, line 2: limit name \"a b\" may hold only ASCII letters, digits, '.', '_' and '-'",
            ),
            ("\n\n[limits.\"a b\"]", "jobq.toml, line 3: limit name \"a b\" may hold only"),
            ("[queues.crm]\n[queues.crm.lane.\"\"]", "jobq.toml, line 2: lane key \"\" is empty"),
            ("[queues.crm]\n\nrate = \"0/s\"", "jobq.toml, line "),
            ("[queues.crm", "jobq.toml, line 1: "),
            ("[queues.crm]\n[queues.crm]", "jobq.toml, line 2: "),
        ] {
            let told = without_columns(&parse(text).unwrap_err());
            assert!(told.starts_with(complaint), "{text:?}: {told}");
            assert!(!told.contains('\n'), "{told:?}");
        }
    }
}
