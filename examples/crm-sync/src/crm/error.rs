//! What can go wrong between us and a CRM, by what is to be done about it.

use super::RetryAfter;

/// Why a request did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "something is to be done about each")]
pub enum CrmError {
    /// It would be refused the next time too.
    #[error("the CRM refuses it with HTTP {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Refused {
        /// The status.
        status: u16,
        /// What the CRM says, cut short.
        message: String,
    },
    /// The CRM does not know the record.
    #[error("the CRM does not know it")]
    Missing,
    /// The CRM asks for a rest.
    #[error("the CRM asks for a rest (HTTP {status})")]
    Throttled {
        /// The status: 429 or 503.
        status: u16,
        /// For how long, if it says so.
        retry_after: Option<RetryAfter>,
    },
    /// The next time it may do. Whether the CRM has done it this time is not known.
    #[error("{0}")]
    Failing(String),
}
