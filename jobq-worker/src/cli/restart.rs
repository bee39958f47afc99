//! `jobq restart`: all workers finish what they run, and end.

use super::connect::Address;
use super::exit::Failure;
use super::output;

pub(super) async fn run(address: &Address) -> Result<(), Failure> {
    let store = address.connect().await?;
    let workers = store.inspect.workers().await?.len();
    store.inspect.restart_workers().await?;
    output::line(&format!(
        "asked {workers} workers to end: busy ones hear of it within five seconds, idle ones within twenty, and whatever supervises \
         them starts them anew"
    ))?;
    Ok(())
}
