//! jobq's relay, over whichever database.

use std::future::Future;

use jobq_core::Result;
use jobq_core::sql::outbox::{self, RelayCounts};
use sqlx::{MySql, Sqlite};

/// Moves jobs from the database to their queue. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) enum Relay {
    Sqlite(outbox::Relay<Sqlite>),
    Mysql(outbox::Relay<MySql>),
}

impl Relay {
    /// Says that something was committed: the relay looks at once.
    pub(crate) fn nudge(&self) {
        match self {
            Self::Sqlite(relay) => relay.nudge(),
            Self::Mysql(relay) => relay.nudge(),
        }
    }

    pub(crate) async fn run_until(
        &self,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<RelayCounts> {
        match self {
            Self::Sqlite(relay) => relay.run_until(stop).await,
            Self::Mysql(relay) => relay.run_until(stop).await,
        }
    }

    /// The same, by so many jobs at a time.
    pub(crate) fn jobs_per_call(self, jobs: u32) -> Self {
        match self {
            Self::Sqlite(relay) => Self::Sqlite(relay.jobs_per_call(jobs)),
            Self::Mysql(relay) => Self::Mysql(relay.jobs_per_call(jobs)),
        }
    }

    /// How many jobs were moved since it was made.
    pub(crate) fn moved(&self) -> u64 {
        match self {
            Self::Sqlite(relay) => relay.counts().moved(),
            Self::Mysql(relay) => relay.counts().moved(),
        }
    }

    /// Moves what there is.
    pub(crate) async fn run_once(&self) -> Result<RelayCounts> {
        match self {
            Self::Sqlite(relay) => relay.run_once().await,
            Self::Mysql(relay) => relay.run_once().await,
        }
    }
}
