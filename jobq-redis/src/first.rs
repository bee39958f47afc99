//! Asking several who should all know.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::select_ok;
use jobq_core::{Error, ErrorKind, Result};

/// How long after one the next is asked, if that has not answered.
const STAGGER: Duration = Duration::from_millis(100);

/// The first success. Each is begun a moment after the one before: nobody is asked in vain, and nobody
/// is waited for who does not answer.
pub(crate) async fn first_of<T, F>(attempts: impl Iterator<Item = F>) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    let staggered: Vec<Pin<Box<dyn Future<Output = Result<T>> + Send + '_>>> = attempts
        .zip(0_u32..)
        .map(|(attempt, nth)| -> Pin<Box<dyn Future<Output = Result<T>> + Send + '_>> {
            Box::pin(async move {
                if nth > 0 {
                    tokio::time::sleep(STAGGER * nth).await;
                }
                attempt.await
            })
        })
        .collect();
    if staggered.is_empty() {
        return Err(Error::new(ErrorKind::Unavailable, "there is no server to ask"));
    }
    select_ok(staggered).await.map(|(found, _)| found)
}
