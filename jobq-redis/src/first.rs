//! Asking several who should all know.

use std::pin::Pin;
use std::time::Duration;

use futures_util::future::select_all;
use jobq_core::{Error, ErrorKind, Result};

/// How long after one the next is asked, if that has not answered.
const STAGGER: Duration = Duration::from_millis(100);

/// The first success. Each is begun a moment after the one before: nobody is asked in vain, and nobody
/// is waited for who does not answer. If all fail, a refusal is the error: it says what to mend, while
/// those that are away may just be away.
pub(crate) async fn first_of<T, F>(attempts: impl Iterator<Item = F>) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    let mut under_way: Vec<Pin<Box<dyn Future<Output = Result<T>> + Send + '_>>> = attempts
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
    let mut failure = Error::new(ErrorKind::Unavailable, "there is no server to ask");
    while !under_way.is_empty() {
        let (outcome, _, others) = select_all(under_way).await;
        match outcome {
            Ok(found) => return Ok(found),
            Err(error) if failure.kind() != ErrorKind::Refused => failure = error,
            Err(_) => {}
        }
        under_way = others;
    }
    Err(failure)
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
