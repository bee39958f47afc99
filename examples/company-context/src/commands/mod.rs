//! What each command does.

mod jobs;
mod serve;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use jobq_worker::StopSignals;
use program::{Failure, report};

use crate::cli::{Cli, Command, StubArgs};
use crate::db::Store;
use crate::demo::demo;
use crate::stub::{Chances, Server, StubModel};

pub use self::work::worker;

/// Does what the command line says.
///
/// # Errors
///
/// When it cannot be done.
pub async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Demo(args) => return demo(args).await,
        Command::Monitor(args) => return jobs::monitor(&args).await,
        Command::Retry(args) => return jobs::retry(&args).await,
        Command::Serve(args) => serve::serve(args).await,
        Command::Work(args) => work::work(args).await,
        Command::Failed(args) => jobs::failed(&args).await,
        Command::Flush(args) => jobs::flush(&args).await,
        Command::Stub(args) => stub(&args).await,
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Opens a database.
pub(crate) async fn open(url: &str) -> Result<Store, Failure> {
    if !["sqlite:", "mysql:", "mariadb:"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the database must be sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
        return Err(Failure::usage(message));
    }
    Ok(Store::open(url).await?)
}

async fn stub(args: &StubArgs) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let model = StubModel::new(Chances {
        seed: args.seed,
        fail: args.fail,
        hang: args.hang,
        empty: args.empty,
        nonsense: args.nonsense,
        least_delay: Duration::from_millis(args.least_ms),
        most_delay: Duration::from_millis(args.most_ms),
    });
    let server = Server::start(model.clone(), args.listen)
        .map_err(|error| Failure::usage(format!("cannot listen on {}: {error}", args.listen)))?;
    report::line(&format!("listening on {}", server.endpoint()));
    signals.next().await;
    report::json(&model.summary());
    Ok(())
}
