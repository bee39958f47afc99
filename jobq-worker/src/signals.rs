//! The signals by which an operating system, or a person, asks a process to stop.

use jobq_core::{Error, ErrorKind, Result};

/// SIGTERM and Ctrl+C, as often as they come.
///
/// [`Worker::run`](crate::Worker::run) listens by itself. This is for programs that run something else beside a
/// worker, or several workers, and stop them together by
/// [`run_until`](crate::Worker::run_until):
///
/// ```no_run
/// use jobq_worker::{StopSignals, Worker};
/// # async fn example(worker: Worker) -> jobq_core::Result<()> {
/// let mut signals = StopSignals::listen()?;
/// // … open what the handlers need: from now on a signal ends nothing halfway …
/// let summary = worker.run_until(signals.next()).await?;
/// println!("{} done", summary.processed);
/// # Ok(())
/// # }
/// ```
///
/// On systems without signals, it is Ctrl+C alone.
#[derive(Debug)]
pub struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// Listens from now on; without it the signals end the process. To be called within a tokio runtime.
    ///
    /// A process that has listened once is not ended by these signals any more, also when this value is gone.
    ///
    /// # Errors
    ///
    /// [`Refused`](ErrorKind::Refused) when the system refuses.
    #[cfg(unix)]
    pub fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
        })
    }

    /// Waits for the next one. Signals that came since the last call, or since [`listen`](Self::listen), end the wait at
    /// once; several of one sort may count as one. Cancel safe.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Listens from now on; without it the signals end the process.
    ///
    /// # Errors
    ///
    /// None on this system.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next one. Cancel safe.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(target: "jobq", error = %refused(error), "cannot stop by signal");
            std::future::pending::<()>().await;
        }
    }
}

fn refused(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Refused, "cannot listen for the signals to stop").because(cause)
}
