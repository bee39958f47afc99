//! Limits are set and taken away.

use jobq_core::{
    Breaker, LaneKey, LimitName, LimitScope, LimitSetting, LimitSource, Limits, QueueName, Rate,
};

use super::super::config::Config;
use super::super::connect::Store;
use super::super::exit::Failure;
use super::super::known;
use super::super::nearest;
use super::super::output;
use super::super::units::{self, queue_name};
use super::{MOST_LANES, setting_as_json, text};

/// What limits are for.
#[derive(Debug, clap::Args)]
struct Scope {
    /// The queue; all of it, unless one of its lanes or each is named.
    #[arg(value_name = "QUEUE", value_parser = queue_name, required_unless_present = "shared_limit")]
    queue: Option<QueueName>,
    /// This lane of it.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["each_lane", "shared_limit"])]
    lane: Option<LaneKey>,
    /// Each lane of it.
    #[arg(long, conflicts_with = "shared_limit")]
    each_lane: bool,
    /// In place of a queue: the limit with this name, which queues share that take part by --shared.
    #[arg(long, value_name = "NAME", conflicts_with = "queue")]
    shared_limit: Option<LimitName>,
}

/// What `limits set` takes.
#[derive(Debug, clap::Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    scope: Scope,
    /// How many jobs are leased in a time: `100/min`, `10/s sliding`, `100/min burst 20`.
    #[arg(long, value_name = "RATE")]
    rate: Option<Rate>,
    /// How many jobs are leased at once.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// How many jobs may wait.
    #[arg(long, value_name = "N")]
    max_size: Option<u64>,
    /// The share of a lane against others: 1 to 100.
    #[arg(long, value_name = "N")]
    weight: Option<u16>,
    /// When a lane rests: after so many failures in a row, for this time, such as `5/30s`.
    #[arg(long, value_name = "N/DURATION", value_parser = units::breaker)]
    breaker: Option<Breaker>,
    /// The limit in which the queue takes part with others.
    #[arg(long, value_name = "NAME")]
    shared: Option<LimitName>,
    /// One JSON object with what is set now, for programs.
    #[arg(long)]
    json: bool,
}

/// What `limits clear` takes. Without the name of a limit all of the scope are taken away.
#[derive(Debug, clap::Args)]
pub(super) struct ClearArgs {
    #[command(flatten)]
    scope: Scope,
    /// The rate.
    #[arg(long)]
    rate: bool,
    /// The concurrency.
    #[arg(long)]
    concurrency: bool,
    /// The maximum size.
    #[arg(long)]
    max_size: bool,
    /// The weight.
    #[arg(long)]
    weight: bool,
    /// The breaker.
    #[arg(long)]
    breaker: bool,
    /// The part in a shared limit.
    #[arg(long)]
    shared: bool,
    /// What programs have set, in place of what operators have. It is there again when such a program
    /// starts.
    #[arg(long)]
    code: bool,
    /// Change nothing: only say what would be left.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object with what is left, for programs.
    #[arg(long)]
    json: bool,
}

impl Scope {
    fn scope(&self) -> Result<LimitScope, Failure> {
        match (&self.queue, &self.lane, &self.shared_limit) {
            (Some(queue), Some(lane), None) => Ok(LimitScope::Lane(queue.clone(), lane.clone())),
            (Some(queue), None, None) if self.each_lane => Ok(LimitScope::Lanes(queue.clone())),
            (Some(queue), None, None) => Ok(LimitScope::Queue(queue.clone())),
            (None, None, Some(name)) => Ok(LimitScope::Shared(name.clone())),
            _ => Err(Failure::Usage("name a queue, or a limit by --shared-limit".to_owned())),
        }
    }
}

