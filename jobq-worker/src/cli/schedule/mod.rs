//! `jobq schedule`: the schedules of a group, seen and changed.

mod define;
mod list;
mod next;
mod remove;
mod run;
mod switch;
mod timing;

use jobq_core::{Error, ErrorKind, GroupName, Schedules as _};
use jobq_scheduler::Timetable;

pub(super) use self::timing::TimingArgs;
use super::command_line::CommandLine;
use super::config::Config;
use super::connect::{Address, Store};
use super::exit::Failure;

/// What `schedule` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    group: GroupArgs,
    #[command(subcommand)]
    action: Action,
}

/// Which schedules.
#[derive(Debug, Default, clap::Args)]
pub(super) struct GroupArgs {
    /// The group of the schedules: the name of the service that has them. By default what `jobq.toml` says
    /// under `[scheduler]`, then what the program says, and then `default`.
    #[arg(long, global = true, value_name = "NAME", env = "JOBQ_GROUP")]
    pub(super) group: Option<GroupName>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show schedules: when they run, when they last did, and what became of it.
    List(list::Args),
    /// Show when a schedule is to run next.
    Next(next::Args),
    /// Enqueue the job of a schedule now, also of one that is paused. Its ticks come as before.
    Run(run::Args),
    /// Enqueue nothing for a schedule until it is resumed, also after deployments.
    Pause(switch::Args),
    /// Run a paused schedule again, from now on: what was due meanwhile is not made up for.
    Resume(switch::Args),
    /// Add a schedule that neither code nor `jobq.toml` declares.
    Add(define::Args),
    /// Define a schedule anew that was added here; what is not said is as by default.
    Change(define::Args),
    /// Remove a schedule that was added here. Jobs that it has enqueued stay.
    Remove(remove::Args),
}

pub(super) async fn run(
    address: &Address,
    config: &Config,
    args: &Args,
    code: &CommandLine,
) -> Result<(), Failure> {
    let group = args.group.of(config, code.schedules.group.as_deref())?;
    let connect = async || {
        let store = address.connect().await?;
        let timetable = store.schedules.timetable(&group)?;
        let at = address.place()?;
        Ok::<_, Failure>(Place { store, timetable, group: group.clone(), at })
    };
    match &args.action {
        Action::List(args) => list::run(&connect().await?, args).await,
        Action::Next(args) => next::run(&connect().await?, args).await,
        Action::Run(args) => run::run(&connect().await?, args).await,
        Action::Pause(args) => switch::run(&connect().await?, args, switch::Switch::Pause).await,
        Action::Resume(args) => switch::run(&connect().await?, args, switch::Switch::Resume).await,
        Action::Remove(args) => {
            args.check()?;
            remove::run(&connect().await?, args).await
        }
        // What makes no sense is told before anybody is called.
        Action::Add(args) => {
            let schedule = args.schedule(&code.registry)?;
            define::add(&connect().await?, args, schedule).await
        }
        Action::Change(args) => {
            let schedule = args.schedule(&code.registry)?;
            define::change(&connect().await?, args, schedule).await
        }
    }
}

/// A group of a store.
struct Place {
    store: Store,
    timetable: Timetable,
    group: GroupName,
    /// Where the store is, as a question says it.
    at: String,
}

impl Place {
    /// What went wrong; of a schedule that is not there, which is a wrong command, with the groups that there are.
    async fn explain(&self, fault: Error) -> Failure {
        if fault.kind() != ErrorKind::NotFound {
            return fault.into();
        }
        Failure::Usage(match self.others().await {
            Ok(Some(others)) => format!("{fault} ({others})"),
            _ => fault.to_string(),
        })
    }

    /// The other groups, and how to name them.
    async fn others(&self) -> Result<Option<String>, Failure> {
        let groups = self.store.schedules.groups().await?;
        let others: Vec<&str> =
            groups.iter().filter(|group| **group != self.group).map(GroupName::as_str).collect();
        Ok(match others.as_slice() {
            [] => None,
            [one] => Some(format!("there is group {one}: see --group")),
            several => Some(format!("there are groups {}: see --group", several.join(", "))),
        })
    }
}
