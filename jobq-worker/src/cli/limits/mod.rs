//! `jobq limits`: what limits queues and lanes, by whom it was set, and setting it.

mod apply;
mod change;
mod show;

use jobq_core::{
    Breaker, LaneKey, LimitName, LimitScope, LimitSource, Limits, QueueName, duration,
};
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
    /// One JSON array, for programs: with `counts`, the names of the limits that nothing else wins over.
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
    Apply(apply::Args),
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
        Some(Action::Apply(apply)) => apply::run(address, config, apply).await,
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

/// What limits are for.
fn scope_as_json(scope: &LimitScope) -> Value {
    let (queue, lane, shared) = match scope {
        LimitScope::Queue(queue) | LimitScope::Lanes(queue) => (Some(queue), None, None),
        LimitScope::Lane(queue, lane) => (Some(queue), Some(lane), None),
        LimitScope::Shared(name) => (None, None, Some(name)),
        _ => (None, None, None),
    };
    json!({
        "of": scope.to_string(),
        "queue": queue.map(QueueName::as_str),
        "each_lane": matches!(scope, LimitScope::Lanes(_)),
        "lane": lane.map(LaneKey::as_str),
        "shared_limit": shared.map(LimitName::as_str),
    })
}

/// What a source has set for a scope.
fn setting_as_json(scope: &LimitScope, source: LimitSource, limits: &Limits) -> Value {
    let mut value = scope_as_json(scope);
    value["limits"] = as_json(limits);
    value["set_by"] = word(source).into();
    value
}

const fn word(source: LimitSource) -> &'static str {
    match source {
        LimitSource::Code => "code",
        LimitSource::Operator => "operator",
        _ => "somebody",
    }
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
