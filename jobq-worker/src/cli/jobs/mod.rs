//! `jobq jobs`: jobs one by one, whatever their state.

mod delete;
mod list;
mod show;
mod view;

use super::connect::Address;
use super::exit::Failure;
use super::{cancel, output};

pub(super) use self::delete::{Args as DeleteArgs, delete_known};
pub(super) use self::view::with_failures;

/// What `jobs` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show the jobs of a queue, state by state.
    List(list::Args),
    /// Show all that is known of a job.
    Show(show::Args),
    /// Cancel jobs, whether they wait or run.
    Cancel(cancel::Args),
    /// Delete jobs that nobody is running, whatever their state.
    Delete(delete::Args),
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::List(args) => list::run(address, args).await,
        Verb::Show(args) => show::run(address, args).await,
        Verb::Cancel(args) => cancel::run(address, args).await,
        Verb::Delete(args) => delete::run(address, args).await,
    }
}
