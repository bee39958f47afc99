//! `jobq limits`: what limits queues and lanes, by whom it was set, and setting it.

mod change;
mod show;

use jobq_core::{Breaker, LaneKey, LimitName, Limits, QueueName, duration};
use serde_json::{Value, json};

use super::config::Config;
use super::connect::Address;
use super::exit::Failure;
use super::units::queue_name;

pub(super) use self::change::{doubts, with_stale};

/// How many overrides of single lanes are looked at.
const MOST_LANES: usize = 100_000;

/// What `limits` takes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Only this queue; by default all, and the limits that queues share.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// What holds for this lane of it.
    #[arg(long, value_name = "KEY", requires = "queue")]
    lane: Option<LaneKey>,
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set limits at once, for all workers; they win over those that programs set.
    Set(change::SetArgs),
    /// Take limits away again.
    Clear(change::ClearArgs),
    /// Set the limits that `jobq.toml` says, as a worker does when it starts.
    Apply(change::ApplyArgs),
}

pub(super) async fn run(address: &Address, config: &Config, args: &Args) -> Result<(), Failure> {
    match &args.action {
        None => {
            let store = address.connect().await?;
            show::run(&store, args.queue.as_ref(), args.lane.as_ref(), args.json).await
        }
        Some(Action::Set(set)) => {
            // What makes no sense is told before anybody is called.
            let change = set.change()?;
            change::set(&address.connect().await?, set, &change).await
        }
        Some(Action::Clear(clear)) => change::clear(&address.connect().await?, clear).await,
        Some(Action::Apply(apply)) => {
            change::apply(&address.connect().await?, config, apply.json).await
        }
    }
}

/// The names of the single limits, and how each is shown.
pub(super) fn each(limits: &Limits) -> Vec<(&'static str, String)> {
    let shown = [
        ("rate", limits.rate.map(|rate| rate.to_string())),
        ("concurrency", limits.concurrency.map(|jobs| jobs.to_string())),
        ("max-size", limits.max_size.map(|jobs| jobs.to_string())),
        ("weight", limits.weight.map(|weight| weight.to_string())),
        ("breaker", limits.breaker.map(breaker)),
        ("shared", limits.shared.as_ref().map(LimitName::to_string)),
    ];
    shown.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn breaker(breaker: Breaker) -> String {
    format!("{}/{}", breaker.failures, duration::text(breaker.rest))
}

/// All limits in one line.
pub(super) fn text(limits: &Limits) -> String {
    let parts: Vec<String> =
        each(limits).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

pub(super) fn as_json(limits: &Limits) -> Value {
    json!({
        "rate": limits.rate.map(|rate| rate.to_string()),
        "concurrency": limits.concurrency,
        "max_size": limits.max_size,
        "weight": limits.weight,
        "breaker": limits.breaker.map(breaker),
        "shared": limits.shared.as_ref().map(LimitName::as_str),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_shown_as_they_are_written() {
        let all = Limits::new()
            .concurrency(5)
            .rate("100/min burst 20".parse().unwrap())
            .max_size(1_000)
            .weight(3)
            .breaker(Breaker::new(5, Duration::from_secs(90)));

        assert_eq!(
            text(&all),
            "rate 100/min burst 20, concurrency 5, max-size 1000, weight 3, breaker 5/1m30s"
        );
        assert_eq!(text(&Limits::new()), "-");
        assert_eq!(crate::cli::units::breaker("5/1m30s"), Ok(all.breaker.unwrap()));
    }
}
