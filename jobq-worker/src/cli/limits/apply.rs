//! `jobq limits apply`: what the configuration says is set, and what it says no more is taken away.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use jobq_core::{LimitScope, LimitSource, Limits};

use super::super::config::Config;
use super::super::connect::{Address, Store};
use super::super::consent::Consent;
use super::super::each::each as act_on_each;
use super::super::exit::Failure;
use super::super::output;
use super::{MOST_LANES, doubts, each, setting_as_json, text, with_stale};

/// How much of what is taken away the question names.
const NAMED: usize = 5;

/// What `limits apply` takes. It asks before it takes a limit away.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    consent: Consent,
    /// One JSON array with what is set now, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, config: &Config, args: &Args) -> Result<(), Failure> {
    apply(&address.connect().await?, &address.place()?, config, args).await
}

/// Sets what the configuration says, as a worker does when it starts.
async fn apply(store: &Store, place: &str, config: &Config, args: &Args) -> Result<(), Failure> {
    let limits = with_stale(store, config).await?;
    if limits.is_empty() {
        return Err(none(&config.schedules.path));
    }
    let is_dry_run = args.consent.is_dry_run();
    let lost = lost(&limits, &set_by_code(store, &limits).await?);
    let takes_away = !lost.is_empty() && !is_dry_run;
    if takes_away {
        args.consent.check("takes limits away")?;
    }
    // What is refused is told alone.
    for doubt in doubts(store, &limits).await? {
        output::complain(&format!("warning: {doubt}"));
    }
    if takes_away {
        args.consent.ask(&question(&lost, place))?;
    }
    let each = act_on_each(limits, async |(scope, limits)| {
        if !is_dry_run {
            store.backend.set_limits(&scope, LimitSource::Code, &limits).await?;
        }
        Ok((scope, limits))
    })
    .await;
    let set = each.done.iter();
    if args.json {
        let set = set.map(|(scope, limits)| {
            let mut value = setting_as_json(scope, LimitSource::Code, limits);
            value["dry_run"] = is_dry_run.into();
            value
        });
        output::json(&set.collect())?;
    } else {
        let would_be = if is_dry_run { "would be " } else { "" };
        let set = set.map(|(scope, limits)| match limits.is_empty() {
            true => format!("{scope}: {would_be}without limits of programs"),
            false => format!("{scope}: {would_be}{}", text(limits)),
        });
        output::lines(&set.collect::<Vec<_>>())?;
    }
    each.end(true)
}

/// That the file at a path limits nothing.
fn none(path: &str) -> Failure {
    let why = if Path::new(path).exists() { "names no queue" } else { "is not there" };
    Failure::Usage(format!("no limits to set: {path} {why}: see --config"))
}

/// What programs and earlier versions of the file have set for these scopes.
async fn set_by_code(
    store: &Store,
    limits: &[(LimitScope, Limits)],
) -> Result<HashMap<LimitScope, Limits>, Failure> {
    let queues: BTreeSet<_> = limits
        .iter()
        .filter_map(|(scope, _)| match scope {
            LimitScope::Queue(queue) | LimitScope::Lanes(queue) | LimitScope::Lane(queue, _) => {
                Some(queue)
            }
            _ => None,
        })
        .collect();
    let mut settings = store.inspect.shared_limits().await?;
    for queue in queues {
        settings.extend(store.inspect.limits(queue, MOST_LANES).await?);
    }
    settings.retain(|setting| setting.source == LimitSource::Code);
    Ok(settings.into_iter().map(|setting| (setting.scope, setting.limits)).collect())
}

/// The limits that are set and will be no more.
fn lost(limits: &[(LimitScope, Limits)], before: &HashMap<LimitScope, Limits>) -> Vec<String> {
    let mut lost = Vec::new();
    for (scope, after) in limits {
        let after = each(after);
        for (name, value) in before.get(scope).map(each).unwrap_or_default() {
            if !after.iter().any(|(other, _)| *other == name) {
                lost.push(format!("{name} {value} of {scope}"));
            }
        }
    }
    lost
}

fn question(lost: &[String], place: &str) -> String {
    let more = lost.len().saturating_sub(NAMED);
    let named = lost.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("take away what the file does not say, {named}{more}, at {place}?")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::{LaneKey, MemoryBackend, QueueName};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_the_file_says_no_more_is_lost_and_what_it_changes_is_not() {
        let queue = QueueName::new("crm").unwrap();
        let (all, seven) =
            (LimitScope::Queue(queue.clone()), LimitScope::Lane(queue, LaneKey::new(7).unwrap()));
        let rate = || "5/s".parse().unwrap();
        let before = HashMap::from([
            (all.clone(), Limits::new().concurrency(50).rate(rate())),
            (seven.clone(), Limits::new().rate(rate())),
        ]);
        let after =
            [(all.clone(), Limits::new().concurrency(5).max_size(9)), (seven, Limits::new())];

        let lost = lost(&after, &before);
        assert_eq!(lost, ["rate 5/s of queue crm", "rate 5/s of lane 7 of queue crm"]);
        assert_eq!(
            question(&lost[1..], "here"),
            "take away what the file does not say, rate 5/s of lane 7 of queue crm, at here?"
        );
        let many = vec!["x".to_owned(); 7];
        assert!(question(&many, "here").contains("x, x, x, x, x, and 2 more, at here?"));
        assert_eq!(super::lost(&after[..1], &HashMap::new()), [""; 0]);
    }

    #[tokio::test]
    async fn lanes_that_the_configuration_no_longer_names_are_no_longer_limited() {
        let store = Store::of(MemoryBackend::new());
        let queue = QueueName::new("crm").unwrap();
        let lane = |key: u8| LimitScope::Lane(queue.clone(), LaneKey::new(key).unwrap());
        let limits = Limits::new().concurrency(1);
        let config = |lanes: &[u8]| {
            let mut limits_of = vec![(LimitScope::Queue(queue.clone()), Limits::new())];
            limits_of.extend(lanes.iter().map(|key| (lane(*key), limits.clone())));
            Config { limits: limits_of, ..Config::default() }
        };
        let of_code = async || {
            let settings = store.inspect.limits(&queue, MOST_LANES).await.unwrap();
            let of_code = settings.into_iter().filter(|set| set.source == LimitSource::Code);
            of_code.map(|set| set.scope).collect::<Vec<_>>()
        };
        let run = async |config: &Config, options: &[&str]| {
            let line = [&["apply"], options].concat();
            apply(&store, "here", config, &Line::try_parse_from(line).unwrap().args).await
        };
        store.backend.set_limits(&lane(9), LimitSource::Operator, &limits).await.unwrap();

        // Nothing is lost by it, so nobody is asked.
        run(&config(&[7, 8]), &[]).await.unwrap();
        run(&config(&[8]), &["--dry-run"]).await.unwrap();
        assert_eq!(of_code().await, [lane(7), lane(8)]);
        run(&config(&[8]), &["--yes"]).await.unwrap();
        assert_eq!(of_code().await, [lane(8)]);
        let empty = Config::default();
        assert!(matches!(run(&empty, &["--yes"]).await, Err(Failure::Usage(_))));
    }
}
