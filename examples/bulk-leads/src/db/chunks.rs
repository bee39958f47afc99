//! Changing leads: five statements for a chunk of a job, however many leads it has, in one transaction.

use super::accept::usage;
use super::driver::{Record, StoreError, Transaction, again, values};
use super::store::{Store, json_list};
use crate::lead_ids::LeadIds;
use crate::limits::{Asked, LimitHit, Limits, day_of};
use crate::status::LeadStatus;
use crate::verdict::{FailedLead, FoundLead, Verdict};

/// What some leads are to become, and who wants it.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct LeadChange<'a> {
    /// Names the change in the history: the bulk job, or the request. It gives a lead another status
    /// once.
    pub change_id: &'a str,
    /// Who wants it.
    pub user_id: i64,
    /// The status that the leads are to have.
    pub target: LeadStatus,
    /// The leads, ascending.
    pub lead_ids: &'a [i64],
}

/// Some leads of a bulk job.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the chunk job")]
pub struct Chunk<'a> {
    /// Its number in the job, from 0.
    pub chunk_no: u64,
    /// What is to be done; the change is the job.
    pub change: LeadChange<'a>,
}

/// What became of the wish to do a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Applied {
    /// It was done now.
    Now,
    /// It had been done.
    Before,
    /// Its job has ended or is past its time, or is not known: nothing was changed.
    Over,
}

/// What a synchronous change has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeadsChanged {
    /// Leads that have the wanted status.
    pub successes: u64,
    /// Leads that were left as they are.
    pub failed: Vec<FailedLead>,
}

/// What became of the wish to change leads at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum AtOnce {
    /// They were seen to.
    Done(LeadsChanged),
    /// A limit would be exceeded: nothing was changed.
    Limited(LimitHit),
}

impl Store {
    /// Changes leads at once, unless their user would have more leads changed in a day than these limits
    /// allow. Requests of one user are taken one after the other, as [`accept`](Self::accept) does.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing was changed, unless it was while committing.
    pub async fn change_leads(
        &self,
        change: &LeadChange<'_>,
        limits: &Limits,
    ) -> Result<AtOnce, StoreError> {
        again(|| self.try_change_leads(change, limits)).await
    }

    async fn try_change_leads(
        &self,
        change: &LeadChange<'_>,
        limits: &Limits,
    ) -> Result<AtOnce, StoreError> {
        let (dialect, now, leads) =
            (self.driver.dialect(), self.now(), change.lead_ids.len() as u64);
        let (today, user_id) = (day_of(now), change.user_id);
        let mut transaction = self.driver.begin().await?;
        transaction.query(dialect.lock_user, values![user_id]).await?;
        let usage = usage(&mut *transaction, user_id, today).await?;
        if let Err(hit) = limits.check_day(&usage, Asked::Request, leads, now) {
            transaction.roll_back().await?;
            return Ok(AtOnce::Limited(hit));
        }
        let verdict = self.judge(&mut *transaction, change).await?;
        self.update(&mut *transaction, change, &verdict).await?;
        let no_jobs = values![today, user_id, 0_u64, leads, 0_u64, 0_u64, 0_u64, 0_u64, 0_u64];
        transaction.execute(dialect.add_to_day, no_jobs).await?;
        transaction.commit().await?;
        let successes = verdict.successes();
        Ok(AtOnce::Done(LeadsChanged { successes, failed: verdict.failed }))
    }

