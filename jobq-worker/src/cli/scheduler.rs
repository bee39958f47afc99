//! `jobq scheduler`: enqueues what is due, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use jobq_core::{GroupName, MemoryBackend};
use jobq_scheduler::{Scheduler, Summary};
use serde_json::json;
use tokio::sync::oneshot;

use super::command_line::Schedules;
use super::config::Config;
use super::connect::{Address, Store};
use super::exit::Failure;
use super::health::ListenArgs;
use super::log::{self, LogFormat};
use super::schedule::GroupArgs;
use super::{numbers, output};
use crate::signals::StopSignals;

/// What `scheduler` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Enqueue what is due now, and end: for a line of cron, once a minute.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    declare: DeclareArgs,
    #[command(flatten)]
    listen: ListenArgs,
    /// How log lines are written to standard error. RUST_LOG says which.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// The summary as one JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// How schedules of code and file are declared.
#[derive(Debug, clap::Args)]
pub(super) struct DeclareArgs {
    #[command(flatten)]
    group: GroupArgs,
    /// A number that grows with each deployment: while two versions run side by side, the schedules of the
    /// greater one count. By default when the program or the file was written, whichever was later.
    #[arg(long, value_name = "N", value_parser = numbers::from::<u64>(0), env = "JOBQ_DEPLOY_STAMP")]
    deploy_stamp: Option<u64>,
}

pub(super) async fn run(
    address: &Address,
    config: &Config,
    args: &Args,
    schedules: Schedules,
) -> Result<(), Failure> {
    log::to_stderr(args.log_format);
    // Before anybody can know of this process: a signal that comes from now on ends nothing halfway.
    let signals = StopSignals::listen()?;
    args.declare.check(config, &schedules)?;
    let store = address.connect().await?;
    // Before any warning: what ends the command is told alone.
    let watched = match args.once {
        true => None,
        false => Some(args.listen.open(config, &store, false)?),
    };
    let scheduler = args.declare.scheduler(&store, config, &schedules)?;
    let started_at = Instant::now();
    let summary = match watched {
        None => once(scheduler, signals).await?,
        Some(watched) => {
            watched.part(&scheduler.vitals());
            until_told(scheduler, signals).await?
        }
    };
    let elapsed = started_at.elapsed();
    if args.json {
        output::json(&as_json(summary, elapsed))?;
    } else {
        output::line(&format!("{summary} in {:.1} s", elapsed.as_secs_f64()))?;
    }
    Ok(())
}

