//! Settlements on their way.

use std::time::Duration;

use jobq_core::Settlement;

use crate::leases::LeaseKey;
use crate::mailbox::Ended;

/// Settlements of one queue, in the order in which their attempts ended, with what is to be counted when
/// they are acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Settlements {
    /// As the backend takes them.
    pub(crate) list: Vec<Settlement>,
    /// One for each.
    pub(crate) tags: Vec<Tag>,
}

/// What the pump remembers of a settlement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) key: LeaseKey,
    pub(crate) handler: Option<usize>,
    /// How long its handler ran; `None` if that is not known.
    pub(crate) took: Option<Duration>,
    /// The loss of the lease was reported already.
    pub(crate) loss_is_known: bool,
    /// It was sent before, and may have had its effect then: the answer that the lease is lost tells
    /// nothing.
    pub(crate) sent_before: bool,
}

impl Settlements {
    pub(crate) fn len(&self) -> usize {
        self.tags.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    pub(crate) fn push(&mut self, ended: Ended) {
        self.list.push(Settlement::new(ended.lease, ended.next));
        self.tags.push(Tag {
            key: ended.key,
            handler: ended.handler,
            took: ended.took,
            loss_is_known: ended.lease_lost,
            sent_before: false,
        });
    }

    /// Takes out the oldest ones, at most `limit`.
    pub(crate) fn take(&mut self, limit: usize) -> Self {
        if self.len() <= limit {
            return std::mem::take(self);
        }
        Self { list: self.list.drain(..limit).collect(), tags: self.tags.drain(..limit).collect() }
    }

    /// Puts back what could not be delivered, before everything else.
    pub(crate) fn put_back(&mut self, mut undelivered: Self) {
        for tag in &mut undelivered.tags {
            tag.sent_before = true;
        }
        undelivered.list.append(&mut self.list);
        undelivered.tags.append(&mut self.tags);
        *self = undelivered;
    }
}
