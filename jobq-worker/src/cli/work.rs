//! `jobq work`: runs jobs.

use std::time::Duration;

use serde_json::{Value, json};

use super::allowed::AllowedPrograms;
use super::allowed_urls::AllowedUrls;
use super::command_line::CommandLine;
use super::config::{Config, Set, WorkTable};
use super::connect::Address;
use super::exit::Failure;
use super::health::ListenArgs;
use super::log::{self, LogFormat};
use super::numbers::within;
use super::scheduler::{DeclareArgs, beside};
use super::units::{
    MOST_AT_ONCE, QueueSpec, attempts, bytes, duration, each_queue_once, lease, queue_limit,
    queue_spec, timeout, worker_name,
};
use super::{command, http, known, limits, nearest, numbers, output};
use crate::registry::Registry;
use crate::signals::StopSignals;
use crate::summary::{EndReason, RefusedQueue, Summary};
use crate::worker::Worker;

/// What `work` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queues to serve, in strict order; or with weights, as in `import=3,default=1`. By default
    /// those that `[work]` of jobq.toml names, or else the handlers' job types.
    #[arg(long, short, value_name = "NAME[=WEIGHT],…", value_delimiter = ',', value_parser = queue_spec)]
    queue: Vec<QueueSpec>,
    /// How many jobs run at once, 100000 at most; 10 by default.
    #[arg(long, short, value_name = "N", value_parser = within::<usize>(1, MOST_AT_ONCE))]
    concurrency: Option<usize>,
    /// How many jobs of one queue run at once.
    #[arg(long, value_name = "NAME=N,…", value_delimiter = ',', value_parser = queue_limit)]
    queue_concurrency: Vec<(String, usize)>,
    /// Run one job if there is one, and end.
    #[arg(long)]
    once: bool,
    /// End when all queues have nothing to lease. A job that another worker holds is not waited for, also if
    /// that one has died and its lease has yet to run out. With code 1 if a queue could not be emptied because the
    /// server refuses it.
    #[arg(long)]
    stop_when_empty: bool,
    /// End after this many jobs.
    #[arg(long, value_name = "N", value_parser = numbers::from::<u64>(1))]
    max_jobs: Option<u64>,
    /// End after this time, such as 1h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    max_time: Option<Duration>,
    /// End when the process needs more memory than this, such as 512M; 4M at least.
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    max_memory: Option<u64>,
    /// How often jobs are tried of which neither their type nor `enqueue --max-attempts` says so: those
    /// with the usual 5 attempts. What a job says itself wins.
    #[arg(long, value_name = "N", value_parser = attempts)]
    tries: Option<u32>,
    /// How long an attempt may take of jobs that have no timeout of their own; as long as it likes by
    /// default.
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    timeout: Option<Duration>,
    /// What people see this worker as; by default its host and process.
    #[arg(long, value_name = "TEXT", value_parser = worker_name)]
    name: Option<String>,
    /// How long running jobs may go on when the worker is told to end; 25s by default.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    grace: Option<Duration>,
    /// After how long the jobs of a worker that died run elsewhere; 10s by default, 1s at least.
    #[arg(long, value_name = "DURATION", value_parser = lease)]
    lease: Option<Duration>,
    /// How log lines are written to standard error. RUST_LOG says which.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// A program that jobs of kind `command` may run, by its name or path exactly as jobs give it. May
    /// be repeated.
    #[arg(long, value_name = "PROGRAM")]
    allow_command: Vec<String>,
    /// What the URLs begin with that jobs of kind `http` may ask for, such as https://api.example.com/hooks/.
    /// May be repeated.
    #[arg(long, value_name = "PREFIX")]
    allow_url: Vec<String>,
    #[command(flatten)]
    listen: ListenArgs,
    /// Run the schedules of code and of `jobq.toml` beside the jobs, as `jobq scheduler` does. With --once
    /// or --stop-when-empty, what is due is enqueued once, before the first job.
    #[arg(long)]
    scheduler: bool,
    #[command(flatten)]
    declare: DeclareArgs,
    /// The summary as one JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    address: &Address,
    config: &Config,
    mut args: Args,
    code: CommandLine,
) -> Result<(), Failure> {
    log::to_stderr(args.log_format);
    // Before anybody can know of this process: a signal that comes from now on ends nothing halfway.
    let (signals, also) = (StopSignals::listen()?, StopSignals::listen()?);
    args.check()?;
    args.fill(&config.work);
    let as_json = args.json;
    let CommandLine { registry, schedules } = code;
    let is_bare = registry.kinds().next().is_none();
    let (programs, urls) = args.allowed(config).map_err(Failure::Usage)?;
    let can_nothing = is_bare && programs.is_empty() && urls.is_empty();
    let registry = with_built_in(registry, programs, urls).map_err(Failure::Usage)?;
    args.check_queues(&registry)?;
    if args.scheduler {
        args.declare.check(config, &schedules)?;
    }
    let (store, redis) = address.connect_to_both().await?;
    // Before anything is leased, and before any warning: what ends the command is told alone.
    let is_short = args.once || args.stop_when_empty;
    let watched = args.listen.open(config, &store, is_short)?;
    let limits = limits::with_stale(&store, config).await?;
    // It goes on: somebody may be about to give the right, and most can be done without some.
    if let Some(redis) = redis
        && let Some(fault) = redis.rights().await.ok().and_then(|rights| rights.fault())
    {
        tracing::warn!(target: "jobq", "not all that jobq needs is there: {fault}; see `jobq doctor`");
    }
    if can_nothing {
        tracing::warn!(
            target: "jobq",
            "no handlers, and no program or URL is allowed: all jobs are put off; see --allow-command \
             and --allow-url"
        );
    }
    warn("whether its queues are known", known::warnings(&store, &args.queue).await);
    let scheduler = match args.scheduler {
        true => Some(args.declare.scheduler(&store, config, &schedules)?),
        false => None,
    };
    warn("whether its shared limits are known", limits::doubts(&store, &limits).await);
    let mut worker = set_up(Worker::with_registry(store.backend, registry), args);
    for (scope, limits) in limits {
        worker = worker.limit(Ok(scope), limits);
    }
    let worker = watched.worker(worker);
    let (summary, scheduled) = match scheduler {
        None => (worker.run_with(signals).await?, None),
        Some(scheduler) if is_short => {
            // A job that was refused, such as by a full queue, does not keep the worker from its jobs.
            let scheduled = scheduler.run_once().await;
            (worker.run_with(signals).await?, Some(scheduled))
        }
        Some(scheduler) => {
            watched.part(&scheduler.vitals());
            let (summary, scheduled) = beside(scheduler, also, worker.run_with(signals)).await?;
            (summary, Some(Ok(scheduled)))
        }
    };
    let judged = judged(&summary);
    if as_json {
        let mut whole = told(&summary);
        if let Some(scheduled) = scheduled {
            let scheduled = scheduled?;
            whole["schedules"] = json!({
                "enqueued": scheduled.enqueued,
                "left_out": scheduled.left_out,
                "failed": scheduled.failed,
            });
        }
        output::json(&whole)?;
        return judged;
    }
    output::line(&summary.to_string())?;
    if let Some(scheduled) = scheduled {
        output::line(&format!("schedules: {}", scheduled?))?;
    }
    judged
}

