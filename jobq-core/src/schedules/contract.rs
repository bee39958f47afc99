//! The contract between schedulers and a store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::WorkerId;
use crate::name::{GroupName, QueueName};

use super::claim::{Claim, Claimed};
use super::mark::{Mark, MarkChange, ScheduleRef};

/// A store that schedulers share: every [`Backend`](crate::Backend) of jobq is one.
///
/// All methods are cancel safe as those of a backend are: dropped, a call has had its full effect or none.
#[async_trait]
pub trait Schedules: fmt::Debug + Send + Sync + 'static {
    /// Enqueues the job of a tick, or leaves the tick out, and moves the mark of the schedule, in one step;
    /// or does nothing and says why. The order in which reasons are looked at is that of [`Claimed`].
    ///
    /// Of any claims with the same tick, or an earlier one after a later one, exactly one succeeds, also
    /// long after the job has ended. May be repeated: it is [`Taken`](Claimed::Taken) then.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when it fails [its check](Claim::check). As
    /// [`enqueue_jobs`](crate::Backend::enqueue_jobs) when the job is refused: nothing is changed then.
    /// [`Unavailable`](crate::ErrorKind::Unavailable) also when only the answer was lost.
    async fn claim(&self, claim: &Claim) -> Result<Claimed>;

    /// The marks of schedules whose jobs go to this queue, in their order; `None` of those that have none.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn marks(
        &self,
        queue: &QueueName,
        schedules: &[ScheduleRef],
    ) -> Result<Vec<Option<Mark>>>;

    /// Changes a mark, made if need be. May be repeated; a repeated resume is a later one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()>;

    /// The groups that have entries, by name.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn groups(&self) -> Result<Vec<GroupName>>;

    /// All entries of a group.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn entries(&self, group: &GroupName) -> Result<Entries>;

    /// Changes entries of a group, all or none, and gives its new revision: one greater than any that a
    /// group of this store has had. `None`, and nothing is changed, if its revision is not `based_on`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn amend(
        &self,
        group: &GroupName,
        based_on: u64,
        changes: &[Change],
    ) -> Result<Option<u64>>;

    /// Says that a scheduler lives, with a word of its own, and tells how the group is. It is forgotten
    /// after `ttl` without another one, also when the clock is put back meanwhile. May be repeated. With a
    /// `ttl` of zero nobody is noted: it only tells.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance>;

    /// Takes a scheduler that has stopped off the list of the living. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()>;
}

/// The entries of a group at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entries {
    /// Grows with each change; 0 of a group without entries.
    pub revision: u64,
    /// Bytes under names, which the store does not look into.
    pub entries: BTreeMap<String, Vec<u8>>,
}

impl Entries {
    /// The entries of a group at a revision.
    #[must_use]
    pub const fn new(revision: u64, entries: BTreeMap<String, Vec<u8>>) -> Self {
        Self { revision, entries }
    }
}

/// A change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an entry is there or is not")]
pub enum Change {
    /// These bytes are under this name from now on.
    Put(String, Vec<u8>),
    /// Nothing is under this name any more.
    Remove(String),
}

/// How a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attendance {
    /// The store's time.
    pub now: Timestamp,
    /// The revision of the group's entries.
    pub revision: u64,
    /// The words of all schedulers that live, sorted, each once.
    pub words: Vec<String>,
}

impl Attendance {
    /// How a group is, with the words of all its schedulers.
    #[must_use]
    pub fn new(now: Timestamp, revision: u64, mut words: Vec<String>) -> Self {
        words.sort_unstable();
        words.dedup();
        Self { now, revision, words }
    }
}

#[async_trait]
impl<S: Schedules + ?Sized> Schedules for Arc<S> {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        (**self).claim(claim).await
    }

    async fn marks(
        &self,
        queue: &QueueName,
        schedules: &[ScheduleRef],
    ) -> Result<Vec<Option<Mark>>> {
        (**self).marks(queue, schedules).await
    }

    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()> {
        (**self).change_mark(queue, schedule, change).await
    }

    async fn groups(&self) -> Result<Vec<GroupName>> {
        (**self).groups().await
    }

    async fn entries(&self, group: &GroupName) -> Result<Entries> {
        (**self).entries(group).await
    }

    async fn amend(
        &self,
        group: &GroupName,
        based_on: u64,
        changes: &[Change],
    ) -> Result<Option<u64>> {
        (**self).amend(group, based_on, changes).await
    }

    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance> {
        (**self).attend(group, scheduler, word, ttl).await
    }

    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()> {
        (**self).absent(group, scheduler).await
    }
}

const _OBJECT_SAFE: fn(&dyn Schedules) = |_| {};
