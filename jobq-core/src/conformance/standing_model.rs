//! Whether why a job is not running is what an exchange then decides, in random scenes.

use super::Scene;
use super::chance::{Chance, Mix};
use super::scene::{SECOND, lane_key};
use super::standing::standing;
use super::trace::{Trace, number_from};
use crate::batch::BatchRef;
use crate::explain::Block;
use crate::id::JobId;
use crate::limits::{Limits, Rate};
use crate::record::{NewJob, When};
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// In random scenes a job is leased if and only if nothing is said to keep it back. A failing run prints
/// its seed; `JOBQ_MODEL_SEED` repeats it.
pub async fn standing_agrees_with_what_is_leased(t: &Scene) {
    let seed = number_from("JOBQ_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    for round in 0..12 {
        let seed = seed + round;
        let _told = Trace::new(seed);
        Agreement { t, chance: Chance::new(seed, Mix::Flow), batch: None }.check().await;
    }
}

/// One random scene.
struct Agreement<'a> {
    t: &'a Scene,
    chance: Chance,
    /// What counts some of the jobs, and may be called off.
    batch: Option<BatchRef>,
}

impl Agreement<'_> {
    async fn check(&mut self) {
        self.arrange().await;
        let t = self.t;
        // What is due and what has expired is seen to: an exchange does that before it decides.
        t.maintain().await;
        let ids = [t.ids(JobState::Ready).await, t.ids(JobState::Scheduled).await].concat();
        let mut before = Vec::new();
        for id in ids {
            before.push(standing(t, id).await);
        }
        let first: Vec<JobId> = t.lease_ids(1).await;
        for job in &before {
            let id = job.job.record.id;
            let is_alone = job.lanes == 0 && job.ahead == 0 && job.blocks.is_empty();
            if is_alone && job.job.state == JobState::Ready {
                assert_eq!(first, [id], "alone and free: {job:?}");
            }
        }
        let leased = [first, t.lease_ids(1_000).await].concat();
        for job in &before {
            let id = job.job.record.id;
            if !job.blocks.is_empty() {
                assert!(!leased.contains(&id), "said to be kept back: {job:?}");
                let is_off =
                    job.blocks.iter().all(|block| matches!(block, Block::CalledOff { .. }));
                if is_off && job.ahead == 0 && job.lanes == 0 {
                    assert_eq!(t.state(id).await, None, "called off and first: {job:?}");
                }
            } else if !leased.contains(&id) {
                let now = standing(t, id).await;
                assert!(!now.blocks.is_empty() || now.ahead > 0, "kept back by nothing: {now:?}");
            }
        }
        self.clear().await;
    }

    /// Limits, lanes and jobs of all sorts.
    async fn arrange(&mut self) {
        let t = self.t;
        t.limit_queue(self.limits(3)).await;
        t.limit_lanes(self.limits(2)).await;
        t.limit_lane("a", self.limits(2)).await;
        let batch = t.open_with(|new| new.retention = SECOND).await;
        self.batch = (self.chance.below(2) == 0).then(|| batch.clone());
        for _ in 0..self.chance.below(3) {
            let count = self.chance.below(6) + 1;
            let jobs: Vec<NewJob> = (0..count).map(|_| self.job()).collect();
            t.add_all(&jobs).await;
            let limit = self.chance.below(4);
            for lease in t.lease(limit).await {
                match self.chance.below(4) {
                    0 => drop(t.retry(&lease, SECOND * 2).await),
                    1 => drop(t.release(&lease).await),
                    2 => drop(t.ack(&lease).await),
                    _ => {}
                }
            }
            t.advance(self.chance.millis_below(3_000));
        }
        match self.chance.below(8) {
            0 => t.pause_lane("a").await,
            1 => t.throttle("b", SECOND).await,
            2 => t.pause().await,
            _ => {}
        }
        let jobs: Vec<NewJob> = (0..self.chance.below(6)).map(|_| self.job()).collect();
        t.add_all(&jobs).await;
        if self.chance.below(2) == 0 {
            t.store().call_off_batch(&batch).await.unwrap();
        }
        t.close(&batch).await;
    }

    fn limits(&mut self, most: usize) -> Limits {
        let count = u32::try_from(self.chance.below(most) + 1).unwrap();
        let limits = Limits::new();
        match self.chance.below(6) {
            0 => limits.concurrency(count),
            1 => limits.rate(Rate::fixed(count * 2, SECOND * 2)),
            2 => limits.rate(Rate::sliding(count * 2, SECOND * 2)),
            3 => limits.rate(Rate::bucket(count, SECOND, count)),
            _ => limits,
        }
    }

    fn job(&mut self) -> NewJob {
        let lane = ["a", "b", "c", ""][self.chance.below(4)];
        let cost = [1, 1, 3][self.chance.below(3)];
        let is_keyed = self.chance.below(4) == 0;
        let batch = self.batch.clone().filter(|_| self.chance.below(3) == 0);
        let mut job = self.t.job_with(|record| {
            record.lane = (!lane.is_empty()).then(|| lane_key(lane));
            record.cost = cost;
            record.batch = batch;
            if is_keyed {
                let key = UniqueKey::from_bytes([9; 16]);
                record.unique = Some(Unique::new(key, UniqueMode::WhileRunning));
            }
        });
        if self.chance.below(5) == 0 {
            job.when = When::After(self.chance.seconds_below(5));
        }
        job
    }

    /// Leaves nothing for the next scene.
    async fn clear(&self) {
        let t = self.t;
        t.resume().await;
        t.resume_lane("a").await;
        t.resume_lane("b").await;
        t.limit_queue(Limits::new()).await;
        t.limit_lanes(Limits::new()).await;
        t.limit_lane("a", Limits::new()).await;
        t.store().forfeit(t.queue(), t.worker(), &[]).await.unwrap();
        for state in [JobState::Ready, JobState::Scheduled, JobState::Dead] {
            let ids = t.ids(state).await;
            t.store().delete(t.queue(), state, &ids).await.unwrap();
        }
        t.advance(SECOND * 120);
        t.maintain().await;
    }
}
