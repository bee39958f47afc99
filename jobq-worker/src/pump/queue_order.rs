//! Which queue is asked next.

/// The order between the queues of a worker.
#[derive(Debug)]
pub(crate) enum QueueOrder {
    /// A queue is asked only when those before it have nothing.
    Strict,
    /// Smooth weighted round robin, as nginx does it: each queue gets its share, evenly spread.
    Weighted(Vec<Share>),
}

/// The share of one queue.
#[derive(Debug)]
pub(crate) struct Share {
    weight: i64,
    credit: i64,
}

impl QueueOrder {
    pub(crate) fn weighted(weights: impl IntoIterator<Item = u32>) -> Self {
        let share = |weight| Share { weight: i64::from(weight), credit: 0 };
        Self::Weighted(weights.into_iter().map(share).collect())
    }

    /// The next of the `count` queues among those that `wants` says may be asked.
    pub(crate) fn next(&mut self, count: usize, wants: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::Strict => (0..count).find(|queue| wants(*queue)),
            Self::Weighted(shares) => {
                let mut total = 0;
                let mut best: Option<usize> = None;
                for queue in (0..shares.len()).filter(|queue| wants(*queue)) {
                    shares[queue].credit += shares[queue].weight;
                    total += shares[queue].weight;
                    if best.is_none_or(|best| shares[queue].credit > shares[best].credit) {
                        best = Some(queue);
                    }
                }
                shares[best?].credit -= total;
                best
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(order: &mut QueueOrder, count: usize, wants: impl Fn(usize) -> bool) -> String {
        let name = |queue| char::from(b'a' + u8::try_from(queue).unwrap());
        (0..count).filter_map(|_| order.next(3, &wants)).map(name).collect()
    }

    #[test]
    fn strict_order_asks_the_first_that_may_have_something() {
        let mut order = QueueOrder::Strict;

        assert_eq!(turns(&mut order, 2, |_| true), "aa");
        assert_eq!(turns(&mut order, 2, |queue| queue > 1), "cc");
        assert_eq!(turns(&mut order, 2, |_| false), "");
    }

    #[test]
    fn weights_give_each_queue_its_share_evenly_spread() {
        let mut order = QueueOrder::weighted([5, 1, 1]);

        assert_eq!(turns(&mut order, 14, |_| true), "aabacaaaabacaa");
    }

    #[test]
    fn what_an_empty_queue_leaves_is_shared_by_the_others() {
        let mut order = QueueOrder::weighted([5, 2, 1]);

        assert_eq!(turns(&mut order, 6, |queue| queue > 0), "bcbbcb");
    }
}
