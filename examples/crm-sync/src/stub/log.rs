//! Every request, with the instant at which it came.

use std::fs::File;
use std::io::Write;

use jobq_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::books::Brand;
use super::faults::Fault;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// When it came, in UTC milliseconds by the server's clock.
    pub at: Timestamp,
    /// Whose account it is for.
    pub store: u32,
    /// As which CRM it was spoken to.
    pub brand: Brand,
    /// The method.
    pub method: String,
    /// The rest of the path.
    pub path: String,
    /// The key that makes a creation the same as an earlier one.
    pub idempotency_key: Option<String>,
    /// What was answered; none while it is under way, and if the connection was cut.
    pub status: Option<u16>,
    /// What went wrong with it.
    pub fault: Option<Fault>,
}

/// All requests of a server.
#[derive(Debug, Default)]
pub(super) struct Log {
    requests: Vec<Request>,
    file: Option<File>,
}

impl Log {
    pub(super) fn write_to(&mut self, file: File) {
        self.file = Some(file);
    }

    /// Takes down a request that has come, and gives its number.
    pub(super) fn begin(&mut self, request: Request) -> usize {
        self.requests.push(request);
        self.requests.len() - 1
    }

    /// The request is over.
    pub(super) fn end(&mut self, number: usize, status: Option<u16>) {
        let Some(request) = self.requests.get_mut(number) else {
            return;
        };
        request.status = status;
        if let Some(file) = &mut self.file {
            // A full disk is no reason to answer differently: the log in memory is the one that counts.
            let _ = writeln!(file, "{}", line(request));
        }
    }

    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }
}

pub(super) fn line(request: &Request) -> String {
    // Texts and numbers always have a JSON form.
    serde_json::to_string(request).unwrap_or_default()
}
