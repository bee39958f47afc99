//! The server's clock, as seen from here.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jobq_core::{Clock, SystemClock, Timestamp};

/// This machine's clock, corrected by how far it is off the server's.
///
/// Nothing is decided by it: due times and expiries are the scripts' business, and they ask the server.
/// It stamps ids, records and log lines.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    offset_ms: AtomicI64,
}

impl ServerClock {
    /// Learns that the server's clock shows `server_now`.
    pub(crate) fn adjust(&self, server_now: Timestamp) {
        let local = SystemClock::default().now().as_millis();
        let offset = i128::from(server_now.as_millis()) - i128::from(local);
        self.offset_ms.store(i64::try_from(offset).unwrap_or(0), Ordering::Relaxed);
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        let local = SystemClock::default().now();
        let correction = Duration::from_millis(offset.unsigned_abs());
        if offset >= 0 { local + correction } else { local - correction }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_what_the_server_showed() {
        for server_now in [1_000_000_000_000, 4_000_000_000_000] {
            let clock = ServerClock::default();
            clock.adjust(Timestamp::from_millis(server_now));

            assert!(clock.now().as_millis().abs_diff(server_now) < 60_000);
        }
    }
}
