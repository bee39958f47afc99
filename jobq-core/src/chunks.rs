//! Jobs of a stream, gathered into chunks for the backend.

use std::pin::Pin;

use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::error::Result;
use crate::record::NewJob;

/// How many jobs one call to the backend carries. Redis's cost per job hardly falls beyond 100, and 250
/// jobs of ordinary size keep its other clients waiting for about a millisecond.
const JOBS: usize = 250;

/// How many bytes of payload a chunk has before it takes no further job: chunks of large jobs are under
/// way several at a time.
const BYTES: usize = 1024 * 1024;

/// Gathers what is there: a chunk is full, or the stream has nothing more to give right now. So jobs of a
/// slow stream are not withheld. The first refused job ends the stream, after those before it.
pub(crate) fn chunks<S>(jobs: S) -> impl Stream<Item = Result<Vec<NewJob>>>
where
    S: Stream<Item = Result<NewJob>>,
{
    let state = (Box::pin(jobs), None);
    stream::unfold(Some(state), |state| async move {
        let (mut jobs, refused) = state?;
        if let Some(error) = refused {
            return Some((Err(error), None));
        }
        let mut chunk = match jobs.next().await? {
            Ok(job) => vec![job],
            Err(error) => return Some((Err(error), None)),
        };
        let refused = fill(&mut jobs, &mut chunk);
        Some((Ok(chunk), Some((jobs, refused))))
    })
}

/// Adds what is there; gives the error of a refused job.
fn fill<S>(jobs: &mut Pin<Box<S>>, chunk: &mut Vec<NewJob>) -> Option<crate::Error>
where
    S: Stream<Item = Result<NewJob>>,
{
    let mut bytes: usize = chunk.iter().map(|job| job.record.payload.as_bytes().len()).sum();
    while chunk.len() < JOBS && bytes < BYTES {
        match jobs.next().now_or_never() {
            Some(Some(Ok(job))) => {
                bytes += job.record.payload.as_bytes().len();
                chunk.push(job);
            }
            Some(Some(Err(error))) => return Some(error),
            // The end is met again by the next call.
            Some(None) | None => break,
        }
    }
    None
}
