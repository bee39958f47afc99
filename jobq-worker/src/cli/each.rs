//! The same is done with each of many, some at a time.

use std::cell::Cell;
use std::pin::pin;

use futures_util::{StreamExt, stream};

use super::exit::Failure;
use super::progress::Bar;

/// How many are on their way at once: a trip for each of many would take long, and all together much memory.
const AT_ONCE: usize = 128;

/// What became of them, in their order.
#[derive(Debug)]
pub(super) struct Each<T> {
    /// Of each that was done.
    pub(super) done: Vec<T>,
    /// Why some were not: once one cannot be done, none is begun.
    pub(super) failure: Option<Failure>,
}

impl<T> Each<T> {
    /// How the command ends that has told what became of each.
    pub(super) fn end(self, is_well: bool) -> Result<(), Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None if is_well => Ok(()),
            None => Err(Failure::Told),
        }
    }
}

/// Does something with each, and shows on a terminal how far it is.
pub(super) async fn each<T, R>(
    items: Vec<T>,
    act: impl AsyncFn(T) -> Result<R, Failure>,
) -> Each<R> {
    let bar = Bar::of_many(items.len() as u64);
    with_bar(items, act, bar).await
}

/// Asks about each.
pub(super) async fn look<T, R>(
    items: Vec<T>,
    ask: impl AsyncFn(T) -> Result<R, Failure>,
) -> Result<Vec<R>, Failure> {
    let Each { done, failure } = with_bar(items, ask, Bar::none()).await;
    failure.map_or(Ok(done), Err)
}

async fn with_bar<T, R>(
    items: Vec<T>,
    act: impl AsyncFn(T) -> Result<R, Failure>,
    bar: Bar,
) -> Each<R> {
    let (mut done, mut failure) = (Vec::with_capacity(items.len()), None);
    let is_over = Cell::new(false);
    let (act, bar, is_over) = (&act, &bar, &is_over);
    let answers = stream::iter(items).map(|item| async move {
        if is_over.get() {
            return None;
        }
        let answer = act(item).await;
        is_over.set(is_over.get() || answer.is_err());
        bar.step(1);
        Some(answer)
    });
    let mut answers = pin!(answers.buffered(AT_ONCE));
    while let Some(answer) = answers.next().await {
        match answer {
            Some(Ok(one)) => done.push(one),
            Some(Err(fault)) => failure = failure.or(Some(fault)),
            None => {}
        }
    }
    Each { done, failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_in_order_and_after_a_failure_none_is_begun() {
        let doubled = look((0..1_000).collect(), async |n: u64| Ok(2 * n)).await;
        assert_eq!(doubled, Ok((0..1_000).map(|n| 2 * n).collect()));

        let begun = Cell::new(0);
        let some = each((0..1_000).collect(), async |n: u64| {
            begun.set(begun.get() + 1);
            tokio::task::yield_now().await;
            if n == 3 { Err(Failure::failed("it is away")) } else { Ok(n) }
        })
        .await;

        assert_eq!(some.failure, Some(Failure::failed("it is away")));
        // Those that were on their way came to their end, and are told of.
        assert_eq!(some.done.len() + 1, begun.get());
        assert!(some.done.starts_with(&[0, 1, 2, 4]), "{:?}", some.done);
        assert!(begun.get() < 1_000, "{begun:?}");
    }

    #[tokio::test]
    async fn how_it_ends_is_told_once() {
        let none = async || each(Vec::new(), async |(): ()| Ok(())).await;
        assert_eq!(none().await.end(true), Ok(()));
        assert_eq!(none().await.end(false), Err(Failure::Told));
    }
}
