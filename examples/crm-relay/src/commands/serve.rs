//! `serve`: the HTTP API, and the work beside it.

use super::open;
use super::work::until_stopped;
use crate::api::Token;
use crate::cli::ServeArgs;
use crate::queue::OpenQueue;
use crate::report;
use crate::service::{ApiSetup, Service, Setup, WorkSetup};
use jobq_worker::StopSignals;
use program::Failure;

pub(super) async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let signals = StopSignals::listen()?;
    let token = Token::new(&args.token)?;
    let work = (!args.no_worker).then(|| WorkSetup {
        policy: args.manner.policy(),
        concurrency: args.manner.concurrency,
        lease: args.manner.lease,
        limit: args.limit,
        upkeep: args.upkeep.upkeep(),
    });
    let service = Service::start(Setup {
        store: open(&args.places.database.url()?).await?,
        queue: OpenQueue::open(&args.places.queue).await?,
        api: Some(ApiSetup { listen: args.listen, token }),
        work,
    })
    .await?;
    report::line(&format!("listening on {}", service.url().unwrap_or_default()));
    until_stopped(service, signals, false).await
}
