//! What each command does.

mod bench;
mod demo;
mod keys;
mod serve;
mod stage;
mod tend;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::db::Store;
use crate::failure::Failure;

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
    if !["sqlite:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    Ok(Store::open(url).await?)
}
