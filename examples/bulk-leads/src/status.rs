//! The statuses of a lead, and which may follow which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a lead is in the sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the values of a column")]
pub enum LeadStatus {
    /// Nobody has spoken to them.
    New,
    /// Somebody has.
    Contacted,
    /// They may buy.
    Qualified,
    /// They have an offer.
    Proposal,
    /// They have bought.
    Won,
    /// They will not buy.
    Lost,
}

impl LeadStatus {
    /// All of them, in the order of a sale.
    pub const ALL: [Self; 6] =
        [Self::New, Self::Contacted, Self::Qualified, Self::Proposal, Self::Won, Self::Lost];

    /// The word for it, in the table and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Contacted => "contacted",
            Self::Qualified => "qualified",
            Self::Proposal => "proposal",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Whether a lead may go from this status to another one: forward by any number of steps, from
    /// anywhere but `won` to `lost`, and from `lost` back to `contacted`. What is won stays won.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Won, _) => false,
            (Self::Lost, next) => matches!(next, Self::Contacted),
            (_, Self::Lost) => true,
            (now, next) => (next as u8) > (now as u8),
        }
    }
}

impl fmt::Display for LeadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LeadStatus {
    type Err = UnknownStatus;

    fn from_str(word: &str) -> Result<Self, UnknownStatus> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or_else(|| UnknownStatus(word.chars().take(40).collect()))
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownStatus(String);

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = LeadStatus::ALL.map(LeadStatus::as_str).join(", ");
        write!(f, "{:?} is no status of a lead: {words}", self.0)
    }
}

impl std::error::Error for UnknownStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_go_forward_are_lost_and_come_back() {
        let may: Vec<(String, String)> = LeadStatus::ALL
            .into_iter()
            .flat_map(|from| LeadStatus::ALL.map(|to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| (from.to_string(), to.to_string()))
            .collect();
        let of = |from: &str, to: &[&str]| {
            to.iter().map(|to| (from.to_owned(), (*to).to_owned())).collect::<Vec<_>>()
        };
        let expected = [
            of("new", &["contacted", "qualified", "proposal", "won", "lost"]),
            of("contacted", &["qualified", "proposal", "won", "lost"]),
            of("qualified", &["proposal", "won", "lost"]),
            of("proposal", &["won", "lost"]),
            of("lost", &["contacted"]),
        ];
        assert_eq!(may, expected.concat());
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for status in LeadStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        let message = "Won".parse::<LeadStatus>().unwrap_err().to_string();
        assert_eq!(
            message,
            "\"Won\" is no status of a lead: new, contacted, qualified, proposal, won, lost"
        );
    }
}
