//! What each command does.

mod integrations;
mod messages;
mod serve;
mod stub;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Parser;
use program::Failure;
use sqlx::sqlite::SqliteConnectOptions;

use crate::cli::{Cli, Command};
use crate::db::Store;
use crate::demo::demo;

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

/// Opens a database, and creates a file that is not there.
pub(crate) async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite://", "mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    if let Some((name, rest)) =
        url.strip_prefix("sqlite://").map(|rest| rest.split_once('?').unwrap_or((rest, "")))
        && (name.is_empty() || name.contains(":memory:") || rest.contains("mode=memory"))
    {
        let message = "a database in memory keeps nothing: give sqlite://FILE";
        return Err(Failure::usage(message));
    }
    Ok(Store::open(url).await?)
}

/// Opens a database that should be there: who looks at nothing has mostly mistyped its name.
async fn open_known(url: &str) -> Result<Store, Failure> {
    match sqlite_file(url) {
        Some(file) if !file.as_os_str().is_empty() && !file.exists() => {
            let message = format!("there is no database {}", file.display());
            Err(Failure::usage(message))
        }
        _ => open(url).await,
    }
}

/// The file that an address of SQLite means.
fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options = url.starts_with("sqlite://").then(|| SqliteConnectOptions::from_str(url));
    options?.ok().map(|options| options.get_filename().to_path_buf())
}
