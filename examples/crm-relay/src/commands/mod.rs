//! What each command does.

mod integrations;
mod messages;
mod serve;
mod stub;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::db::Store;
use crate::demo::demo;
use crate::failure::Failure;

/// Does what the command line says.
///
/// # Errors
///
/// When it cannot be done.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let command = match cli.command {
        Some(command) => command,
        None => match Cli::parse_from(["crm-relay", "demo"]).command {
            Some(command) => command,
            None => return Err(Failure::new("there is nothing to do")),
        },
    };
    match command {
        Command::Demo(args) => return demo(args).await,
        Command::Retry(args) => return messages::retry(&args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Work(args) => work::work(args).await,
        Command::Send(args) => messages::send(&args).await,
        Command::Integrations(command) => integrations::integrations(command).await,
        Command::Metrics(args) => messages::metrics(&args).await,
        Command::Prune(args) => messages::prune(&args).await,
        Command::Stub(args) => stub::stub(&args).await,
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Opens a database.
pub(crate) async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite://", "mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage("unknown_database", message));
    }
    Ok(Store::open(url).await?)
}
