//! The limits of each store's lane, and how they are changed while everything runs.

use std::time::Duration;

use jobq_core::{
    Backend, Breaker, Inspect, Job, LaneKey, LimitScope, LimitSource, Limits, QueueName, Rate,
    Result,
};

use crate::ids::StoreId;
use crate::job::SyncRecord;

/// What a CRM allows for each store unless it is told otherwise.
pub const DEFAULT_RATE: Rate = Rate::fixed(100, Duration::from_secs(60));

/// How many requests of one store are under way at once, over all workers. A CRM that answers after four
/// seconds still gets 100 a minute, and one that hangs takes no more places than this from other stores.
pub const DEFAULT_STORE_CONCURRENCY: u32 = 8;

/// After so many failures in a row a store's CRM is left alone for a while: its jobs would use up their
/// attempts in vain.
const BREAKER: Breaker = Breaker::new(20, Duration::from_secs(30));

/// The queue of this system.
///
/// # Errors
///
/// None; the name is a good one.
pub fn queue_name() -> Result<QueueName> {
    QueueName::new(SyncRecord::QUEUE)
}

/// Sets what holds for every store, each time workers start. What was set by
/// [`set_rate`] stays in force.
///
/// # Errors
///
/// As [`Backend::set_limits`].
pub async fn install(backend: &dyn Backend, rate: Rate, concurrency: u32) -> Result<()> {
    let limits = Limits::new().rate(rate).concurrency(concurrency).breaker(BREAKER);
    backend.set_limits(&LimitScope::Lanes(queue_name()?), LimitSource::Code, &limits).await
}

/// Changes the rate of a store, or of all stores, at once and for good. `None` takes the change back.
///
/// # Errors
///
/// As [`Backend::set_limits`].
pub async fn set_rate(
    backend: &dyn Backend,
    store: Option<StoreId>,
    rate: Option<Rate>,
) -> Result<()> {
    let queue = queue_name()?;
    let scope = match store {
        Some(store) => LimitScope::Lane(queue, LaneKey::new(store)?),
        None => LimitScope::Lanes(queue),
    };
    let limits = rate.map_or_else(Limits::new, |rate| Limits::new().rate(rate));
    backend.set_limits(&scope, LimitSource::Operator, &limits).await
}

/// The rate in force for a store; `None` if nothing limits it.
///
/// # Errors
///
/// As [`Inspect::lane`].
pub async fn rate_of(inspect: &dyn Inspect, store: StoreId) -> Result<Option<Rate>> {
    Ok(inspect.lane(&queue_name()?, &LaneKey::new(store)?).await?.limits.rate)
}
