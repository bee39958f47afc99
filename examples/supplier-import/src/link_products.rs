//! The jobs that link products.

use std::time::Duration;

use jobq_core::{JobError, JobResult};
use jobq_worker::State;

use crate::app::App;
use crate::jobs::{LinkShop, LinkSupplier};
use crate::linking::{self, LinkError, LinkReport};
use crate::spool::{FetchError, Limits};
use crate::sync_availability::{shop_of, verdict};

/// The handler of [`LinkSupplier`]. Its result is the report.
///
/// # Errors
///
/// When the list cannot be fetched or the database fails, to be tried again; a list that is faulty as a whole is
/// not.
pub async fn link_supplier(job: LinkSupplier, State(app): State<App>) -> JobResult<LinkReport> {
    let LinkSupplier { contractor_id, source, layout, max_bytes, http_timeout_s } = job;
    let limits = Limits { max_bytes, http_timeout: Duration::from_secs(http_timeout_s) };
    let linked = linking::link_supplier(&app.store, contractor_id, &source, layout, limits).await;
    linked.map_err(|error| match error {
        LinkError::List(FetchError::Fault(fault)) => JobError::dead(fault),
        error => JobError::retry(error),
    })
}

/// The handler of [`LinkShop`]. Its result is the report.
///
/// # Errors
///
/// When either database fails, to be tried again, unless a person must do something about it first.
pub async fn link_shop(_job: LinkShop, State(app): State<App>) -> JobResult<LinkReport> {
    linking::link_shop(&app.store, shop_of(&app)?).await.map_err(verdict)
}