impl SetArgs {
    /// The limits that are given.
    pub(super) fn change(&self) -> Result<Limits, Failure> {
        let mut limits = Limits::new();
        limits.rate = self.rate;
        limits.concurrency = self.concurrency;
        limits.max_size = self.max_size;
        limits.weight = self.weight;
        limits.breaker = self.breaker;
        limits.shared.clone_from(&self.shared);
        if limits.is_empty() {
            let names = "--rate, --concurrency, --max-size, --weight, --breaker or --shared";
            return Err(Failure::Usage(format!("nothing to set: give {names}")));
        }
        limits.check(&self.scope.scope()?)?;
        Ok(limits)
    }
}

impl ClearArgs {
    /// What is left of limits.
    fn left_of(&self, before: &Limits) -> Limits {
        let mut left = before.clone();
        let named =
            [self.rate, self.concurrency, self.max_size, self.weight, self.breaker, self.shared];
        let all = named == [false; 6];
        if self.rate || all {
            left.rate = None;
        }
        if self.concurrency || all {
            left.concurrency = None;
        }
        if self.max_size || all {
            left.max_size = None;
        }
        if self.weight || all {
            left.weight = None;
        }
        if self.breaker || all {
            left.breaker = None;
        }
        if self.shared || all {
            left.shared = None;
        }
        left
    }
}

/// Sets what is given, and leaves what else an operator has set there.
pub(super) async fn set(store: &Store, args: &SetArgs, change: &Limits) -> Result<(), Failure> {
    let scope = args.scope.scope()?;
    if let Some(name) = &change.shared {
        check_shared(store, name).await?;
    }
    // It is seen before, and told when it is done: what fails is told alone.
    let doubt = match &args.scope.queue {
        Some(queue) => known::doubt(store, queue).await?,
        None => None,
    };
    let before = already_set(store, &scope, LimitSource::Operator).await?;
    let limits = change.or(&before);
    store.backend.set_limits(&scope, LimitSource::Operator, &limits).await?;
    if let Some(doubt) = doubt {
        output::complain(&format!("warning: {doubt}"));
    }
    if args.json {
        output::json(&setting_as_json(&scope, LimitSource::Operator, &limits))?;
    } else {
        output::line(&format!("{scope}: {}", text(&limits)))?;
    }
    Ok(())
}

pub(super) async fn clear(store: &Store, args: &ClearArgs) -> Result<(), Failure> {
    let scope = args.scope.scope()?;
    let source = if args.code { LimitSource::Code } else { LimitSource::Operator };
    let before = already_set(store, &scope, source).await?;
    if let Some(queue) = &args.scope.queue
        && store.inspect.limits(queue, 1).await?.is_empty()
    {
        known::check(store, queue).await?;
    }
    let limits = args.left_of(&before);
    if !args.dry_run {
        store.backend.set_limits(&scope, source, &limits).await?;
    }
    if args.json {
        let mut value = setting_as_json(&scope, source, &limits);
        value["dry_run"] = args.dry_run.into();
        output::json(&value)?;
        return Ok(());
    }
    let whose = if args.code { "programs" } else { "operators" };
    let told = match (limits == before, limits.is_empty(), args.dry_run) {
        (true, ..) => format!("{whose} had set nothing of it"),
        (false, true, false) => format!("no limits of {whose} are left"),
        (false, true, true) => format!("no limits of {whose} would be left"),
        (false, false, false) => text(&limits),
        (false, false, true) => format!("{} would be left", text(&limits)),
    };
    output::line(&format!("{scope}: {told}"))?;
    Ok(())
}

/// Refuses to let a queue take part in a limit that nobody has set: more likely its name is misspelt.
async fn check_shared(store: &Store, name: &LimitName) -> Result<(), Failure> {
    let known = shared_names(store).await?;
    if known.contains(name) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(LimitName::as_str).collect();
    let hint = match names.as_slice() {
        [] => "there is none".to_owned(),
        names => nearest::hint(name.as_str(), names),
    };
    Err(Failure::failed(format!(
        "no shared limit {name} is set: {hint}; to set it say `jobq limits set --shared-limit {name}` first"
    )))
}

