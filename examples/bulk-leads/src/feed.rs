//! Tells those who watch jobs that one has moved in this process. Jobs that are worked on elsewhere are
//! looked at now and then.

use tokio::sync::watch;

/// A bell that all who watch hear. Clones are the same.
#[derive(Clone, Debug)]
pub struct Feed {
    bell: watch::Sender<()>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { bell: watch::Sender::new(()) }
    }

    /// Says that a job has moved.
    pub(crate) fn ring(&self) {
        self.bell.send_replace(());
    }

    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }
}
