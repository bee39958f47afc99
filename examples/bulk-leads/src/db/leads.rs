//! Invented leads, for demonstrations, tests and benchmarks.

use serde::Serialize;

use super::driver::{StoreError, values};
use super::store::{Store, json_list};

/// How many leads one statement puts in.
const BATCH: u64 = 1_000;

const NAMES: [&str; 12] = [
    "Łucja Żak",
    "Piotr Wójcik",
    "Anna Kowalska",
    "Jörg Müller",
    "Zoë Ångström",
    "Karel Čapek",
    "Émile Brontë",
    "Maria Núñez",
    "Oğuz Şahin",
    "Siân Pugh",
    "Ivo Đurić",
    "Mette Sørensen",
];

/// What is wrong with a lead that is to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "handled in one place")]
pub enum Bad {
    /// It was deleted.
    Deleted,
    /// It is won, and stays so.
    Won,
}

#[derive(Serialize)]
struct Lead {
    id: u64,
    name: String,
    status: &'static str,
    deleted_at: Option<u64>,
}

impl Store {
    /// Whether there is any lead, deleted or not.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_leads(&self) -> Result<bool, StoreError> {
        let found = self.driver.query("SELECT id FROM crm_leads LIMIT 1", values![]).await?;
        Ok(!found.is_empty())
    }

    /// Puts the leads 1 to `count` in, all new but the last ones, which are as `bad` says. Leads that are
    /// there already are put back.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn seed(&self, count: u64, bad: &[Bad]) -> Result<(), StoreError> {
        let (now, good) = (self.now_ms(), count.saturating_sub(bad.len() as u64));
        let lead = |id: u64| {
            let bad = id.checked_sub(good + 1).and_then(|at| bad.get(at as usize)).copied();
            Lead {
                id,
                name: format!("{} {id}", NAMES[(id % 12) as usize]),
                status: if bad == Some(Bad::Won) { "won" } else { "new" },
                deleted_at: (bad == Some(Bad::Deleted)).then_some(now),
            }
        };
        for first in (1..=count).step_by(BATCH as usize) {
            let last = count.min(first + BATCH - 1);
            let leads = json_list((first..=last).map(lead));
            let mut transaction = self.driver.begin().await?;
            transaction.execute(self.driver.dialect().put_leads, values![leads, now]).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}