    /// Does a chunk: its leads, their history, its note and the job's counts, all of them or nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn apply_chunk(&self, chunk: &Chunk<'_>) -> Result<Applied, StoreError> {
        again(|| self.try_apply_chunk(chunk)).await
    }

    async fn try_apply_chunk(&self, chunk: &Chunk<'_>) -> Result<Applied, StoreError> {
        let (change, now) = (&chunk.change, self.now_ms());
        let mut transaction = self.driver.begin().await?;
        let verdict = self.judge(&mut *transaction, change).await?;
        let note = values![
            change.change_id,
            chunk.chunk_no,
            verdict.successes(),
            json_list(&verdict.failed),
            now
        ];
        let is_new = transaction.execute(self.driver.dialect().add_chunk, note).await? > 0;
        if !is_new {
            transaction.roll_back().await?;
            return Ok(Applied::Before);
        }
        self.update(&mut *transaction, change, &verdict).await?;
        // Last, so that chunks of one job wait for each other as shortly as possible. Who ends the job
        // comes either before this statement, and nothing of the chunk is kept, or after the commit.
        let sql = "UPDATE crm_bulk_jobs
                   SET successes = successes + ?, failures = failures + ?, moved_at = ?
                   WHERE id = ? AND state = 'processing' AND deadline_at > ?";
        let failed = verdict.failed.len() as u64;
        let counts = values![verdict.successes(), failed, now, change.change_id, now];
        if transaction.execute(sql, counts).await? == 0 {
            transaction.roll_back().await?;
            return Ok(Applied::Over);
        }
        transaction.commit().await?;
        Ok(Applied::Now)
    }

    /// Locks the leads and decides about them.
    async fn judge(
        &self,
        transaction: &mut dyn Transaction,
        change: &LeadChange<'_>,
    ) -> Result<Verdict, StoreError> {
        let ids = json_list(change.lead_ids);
        let found = transaction.query(self.driver.dialect().lock_leads, values![ids]).await?;
        let lead = |row: &Record| FoundLead {
            id: row.int(0).unwrap_or_default(),
            status: row.string(1),
            is_deleted: row.is_true(2),
        };
        Ok(Verdict::of(change.lead_ids, found.iter().map(lead).collect(), change.target))
    }

    async fn update(
        &self,
        transaction: &mut dyn Transaction,
        change: &LeadChange<'_>,
        verdict: &Verdict,
    ) -> Result<(), StoreError> {
        if verdict.to_update.is_empty() {
            return Ok(());
        }
        let (now, dialect) = (self.now_ms(), self.driver.dialect());
        let (ids, target) = (json_list(&verdict.to_update), change.target.as_str());
        // Before the update: it copies the old status.
        let history = values![change.change_id, change.user_id, target, now, ids.clone()];
        transaction.execute(dialect.add_history, history).await?;
        transaction.execute(dialect.update_leads, values![ids, target, now]).await?;
        Ok(())
    }

    /// The numbers of a job's finished chunks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn done_chunks(&self, job_id: &str) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT chunk_no FROM crm_bulk_chunks WHERE job_id = ?";
        let found = self.driver.query(sql, values![job_id]).await?;
        Ok(found.iter().map(|row| row.count(0)).collect())
    }

    /// The leads of a job that were left as they are, ascending.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn failed_leads(&self, job_id: &str) -> Result<Vec<FailedLead>, StoreError> {
        let sql = "SELECT failures FROM crm_bulk_chunks
                   WHERE job_id = ? AND failures <> '[]' ORDER BY chunk_no";
        let found = self.driver.query(sql, values![job_id]).await?;
        let mut failed = Vec::new();
        for row in &found {
            let chunk: Vec<FailedLead> = serde_json::from_str(row.text(0).unwrap_or_default())
                .map_err(|error| {
                    StoreError::new(format!("the failures of job {job_id} are unreadable: {error}"))
                })?;
            failed.extend(chunk);
        }
        Ok(failed)
    }

    /// The leads of a job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lead_ids(&self, job_id: &str) -> Result<LeadIds, StoreError> {
        let sql = "SELECT lead_ids FROM crm_bulk_job_leads WHERE job_id = ?";
        let found = self.driver.query(sql, values![job_id]).await?;
        let text = found.first().and_then(|row| row.text(0));
        LeadIds::from_json(text.unwrap_or("[]")).map_err(|error| {
            StoreError::new(format!("the leads of job {job_id} are unreadable: {error}"))
        })
    }
}
