//! How a running handler learns that it should stop.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Why a handler should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// Somebody has called the job off.
    Cancelled,
    /// The attempt has taken longer than its timeout.
    Timeout,
    /// The worker cannot keep the lease: soon the job may run elsewhere.
    LeaseLost,
    /// The worker is shutting down and its grace period is over; the job will run elsewhere.
    Shutdown,
}

impl StopReason {
    const fn code(self) -> u8 {
        match self {
            Self::Cancelled => 1,
            Self::Timeout => 2,
            Self::LeaseLost => 3,
            Self::Shutdown => 4,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Cancelled),
            2 => Some(Self::Timeout),
            3 => Some(Self::LeaseLost),
            4 => Some(Self::Shutdown),
            _ => None,
        }
    }
}

/// A request to stop that can be made once and seen by many. Clones share it.
#[derive(Clone, Default)]
pub struct Cancellation {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    reason: AtomicU8,
    requested: Notify,
}

impl Cancellation {
    /// No request yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop. The first reason stays; says whether this was it.
    pub fn request(&self, reason: StopReason) -> bool {
        let first = self
            .inner
            .reason
            .compare_exchange(0, reason.code(), Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if first {
            self.inner.requested.notify_waiters();
        }
        first
    }

    /// Why to stop; `None` while there is no request.
    #[must_use]
    pub fn reason(&self) -> Option<StopReason> {
        StopReason::from_code(self.inner.reason.load(Ordering::SeqCst))
    }

    /// Whether there is a request to stop. Cheap enough for every turn of a loop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.reason().is_some()
    }

    /// Waits for a request to stop. Cancel safe.
    pub async fn requested(&self) -> StopReason {
        loop {
            let mut notified = pin!(self.inner.requested.notified());
            // Listen before looking, so that a request in between is not missed.
            notified.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.reason()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let cancellation = Cancellation::new();
        let waiting = tokio::spawn({
            let seen = cancellation.clone();
            async move { seen.requested().await }
        });

        assert!(cancellation.request(StopReason::Timeout));
        assert!(!cancellation.request(StopReason::Shutdown));

        assert_eq!(waiting.await.unwrap(), StopReason::Timeout);
        assert_eq!(cancellation.reason(), Some(StopReason::Timeout));
    }
}