/// Whether a worker that was to end when all is empty has emptied all; says of which queues it could not.
fn judged(summary: &Summary) -> Result<(), Failure> {
    if summary.reason != EndReason::Empty || summary.refused_queues.is_empty() {
        return Ok(());
    }
    for RefusedQueue { queue, why } in &summary.refused_queues {
        output::complain(&format!("queue {queue} was refused: {why}"));
    }
    Err(Failure::Told)
}

/// Tells what was looked for only to warn of it. That it could not be looked for is a warning, too, and keeps nobody from
/// work.
fn warn(looked_for: &str, found: Result<Vec<String>, Failure>) {
    let warnings = found.unwrap_or_else(|failure| match failure {
        Failure::Usage(why) | Failure::Failed(why) => {
            vec![format!("{looked_for} cannot be told: {why}")]
        }
        Failure::Told => Vec::new(),
    });
    for warning in warnings {
        tracing::warn!(target: "jobq", "{warning}");
    }
}

/// The summary for programs.
fn told(summary: &Summary) -> Value {
    let seconds = summary.elapsed.as_secs_f64();
    json!({
        "processed": summary.processed,
        "failed": summary.failed,
        "completed": summary.completed,
        "retried": summary.retried,
        "dead": summary.dead,
        "snoozed": summary.snoozed,
        "cancelled": summary.cancelled,
        "released": summary.released,
        "lost": summary.lost,
        "uncertain": summary.uncertain,
        "stuck": summary.stuck,
        "unsettled": summary.unsettled,
        "refused_queues": summary.refused_queues.iter().map(|refused| {
            json!({ "queue": refused.queue.as_str(), "why": refused.why })
        }).collect::<Vec<_>>(),
        "seconds": (seconds * 1_000.0).round() / 1_000.0,
        "jobs_per_second": summary.rate().round(),
        "reason": summary.reason.as_str(),
    })
}

impl Args {
    /// Fills in what the file says, where no flag does. What either allows is allowed.
    fn fill(&mut self, file: &WorkTable) {
        if self.queue.is_empty() {
            self.queue.clone_from(&file.queue);
        }
        self.concurrency = self.concurrency.or(file.concurrency);
        self.name = self.name.take().or_else(|| file.name.clone());
        self.tries = self.tries.or(file.tries);
        self.timeout = self.timeout.or(file.timeout);
        self.grace = self.grace.or(file.grace);
        self.lease = self.lease.or(file.lease);
    }

    /// Refuses flags that do not go together.
    fn check(&self) -> Result<(), Failure> {
        let wrong = |flag, fault| Failure::Usage(format!("{flag}: {fault}"));
        each_queue_once(self.queue.iter().map(|queue| &queue.name))
            .map_err(|fault| wrong("--queue", fault))?;
        each_queue_once(self.queue_concurrency.iter().map(|(queue, _)| queue))
            .map_err(|fault| wrong("--queue-concurrency", fault))
    }

