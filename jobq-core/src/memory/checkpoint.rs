//! Where leased jobs have got to, for their later attempts.

use super::queue_state::QueueState;
use crate::lease::{Held, LeaseRef};

impl QueueState {
    pub(super) fn checkpoint(&mut self, lease: LeaseRef, cursor: &[u8]) -> Held {
        match self.held(lease) {
            None => Held::Lost,
            Some(job) => {
                job.checkpoint = (!cursor.is_empty()).then(|| cursor.to_vec());
                Held::Yes
            }
        }
    }
}
