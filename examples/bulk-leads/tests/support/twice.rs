//! A bulk job of which every step is done twice, in odd orders.

use bulk_leads::change_chunk::change_chunk;
use bulk_leads::db::BulkState;
use bulk_leads::finish_job::finish_job;
use bulk_leads::jobs::{ChangeChunk, FinishJob, SplitJob};
use bulk_leads::split_job::split_job;
use jobq_worker::State;

use super::steps::{Steps, ids};
use super::tables::{count, execute, history, leads};

/// 45 leads, of which 3 cannot be changed. The end is the same as if everything had been done once.
pub(crate) async fn everything_twice(steps: &Steps) {
    let client = steps.caller(7).await.client;
    execute(&steps.url, "UPDATE crm_leads SET deleted_at = 1 WHERE id = 15").await;
    execute(&steps.url, "UPDATE crm_leads SET status = 'won' WHERE id = 41").await;
    let accepted = client.change(&[ids(1, 44), vec![888]].concat(), "qualified").await.unwrap();
    let job_id = accepted.text("job_id").to_owned();
    let split = SplitJob { job_id: job_id.clone() };
    let finish = FinishJob { job_id: job_id.clone() };
    let app = || State(steps.app.clone());

    assert_eq!(steps.work(1).await, 1);
    for _ in 0..2 {
        split_job(split.clone(), app(), steps.context(&split, 0)).await.unwrap();
    }
    let leases = steps.lease_all().await;
    assert_eq!(leases.len(), 5, "each chunk is there once");
    let chunks: Vec<ChangeChunk> =
        leases.iter().map(|lease| lease.job.payload.decode().unwrap()).collect();
    for chunk in chunks.iter().rev().take(3) {
        for _ in 0..2 {
            change_chunk(chunk.clone(), app(), steps.context(chunk, 0)).await.unwrap();
        }
        finish_job(finish.clone(), app(), steps.context(&finish, 0)).await.unwrap();
    }
    let half = steps.job(&accepted).await;
    assert_eq!((half.state, half.successes, half.failures), (BulkState::Processing, 23, 2));

    // The worker that had leased them gives them back, and another one does all five.
    steps.release(&leases).await;
    split_job(split.clone(), app(), steps.context(&split, 0)).await.unwrap();
    steps.work_off().await;

    let done = steps.job(&accepted).await;
    assert_eq!((done.state, done.successes, done.failures), (BulkState::Completed, 42, 3));
    let changed = history(&steps.url).await;
    assert_eq!(changed.len(), 42, "each lead was updated once");
    let before = leads(&steps.url).await;
    assert_eq!(before.iter().filter(|lead| lead[1] == "qualified").count(), 42);

    for chunk in &chunks {
        // Over and done with: the context is of a worker that knows nothing of it.
        let _ = change_chunk(chunk.clone(), app(), steps.context(chunk, 0)).await;
    }
    split_job(split.clone(), app(), steps.context(&split, 0)).await.unwrap();
    finish_job(finish.clone(), app(), steps.context(&finish, 0)).await.unwrap();
    steps.work_off().await;
    assert_eq!(steps.job(&accepted).await, done);
    assert_eq!(leads(&steps.url).await, before);
    assert_eq!(history(&steps.url).await, changed);
    assert_eq!(count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_chunks").await, 5);
    let failed = steps.store().failed_leads(&job_id).await.unwrap();
    assert_eq!(failed.iter().map(|lead| lead.lead_id).collect::<Vec<_>>(), [15, 41, 888]);
}
