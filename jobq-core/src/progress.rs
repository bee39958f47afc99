//! What a running job says of itself.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How many log lines of an attempt are kept: the newest ones.
pub const MAX_LOG_LINES: usize = 100;

/// How much of a log line or a progress message is kept, in bytes.
pub const MAX_LINE_BYTES: usize = 500;

/// How far a job has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0 while unknown.
    pub total: u64,
    /// What is being done.
    pub message: String,
}

impl Progress {
    /// `done` of `total` steps; a long `message` is cut.
    #[must_use]
    pub fn new(done: u64, total: u64, message: impl Into<String>) -> Self {
        Self { done, total, message: cut(message.into()) }
    }

    /// Whole percent done, or `None` while the total is unknown.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let percent = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total.max(1));
        (self.total > 0).then(|| u8::try_from(percent).unwrap_or(100))
    }
}

/// One line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// When it was written, by the backend's clock.
    pub at: Timestamp,
    /// The number of the attempt that wrote it.
    pub attempt: u32,
    /// The text.
    pub text: String,
}

/// What the newest attempt of a job has said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How far it has come; `None` if it never said.
    pub progress: Option<Progress>,
    /// Its log: at most [`MAX_LOG_LINES`], the oldest forgotten first.
    pub log: VecDeque<LogLine>,
}

impl Report {
    /// Adds a line to the log; a long one is cut.
    pub fn push_line(&mut self, at: Timestamp, attempt: u32, text: impl Into<String>) {
        if self.log.len() >= MAX_LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(LogLine { at, attempt, text: cut(text.into()) });
    }
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_LINE_BYTES {
        let mut end = MAX_LINE_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_known_with_the_total() {
        assert_eq!(Progress::new(0, 0, "").percent(), None);
        assert_eq!(Progress::new(1, 3, "").percent(), Some(33));
        assert_eq!(Progress::new(9, 3, "").percent(), Some(100));
        assert_eq!(Progress::new(u64::MAX, u64::MAX, "").percent(), Some(100));
    }

    #[test]
    fn the_log_is_bounded() {
        let mut report = Report::default();
        for n in 0..150 {
            report.push_line(Timestamp::EPOCH, 1, format!("{n}{}", "é".repeat(600)));
        }

        assert_eq!(report.log.len(), MAX_LOG_LINES);
        assert!(report.log[0].text.starts_with("50é"));
        assert!(report.log[0].text.len() <= MAX_LINE_BYTES);
    }
}