    /// What jobs may run and ask for: what flags or the file allow.
    fn allowed(&self, file: &Config) -> Result<(AllowedPrograms, AllowedUrls), String> {
        let mut programs = AllowedPrograms::default();
        let mut urls = file.allow_url.clone();
        self.allow_command.iter().try_for_each(|name| {
            programs.add(name).map_err(|fault| format!("--allow-command {fault}"))
        })?;
        self.allow_url.iter().try_for_each(|prefix| {
            urls.add(prefix).map_err(|fault| format!("--allow-url {fault}"))
        })?;
        for Set { value: name, place } in &file.allow_command {
            programs.add(name).map_err(|fault| format!("{place}: allow_command {fault}"))?;
        }
        Ok((programs, urls))
    }

    /// Refuses bounds for queues that are not served.
    fn check_queues(&self, registry: &Registry) -> Result<(), Failure> {
        let mut served: Vec<_> = self.queue.iter().map(|queue| queue.name.as_str()).collect();
        if served.is_empty() {
            served = registry.queues().into_iter().collect();
        }
        let bound = self.queue_concurrency.iter().map(|(queue, _)| queue.as_str());
        match bound.into_iter().find(|queue| !served.contains(queue)) {
            None => Ok(()),
            Some(queue) => Err(Failure::Usage(format!(
                "--queue-concurrency {queue:?}: this worker does not serve that queue: {}",
                nearest::hint(queue, &served)
            ))),
        }
    }
}

/// Below this a worker would end before its first job, and start again, and again.
const LEAST_MEMORY: u64 = 4 << 20;

fn memory(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0..LEAST_MEMORY => Err(format!("{text:?} is less than any worker needs: give 4M or more")),
        size => Ok(size),
    }
}

/// Adds the kinds that need no Rust: all of them to a program without handlers, those that are allowed
/// something to any other.
fn with_built_in(
    mut registry: Registry,
    programs: AllowedPrograms,
    urls: AllowedUrls,
) -> Result<Registry, String> {
    let is_bare = registry.kinds().next().is_none();
    if is_bare || !programs.is_empty() {
        registry = command::register(registry, programs);
    }
    if is_bare || !urls.is_empty() {
        registry = http::register(registry, urls)?;
    }
    Ok(registry)
}

fn set_up(worker: Worker, args: Args) -> Worker {
    let mut worker = worker;
    if let Some(jobs) = args.concurrency {
        worker = worker.concurrency(jobs);
    }
    if let Some(grace) = args.grace {
        worker = worker.grace(grace);
    }
    if let Some(lease) = args.lease {
        worker = worker.lease(lease);
    }
    if let Some(attempts) = args.tries {
        worker = worker.default_max_attempts(attempts);
    }
    if let Some(timeout) = args.timeout {
        worker = worker.default_timeout(timeout);
    }
    if args.queue.iter().any(|queue| queue.number.is_some()) {
        let weights = args.queue.into_iter().map(|queue| (queue.name, queue.number.unwrap_or(1)));
        worker = worker.weighted_queues(weights);
    } else if !args.queue.is_empty() {
        worker = worker.queues(args.queue.into_iter().map(|queue| queue.name));
    }
    for (queue, jobs) in args.queue_concurrency {
        worker = worker.queue_concurrency(queue, jobs);
    }
    if args.stop_when_empty {
        worker = worker.stop_when_empty();
    }
    if let Some(jobs) = args.max_jobs {
        worker = worker.max_jobs(jobs);
    }
    if args.once {
        worker = worker.once();
    }
    if let Some(time) = args.max_time {
        worker = worker.max_time(time);
    }
    if let Some(bytes) = args.max_memory {
        worker = worker.max_memory(bytes);
    }
    match args.name {
        Some(name) => worker.name(name),
        None => worker,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::Job;
    use jobq_scheduler::Schedule;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::cli::{Cli, Verb};

    #[derive(Serialize, Deserialize, Job)]
    struct Report;

    #[tokio::test]
    async fn a_wrong_schedule_ends_it_before_anything_is_logged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let log = tracing_subscriber::fmt().with_writer(file.reopen().unwrap()).finish();
        let _guard = tracing::subscriber::set_default(log);
        // Of a queue that nobody knows it would warn, and that it can run no job.
        let line = "jobq --backend memory: work --scheduler --once --queue nobody";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Verb::Work(args) = cli.verb else { panic!("another command") };
        let late = Schedule::daily().timezone("Europe/Warsa").job(Report);
        let code = CommandLine::new(Registry::new()).schedule("late", late);

        let ended = run(&cli.address, &Config::default(), args, code).await;

        let Err(Failure::Usage(why)) = ended else { panic!("{ended:?}") };
        assert!(why.contains("did you mean \"Europe/Warsaw\"?"), "{why}");
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "");
    }
}
