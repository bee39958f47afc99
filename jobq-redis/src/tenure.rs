//! Whether the server at the other end of a connection is still the master.
//!
//! One that was frozen, or cut off, while the sentinels chose another goes on as a master until they tell
//! it, which takes some seconds. What it takes in until then is lost. It answers a PING like any other, so only the
//! sentinels can be asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sentinel::{Found, Sentinels};

/// How long a server may be silent and still be believed.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);
/// How long one may take that has not been heard of just before: it may have been silent for long already.
pub(crate) const BRISK: Duration = Duration::from_millis(100);
/// How often the sentinels are asked while it is not silent.
const EVERY: Duration = Duration::from_secs(1);

/// What one connection was made to, and how long that has been known to be the master.
pub(crate) struct Tenure {
    sentinels: Arc<Sentinels>,
    server: redis::ConnectionInfo,
    times: Mutex<Times>,
}

struct Times {
    /// When it last answered, or was confirmed.
    trusted_at: Instant,
    asked_at: Instant,
}

impl Tenure {
    /// That of a server of which the sentinels say that it was the master at a moment. It is that moment from
    /// which on it is to be confirmed: to connect to one that is frozen takes as long as it is.
    pub(crate) fn new(sentinels: Arc<Sentinels>, found: Found) -> Self {
        let Found { server, as_of } = found;
        let times = Times { trusted_at: as_of, asked_at: as_of };
        Self { sentinels, server, times: Mutex::new(times) }
    }

    /// Whether it has been silent for so long that another may have taken over. Neither may anything be
    /// sent to it then, nor may its answer be believed, before it is confirmed.
    pub(crate) fn is_in_question(&self) -> bool {
        self.times().trusted_at.elapsed() > SILENCE
    }

    /// Whether the connection was made at once after it was found. It is in question otherwise.
    pub(crate) fn is_brisk(&self) -> bool {
        self.times().trusted_at.elapsed() <= BRISK
    }

    /// Whether it is time to ask, though nothing is in question. Says so to one caller only.
    pub(crate) fn is_due(&self) -> bool {
        let mut times = self.times();
        let is_due = times.asked_at.elapsed() > EVERY;
        if is_due {
            times.asked_at = Instant::now();
        }
        is_due
    }

    /// It has answered, and was not in question.
    pub(crate) fn heard(&self) {
        self.times().trusted_at = Instant::now();
    }

    /// Whether it is the master, as far as sentinels say: all are asked.
    pub(crate) async fn holds(&self) -> bool {
        let now = Instant::now();
        if self.sentinels.deny(&self.server).await {
            return false;
        }
        *self.times() = Times { trusted_at: Instant::now(), asked_at: now };
        true
    }

    /// The same for one that is not in question: if one sentinel says so that is enough.
    pub(crate) async fn goes_on(&self) -> bool {
        self.sentinels.nods(&self.server).await || self.holds().await
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
