//! The five systems, each set up with its stubs.

mod context;
mod leads;
mod relay;
mod supplier;
mod sync;

use std::path::Path;

use crate::cli::Cli;
use crate::queue::Queue;
use crate::system::{Result, System};

/// Sets up all of them on one queue, each with a database file in a folder.
pub(crate) async fn set_up(
    queue: &Queue,
    folder: &Path,
    cli: &Cli,
) -> Result<Vec<Box<dyn System>>> {
    Ok(vec![
        Box::new(relay::Relay::set_up(queue.for_relay(), folder).await?),
        Box::new(sync::Sync::set_up(queue.for_sync(), folder).await?),
        Box::new(context::Context::set_up(queue.for_contexts(), folder).await?),
        Box::new(leads::Leads::set_up(queue.for_leads(), folder).await?),
        Box::new(supplier::Supplier::set_up(queue, folder, !cli.no_shop).await?),
    ])
}
