//! The job that is measured with: about 200 bytes of payload, and a handler that does nothing.

use jobq_core::{Job, Payload};
use serde::{Deserialize, Serialize};

/// The queue of all measurements.
pub(crate) const QUEUE: &str = "bench";

/// A job as a shop might have it.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(kind = "bench.noop", queue = "bench", max_attempts = 3)]
pub(crate) struct Noop {
    pub(crate) number: u64,
    customer: String,
    address: String,
    note: String,
}

impl Noop {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            customer: "Zofia Kowalska-Brzęczyszczykiewicz".into(),
            address: "ul. Długa 17/4, 00-238 Warszawa, Polska".into(),
            note: "Please deliver between nine and eleven, and ring twice: the bell is slow".into(),
        }
    }

    /// The size of its payload in bytes.
    pub(crate) fn payload_bytes() -> usize {
        Payload::encode(&Self::new(1_000_000)).map_or(0, |payload| payload.as_bytes().len())
    }
}

/// The handler.
pub(crate) async fn noop(job: Noop) {
    std::hint::black_box(job);
}