/// The names of the shared limits that are set.
async fn shared_names(store: &Store) -> Result<Vec<LimitName>, Failure> {
    let settings = store.inspect.shared_limits().await?.into_iter();
    let mut names: Vec<LimitName> = settings
        .filter_map(|setting| match setting.scope {
            LimitScope::Shared(name) => Some(name),
            _ => None,
        })
        .collect();
    names.dedup();
    Ok(names)
}

/// What is wrong with limits about to be set that cannot be told from one of them: that a queue is to take
/// part in a limit that neither they nor anybody else sets.
pub(in crate::cli) async fn doubts(
    store: &Store,
    limits: &[(LimitScope, Limits)],
) -> Result<Vec<String>, Failure> {
    let parts: Vec<_> = limits
        .iter()
        .filter_map(|(scope, limits)| Some((scope, limits.shared.as_ref()?)))
        .filter(|(_, name)| {
            let is_it = |scope: &LimitScope| matches!(scope, LimitScope::Shared(it) if it == *name);
            !limits.iter().any(|(scope, limits)| is_it(scope) && !limits.is_empty())
        })
        .collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let known = shared_names(store).await?;
    let unknown = parts.into_iter().filter(|(_, name)| !known.contains(name));
    Ok(unknown
        .map(|(scope, name)| {
            format!(
                "{scope} takes part in shared limit {name}, which nobody has set: it limits nothing"
            )
        })
        .collect())
}

/// The limits that the configuration says, and none for the lanes that an earlier version of it had
/// named.
pub(in crate::cli) async fn with_stale(
    store: &Store,
    config: &Config,
) -> Result<Vec<(LimitScope, Limits)>, Failure> {
    let mut limits = config.limits.clone();
    for (scope, _) in &config.limits {
        let LimitScope::Queue(queue) = scope else { continue };
        let set = store.inspect.limits(queue, MOST_LANES).await?.into_iter();
        let by_code = set.filter(|setting| setting.source == LimitSource::Code);
        for LimitSetting { scope, .. } in by_code {
            if !limits.iter().any(|(said, _)| *said == scope) {
                limits.push((scope, Limits::new()));
            }
        }
    }
    Ok(limits)
}

