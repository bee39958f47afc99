//! What `docs/deploy/docker` says of this program: its command lines, and the jobs that its schedules enqueue.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

use clap::Parser;
use jobq_core::Job;
use serde::de::DeserializeOwned;
use serde_json::Value;
use supplier_import::cli::{Cli, Command};
use supplier_import::jobs::{PruneFailed, QUEUES, SyncAvailability};

const COMPOSE: &str = include_str!("../../../docs/deploy/docker/compose.yaml");
const SCHEDULES: &str = include_str!("../../../docs/deploy/docker/jobq.toml");

#[test]
fn the_workers_of_compose_serve_all_queues() {
    let mut served = Vec::new();
    for line in COMPOSE.lines().filter(|line| line.contains("\"supplier-import\"")) {
        let list = &line[line.find('[').unwrap()..];
        let mut words: Vec<String> = serde_json::from_str(list).unwrap();
        words.extend(
            ["--backend", "redis://redis", "--db", "mysql://mariadb/import"].map(str::to_owned),
        );
        let cli = Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{list}: {error}"));
        let Some(Command::Work(work)) = cli.command else { panic!("no worker: {list}") };
        served.extend(work.queue);
    }
    served.sort_unstable();
    let mut queues = QUEUES.map(str::to_owned);
    queues.sort_unstable();
    assert_eq!(served, queues);
}

/// The file as it is for who has a shop, and takes the comment signs away.
fn with_a_shop() -> toml::Table {
    let (always, with_a_shop) = SCHEDULES.split_once("# With a shop").unwrap();
    let uncommented = with_a_shop.lines().skip(1).map(|line| line.trim_start_matches(['#', ' ']));
    let all: Vec<&str> = always.lines().chain(uncommented).collect();
    all.join("\n").parse().unwrap()
}

/// The schedule in which such a job is enqueued.
fn scheduled<J: Job + DeserializeOwned>() -> J {
    let file = with_a_shop();
    let schedules = file["schedules"].as_table().unwrap();
    let found = schedules.values().find(|schedule| schedule["kind"].as_str() == Some(J::KIND));
    let schedule = found.unwrap_or_else(|| panic!("no schedule of {}", J::KIND));
    assert_eq!(schedule["queue"].as_str(), Some(J::QUEUE), "{}", J::KIND);
    let payload: Value = schedule["payload"].clone().try_into().unwrap();
    serde_json::from_value(payload).unwrap()
}

#[test]
fn the_schedules_of_compose_enqueue_jobs_that_their_handlers_can_read() {
    assert_eq!(scheduled::<SyncAvailability>().settings, SyncAvailability::default().settings);
    assert_eq!(scheduled::<PruneFailed>().hours, PruneFailed::default().hours);
}
