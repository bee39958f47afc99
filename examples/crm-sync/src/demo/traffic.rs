//! What happens in the stores meanwhile.

use std::time::Duration;

use program::Failure;
use tokio::time::{MissedTickBehavior, interval};

use super::stage::Stage;
use crate::entity::{Direction, Entity};
use crate::ids::{RecordId, RecordKey, StoreId};
use crate::job::{Reason, SyncRecord};

/// Once a second each store makes a sale, changes a customer, or hears that one was changed in its CRM.
/// Ends only with an error.
pub(super) async fn call_hooks(stage: &Stage) -> Result<(), Failure> {
    let mut every = interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    every.tick().await;
    let mut fetched = vec![0; stage.accounts.len()];
    for second in 0_u64.. {
        every.tick().await;
        for (account, fetched) in stage.accounts.iter().zip(&mut fetched) {
            let store = account.store;
            match second % 3 {
                // The first sales were made before.
                0 => sell(stage, store, second + 11).await?,
                1 => change(stage, store, second + 1).await?,
                _ => fetch(stage, store, fetched).await?,
            }
        }
    }
    Ok(())
}

async fn sell(stage: &Stage, store: StoreId, number: u64) -> Result<(), Failure> {
    let record = RecordId::new(number)?;
    stage.producer.created(RecordKey { store, entity: Entity::Sale, record }).await?;
    Ok(())
}

async fn change(stage: &Stage, store: StoreId, number: u64) -> Result<(), Failure> {
    let record = RecordId::new(number)?;
    stage.producer.updated(RecordKey { store, entity: Entity::Customer, record }).await?;
    Ok(())
}

/// The next customer that the CRM knows.
async fn fetch(stage: &Stage, store: StoreId, after: &mut u64) -> Result<(), Failure> {
    let entity = Entity::Customer;
    let known = stage.store.records_after((store, entity), Direction::FromCrm, *after, 1).await?;
    let Some(record) = known.first().copied() else {
        return Ok(());
    };
    *after = record.as_u64();
    let job = SyncRecord::new(RecordKey { store, entity, record }, Direction::FromCrm);
    stage.producer.sync(job, Reason::Updated).await?;
    Ok(())
}