fn as_json(summary: Summary, elapsed: Duration) -> serde_json::Value {
    json!({
        "enqueued": summary.enqueued,
        "left_out": summary.left_out,
        "failed": summary.failed,
        "seconds": (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0,
    })
}

impl DeclareArgs {
    /// Refuses what is wrong with what code and file declare: before anybody is called and anything is logged.
    pub(super) fn check(&self, config: &Config, code: &Schedules) -> Result<(), Failure> {
        // Which store it is to be has nothing to do with it.
        self.declared(&Store::of(MemoryBackend::new()), config, code).map(drop)
    }

    /// A scheduler of all that code and file declare, which is logged.
    pub(super) fn scheduler(
        &self,
        store: &Store,
        config: &Config,
        code: &Schedules,
    ) -> Result<Scheduler, Failure> {
        let (group, scheduler) = self.declared(store, config, code)?;
        let (by_code, by_file) = (code.named.len(), config.schedules.named.len());
        tracing::info!(
            target: "jobq",
            "schedules of group {group}: {} declared by code, {} by {}",
            by_code,
            by_file,
            config.schedules.path,
        );
        if by_code == 0 && by_file == 0 {
            tracing::warn!(
                target: "jobq",
                "nothing is declared here: what operators have added to group {group} is run, and what code had \
                 declared is removed unless another scheduler that lives declares it"
            );
        }
        Ok(scheduler)
    }

    /// A scheduler of all that code and file declare, and its group; checked.
    fn declared(
        &self,
        store: &Store,
        config: &Config,
        code: &Schedules,
    ) -> Result<(GroupName, Scheduler), Failure> {
        let group = self.group.of(config, code.group.as_deref())?;
        let twice = code.named.iter().find(|(name, _)| {
            config.schedules.named.iter().any(|(known, _)| known.as_str() == name)
        });
        if let Some((name, _)) = twice {
            return Err(Failure::Usage(format!(
                "{}: schedule {name:?} is declared by the program, too: give one of them another name",
                config.schedules.path
            )));
        }
        let scheduler = store
            .schedules
            .scheduler()
            .group(group.as_str())
            .deploy_stamp(self.deploy_stamp.unwrap_or_else(|| written(config)))
            .schedules(code.named.iter().cloned())
            .schedules(config.schedules.named.iter().map(|(name, it)| (name.as_str(), it.clone())));
        scheduler.check()?;
        Ok((group, scheduler))
    }
}

/// When what declares schedules was written: the program, or the file if that has some.
fn written(config: &Config) -> u64 {
    let program = std::env::current_exe().map_or(0, |program| written_at(&program));
    let has_some = !config.schedules.named.is_empty();
    let file = if has_some { written_at(Path::new(&config.schedules.path)) } else { 0 };
    program.max(file)
}

/// When a file was written, in milliseconds since the epoch; 0 if that cannot be told.
fn written_at(file: &Path) -> u64 {
    let written = std::fs::metadata(file).and_then(|file| file.modified()).unwrap_or(UNIX_EPOCH);
    let since = written.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// Looks once, unless it is told to stop.
async fn once(scheduler: Scheduler, mut signals: StopSignals) -> Result<Summary, Failure> {
    tokio::select! {
        ended = scheduler.run_once() => Ok(ended?),
        () = signals.next() => Err(Failure::failed(
            "told to stop: what was being claimed may have been enqueued or not",
        )),
    }
}

/// Runs until SIGTERM or Ctrl+C; the second one does not wait for what is being claimed.
async fn until_told(scheduler: Scheduler, mut signals: StopSignals) -> Result<Summary, Failure> {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut running = std::pin::pin!(scheduler.run_until(async {
        // Dropped is told, too.
        let _ = stopped.await;
    }));
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        () = signals.next() => drop(stop),
    }
    tokio::select! {
        ended = running => Ok(ended?),
        () = signals.next() => Err(Failure::failed(
            "told to stop twice: what was being claimed may have been enqueued or not",
        )),
    }
}

/// Runs a scheduler beside a worker, until that has ended or a signal comes.
pub(super) async fn beside<T>(
    scheduler: Scheduler,
    mut signals: StopSignals,
    worker: impl Future<Output = jobq_core::Result<T>>,
) -> Result<(T, Summary), Failure> {
    let (stop, mut stopped) = oneshot::channel::<()>();
    // The worker drains after a signal: nothing is added to what it leaves behind.
    let told = async move {
        tokio::select! {
            _ = &mut stopped => {}
            () = signals.next() => {}
        }
    };
    // A task of its own, so that neither waits for the other.
    let scheduling = tokio::spawn(scheduler.run_until(told));
    let ended = worker.await;
    drop(stop);
    let scheduled = scheduling
        .await
        .map_err(|defect| Failure::failed(format!("the scheduler has a defect: {defect}")))?;
    Ok((ended?, scheduled?))
}

impl GroupArgs {
    /// The group that is meant: the flag or the environment before the file before code.
    pub(super) fn of(&self, config: &Config, code: Option<&str>) -> Result<GroupName, Failure> {
        match (&self.group, &config.group, code) {
            (Some(group), ..) | (None, Some(group), _) => Ok(group.clone()),
            (None, None, code) => Ok(GroupName::new(code.unwrap_or("default"))?),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::{Clock, Job, ManualClock, MemoryBackend, Timestamp};
    use jobq_scheduler::{Schedule, TimeUnits};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::cli::command_line::CommandLine;
    use crate::registry::Registry;

    #[derive(Serialize, Deserialize, Job)]
    struct Report;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        declare: DeclareArgs,
    }

    fn args(line: &str) -> DeclareArgs {
        Line::try_parse_from(line.split_whitespace()).unwrap().declare
    }

    fn config(text: &str) -> Config {
        Config::parse("etc/jobq.toml", text, &Registry::new()).unwrap()
    }

    fn hourly() -> Schedule {
        Schedule::hourly().job(Report)
    }

    #[tokio::test]
    async fn what_code_and_file_declare_is_run_together() {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_230_400_000));
        let store = Store::of(MemoryBackend::with_clock(clock.clone()));
        let config = config("[schedules.nightly]\ndaily_at = \"02:00\"\nkind = \"nightly\"");
        let scheduler = || {
            let code = CommandLine::new(Registry::new()).group("shop").schedule("report", hourly());
            args("scheduler").scheduler(&store, &config, &code.schedules).unwrap()
        };

        scheduler().run_once().await.unwrap();
        clock.advance(2.hours());
        let summary = scheduler().run_once().await.unwrap();

        assert_eq!((summary.enqueued, summary.to_string().as_str()), (2, "enqueued 2, left out 0"));
        let shop = store.schedules.timetable(&GroupName::new("shop").unwrap()).unwrap();
        let list = shop.list().await.unwrap();
        let names: Vec<&str> = list.iter().map(|view| view.name.as_str()).collect();
        assert_eq!(names, ["nightly", "report"]);
        assert!(list.iter().all(|view| view.acted_at == Some(clock.now())));
    }

    #[test]
    fn one_name_twice_is_refused_with_the_place() {
        let store = Store::of(MemoryBackend::new());
        let refused = |config: &Config, code: CommandLine| {
            let refused = args("scheduler").scheduler(&store, config, &code.schedules);
            match refused {
                Err(Failure::Usage(why)) => why,
                other => panic!("{other:?}"),
            }
        };
        let code = || CommandLine::new(Registry::new()).schedule("report", hourly());

        let file = config("[schedules.report]\nevery = \"1h\"\nkind = \"report\"");
        assert_eq!(
            refused(&file, code()),
            "etc/jobq.toml: schedule \"report\" is declared by the program, too: give one of them \
             another name"
        );
        let told = refused(&config(""), code().schedules([("report", hourly())]));
        assert_eq!(told, "there are two schedules of the name \"report\"");
        let unknown = Schedule::daily().timezone("Europe/Warsa").job(Report);
        let told = refused(&config(""), code().schedule("late", unknown));
        assert!(told.contains("did you mean \"Europe/Warsaw\"?"), "{told}");
    }

    #[test]
    fn the_group_is_that_of_the_flag_then_of_the_file_then_of_code() {
        let file = config("[scheduler]\ngroup = \"file\"");
        let of = |line: &str, config: &Config, code: Option<&str>| {
            args(line).group.of(config, code).unwrap().to_string()
        };

        assert_eq!(of("scheduler --group flag", &file, Some("code")), "flag");
        assert_eq!(of("scheduler", &file, Some("code")), "file");
        assert_eq!(of("scheduler", &config(""), Some("code")), "code");
        assert_eq!(of("scheduler", &config(""), None), "default");
        assert!(args("scheduler").group.of(&config(""), Some("a b")).is_err());
    }
}
