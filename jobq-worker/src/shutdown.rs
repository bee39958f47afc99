//! The signals by which an operating system, or a person, asks a process to stop.

use jobq_core::{Error, ErrorKind, Result};

/// SIGTERM and Ctrl+C, as often as they come.
#[derive(Debug)]
pub(crate) struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from now on; without it the signals would end the process.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    #[cfg(unix)]
    pub(crate) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    /// Waits for the next one. Cancel safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Listens from now on; without it the signals would end the process.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one. Cancel safe.
    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(target: "jobq", error = %refused(error), "cannot stop by signal");
            std::future::pending::<()>().await;
        }
    }
}

fn refused(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Refused, "cannot listen for the signals to stop").because(cause)
}
