//! What each command does.

mod bench;
mod demo;
mod keys;
mod serve;
mod stage;
mod tend;

use std::process::ExitCode;

use program::Failure;

use crate::cli::{Cli, Command, OverwriteArgs};
use crate::db::Store;

/// Does what the command line says.
///
/// # Errors
///
/// When it cannot be done.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Demo(args) => demo::demo(&args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Work(args) => serve::work(args).await,
        Command::Seed(args) => tend::seed(&args).await,
        Command::Keys(command) => keys::keys(command).await,
        Command::Monitor(args) => tend::monitor(&args).await,
        Command::Prune(args) => tend::prune(&args).await,
        Command::Receive(args) => serve::receive(args).await,
        Command::Bench(args) => bench::bench(&args).await,
    }
}

async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite://", "mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    Ok(Store::open(url).await?)
}

/// Refuses to put invented leads in place of others, which may be somebody's.
async fn check_overwrite(store: &Store, args: &OverwriteArgs) -> Result<(), Failure> {
    if args.overwrite || !store.has_leads().await? {
        return Ok(());
    }
    Err(Failure::usage(
        "the database has leads: to put invented ones in their place add --overwrite",
    ))
}
