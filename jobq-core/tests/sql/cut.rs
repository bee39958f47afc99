//! A future that is cut short, as if its process had been killed at one of its awaits.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// Where within an await the future is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    /// What it awaits has been asked for, and may or may not have come about.
    Asked,
    /// What it awaits has been answered, and the answer was not seen.
    Answered,
}

pub(crate) const MOMENTS: [Moment; 2] = [Moment::Asked, Moment::Answered];

/// Drops the future at its await of this number, from 1: `None`. The output if it has fewer.
pub(crate) async fn cut<F: Future>(at: u32, moment: Moment, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut awaits = 0;
    poll_fn(|cx| {
        if awaits == at {
            return Poll::Ready(None);
        }
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                awaits += 1;
                match moment {
                    Moment::Asked if awaits == at => Poll::Ready(None),
                    _ => Poll::Pending,
                }
            }
        }
    })
    .await
}