/// What a source has set for a scope.
async fn already_set(
    store: &Store,
    scope: &LimitScope,
    source: LimitSource,
) -> Result<Limits, Failure> {
    let settings = match scope {
        LimitScope::Queue(queue) | LimitScope::Lanes(queue) | LimitScope::Lane(queue, _) => {
            store.inspect.limits(queue, MOST_LANES).await?
        }
        _ => store.inspect.shared_limits().await?,
    };
    let of_source = |setting: &LimitSetting| setting.scope == *scope && setting.source == source;
    Ok(settings.into_iter().find(of_source).map(|setting| setting.limits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::MemoryBackend;

    use super::*;

    #[derive(Parser)]
    enum Line {
        Set(SetArgs),
        Clear(ClearArgs),
    }

    async fn run(store: &Store, line: &str) -> Result<(), Failure> {
        match Line::try_parse_from(format!("limits {line}").split_whitespace()).unwrap() {
            Line::Set(args) => set(store, &args, &args.change()?).await,
            Line::Clear(args) => clear(store, &args).await,
        }
    }

    async fn all(store: &Store) -> Vec<String> {
        let queue = QueueName::new("crm").unwrap();
        let settings = store.inspect.limits(&queue, MOST_LANES).await.unwrap();
        let shown = |setting: &LimitSetting| {
            format!("{:?} {}: {}", setting.source, setting.scope, text(&setting.limits))
        };
        settings.iter().map(shown).collect()
    }

    #[tokio::test]
    async fn what_is_not_named_stays_as_it_was() {
        let store = Store::of(MemoryBackend::new());
        for line in [
            "set crm --each-lane --rate 100/min --concurrency 5",
            "set crm --each-lane --rate 200/min --weight 2",
            "set crm --concurrency 50",
            "set crm --lane 7 --breaker 5/30s",
            "clear crm --each-lane --concurrency",
        ] {
            run(&store, line).await.unwrap();
        }
        assert_eq!(
            all(&store).await,
            [
                "Operator queue crm: concurrency 50",
                "Operator each lane of queue crm: rate 200/min, weight 2",
                "Operator lane 7 of queue crm: breaker 5/30s",
            ]
        );

        for line in ["clear crm --each-lane", "clear crm --lane 7", "clear crm"] {
            run(&store, line).await.unwrap();
        }
        assert!(all(&store).await.is_empty());
    }

    #[tokio::test]
    async fn clearing_what_operators_have_set_leaves_the_code() {
        let store = Store::of(MemoryBackend::new());
        let scope = LimitScope::Queue(QueueName::new("crm").unwrap());
        let limits = Limits::new().concurrency(9);
        store.backend.set_limits(&scope, LimitSource::Code, &limits).await.unwrap();

        run(&store, "clear crm").await.unwrap();
        assert_eq!(all(&store).await, ["Code queue crm: concurrency 9"]);
        run(&store, "clear crm --code").await.unwrap();
        assert!(all(&store).await.is_empty());
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_a_wrong_command() {
        let store = Store::of(MemoryBackend::new());
        for (line, why) in [
            ("set crm", "nothing to set: give --rate, "),
            ("set crm --concurrency 0", "a concurrency of 0 is not possible"),
            ("set crm --weight 2", "a weight makes no sense as a limit of queue crm"),
            ("set crm --lane 7 --weight 101", "a weight of 101 is not possible: 1 to 100"),
            ("set --shared-limit api --max-size 3", "a maximum size makes no sense"),
            ("set crm --each-lane --shared api", "a part in a shared limit makes no sense"),
        ] {
            let Err(Failure::Usage(told)) = run(&store, line).await else { panic!("{line}") };
            assert!(told.starts_with(why), "{line}: {told}");
        }
        assert!(all(&store).await.is_empty());
    }

    #[tokio::test]
    async fn a_queue_takes_part_only_in_limits_that_are_set() {
        let store = Store::of(MemoryBackend::new());
        let Err(Failure::Failed(told)) = run(&store, "set crm --shared crm-api").await else {
            panic!("it is not set")
        };
        assert!(
            told.starts_with("no shared limit crm-api is set: there is none; to set it"),
            "{told}"
        );
        run(&store, "set --shared-limit crm-api --rate 1000/h").await.unwrap();
        let Err(Failure::Failed(told)) = run(&store, "set crm --shared crm-apo").await else {
            panic!("it is not set")
        };
        assert!(told.contains("did you mean \"crm-api\"?"), "{told}");
        run(&store, "set crm --shared crm-api").await.unwrap();
        assert_eq!(all(&store).await, ["Operator queue crm: shared crm-api"]);
    }

    #[tokio::test]
    async fn a_configured_part_in_a_limit_that_nobody_sets_is_doubtful() {
        let store = Store::of(MemoryBackend::new());
        let queue = LimitScope::Queue(QueueName::new("crm").unwrap());
        let shared = LimitScope::Shared(LimitName::new("crm-api").unwrap());
        let part = (queue, Limits::new().shared(LimitName::new("crm-api").unwrap()));
        let limit = (shared.clone(), Limits::new().concurrency(1));
        let emptied = (shared, Limits::new());

        for limits in [vec![part.clone()], vec![part.clone(), emptied]] {
            assert_eq!(
                doubts(&store, &limits).await.unwrap(),
                [
                    "queue crm takes part in shared limit crm-api, which nobody has set: it limits nothing"
                ]
            );
        }
        assert!(doubts(&store, &[part.clone(), limit]).await.unwrap().is_empty());
        run(&store, "set --shared-limit crm-api --rate 1000/h").await.unwrap();
        assert!(doubts(&store, &[part]).await.unwrap().is_empty());
    }
}
