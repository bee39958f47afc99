//! Asking several who should all know.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jobq_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

/// How long after one the next is asked, if that has neither answered nor failed.
const STAGGER: Duration = Duration::from_millis(100);

/// The first success. Each is begun a moment after the one before, or when one has failed: nobody is asked in
/// vain, and nobody is waited for who does not answer. If all fail, a refusal is the error.
pub(crate) async fn first_of<T, F>(attempts: impl Iterator<Item = F>) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    let mut attempts = attempts.fuse();
    let mut under_way = FuturesUnordered::new();
    let mut failure = nobody();
    loop {
        let next = attempts.next();
        let is_last = next.is_none();
        under_way.extend(next);
        let outcome = if is_last {
            under_way.next().await
        } else {
            match timeout(STAGGER, under_way.next()).await {
                Ok(outcome) => outcome,
                Err(_) => continue,
            }
        };
        match outcome {
            Some(Ok(found)) => return Ok(found),
            Some(Err(error)) => failure = telling(failure, error),
            None => return Err(failure),
        }
    }
}

/// The failure when there is none to ask.
pub(crate) fn nobody() -> Error {
    Error::new(ErrorKind::Unavailable, "there is no server to ask")
}

/// Of two failures the one to tell: a refusal says what to mend, while those that are away may just be away.
pub(crate) fn telling(before: Error, error: Error) -> Error {
    if before.kind() == ErrorKind::Refused { before } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_says_more_than_an_absence() {
        let kinds = [ErrorKind::Unavailable, ErrorKind::Refused, ErrorKind::Unavailable];
        let attempts = kinds.into_iter().map(|kind| async move { Err(Error::new(kind, "no")) });

        let error = first_of::<(), _>(attempts).await.unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_at_once_costs_no_time() {
        let began = tokio::time::Instant::now();
        let attempts = (0..4).map(|nth| async move {
            if nth < 3 { Err(Error::new(ErrorKind::Unavailable, "no")) } else { Ok(nth) }
        });

        assert_eq!(first_of(attempts).await.unwrap(), 3);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_answer_is_not_waited_for() {
        let attempts = (0..3).map(|nth| async move {
            match nth {
                0 => std::future::pending().await,
                1 => Err(Error::new(ErrorKind::Refused, "no")),
                _ => Ok(nth),
            }
        });

        assert_eq!(first_of(attempts).await.unwrap(), 2);
    }
}
