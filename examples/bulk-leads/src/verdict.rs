//! What becomes of each lead of a chunk, decided before anything is written.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::status::LeadStatus;

/// A lead as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundLead {
    pub(crate) id: i64,
    /// As stored: other programs write to that table, too.
    pub(crate) status: String,
    pub(crate) is_deleted: bool,
}

/// A lead that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FailedLead {
    /// Which.
    pub lead_id: i64,
    /// Why, for programs.
    pub code: Fault,
    /// Why, for people.
    pub reason: String,
}

/// Why a lead was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// There is no such lead.
    NotFound,
    /// It was deleted.
    Deleted,
    /// It may not go from its status to the one that was asked for.
    TransitionNotAllowed,
    /// Its status is none that we know.
    UnknownStatus,
}

/// What is to be done with some leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Those to be updated, ascending.
    pub(crate) to_update: Vec<i64>,
    /// How many have the wanted status already, which is as good.
    pub(crate) unchanged: u64,
    /// The others, ascending.
    pub(crate) failed: Vec<FailedLead>,
}

impl Verdict {
    /// Decides about `wanted` leads by those that were `found`.
    pub(crate) fn of(wanted: &[i64], found: Vec<FoundLead>, target: LeadStatus) -> Self {
        let found: HashMap<i64, FoundLead> =
            found.into_iter().map(|lead| (lead.id, lead)).collect();
        let mut verdict = Self::default();
        for &lead_id in wanted {
            match fault(lead_id, found.get(&lead_id), target) {
                Ok(Change::Update) => verdict.to_update.push(lead_id),
                Ok(Change::Nothing) => verdict.unchanged += 1,
                Err((code, reason)) => verdict.failed.push(FailedLead { lead_id, code, reason }),
            }
        }
        verdict
    }

    pub(crate) fn successes(&self) -> u64 {
        self.to_update.len() as u64 + self.unchanged
    }
}

enum Change {
    Update,
    Nothing,
}

fn fault(id: i64, lead: Option<&FoundLead>, target: LeadStatus) -> Result<Change, (Fault, String)> {
    let Some(lead) = lead else {
        return Err((Fault::NotFound, format!("there is no lead {id}")));
    };
    if lead.is_deleted {
        return Err((Fault::Deleted, format!("lead {id} was deleted")));
    }
    let Ok(status) = lead.status.parse::<LeadStatus>() else {
        let shown: String = lead.status.chars().take(40).collect();
        return Err((Fault::UnknownStatus, format!("lead {id} has the unknown status {shown:?}")));
    };
    if status == target {
        Ok(Change::Nothing)
    } else if status.may_become(target) {
        Ok(Change::Update)
    } else {
        let reason = format!("a lead that is {status} cannot become {target}");
        Err((Fault::TransitionNotAllowed, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lead_is_judged_for_itself() {
        let lead =
            |id, status: &str, is_deleted| FoundLead { id, status: status.into(), is_deleted };
        let found = vec![
            lead(1, "new", false),
            lead(2, "contacted", false),
            lead(3, "won", false),
            lead(4, "new", true),
            lead(5, "archived", false),
        ];

        let verdict = Verdict::of(&[1, 2, 3, 4, 5, 6], found, LeadStatus::Contacted);

        assert_eq!(verdict.to_update, [1]);
        assert_eq!(verdict.unchanged, 1);
        assert_eq!(verdict.successes(), 2);
        let failed: Vec<_> =
            verdict.failed.iter().map(|lead| (lead.lead_id, lead.code, &*lead.reason)).collect();
        assert_eq!(
            failed,
            [
                (3, Fault::TransitionNotAllowed, "a lead that is won cannot become contacted"),
                (4, Fault::Deleted, "lead 4 was deleted"),
                (5, Fault::UnknownStatus, "lead 5 has the unknown status \"archived\""),
                (6, Fault::NotFound, "there is no lead 6"),
            ]
        );
    }
}
