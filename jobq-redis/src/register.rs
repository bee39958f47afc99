//! The list of queues, and when this process put a queue there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobq_core::{ErrorKind, QueueName, Result};
use tokio::time::Instant;

use crate::keys::Keys;
use crate::link::Link;

/// How long a queue's name is taken to be on the list after it was put there: somebody may have emptied
/// the server meanwhile.
const NOTED_FOR: Duration = Duration::from_secs(30);
/// How soon that is tried again when it failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Puts queues on the list of queues.
pub(crate) struct Register {
    link: Arc<Link>,
    keys: Arc<Keys>,
    /// Until when each queue is taken to be on the list.
    noted_until: Mutex<HashMap<QueueName, Instant>>,
}

impl Register {
    pub(crate) fn new(link: &Arc<Link>, keys: &Arc<Keys>) -> Self {
        let (link, keys) = (Arc::clone(link), Arc::clone(keys));
        Self { link, keys, noted_until: Mutex::default() }
    }

    /// Puts a queue on the list before its first job: no job may be in a queue that nobody knows of.
    ///
    /// On a cluster the list may be on another node than the queue. A queue that has been put there once
    /// does not depend on that node: it is put there again while its jobs go on.
    pub(crate) async fn note(self: &Arc<Self>, queue: &QueueName) -> Result<()> {
        let now = Instant::now();
        let is_known = match self.noted_until().get_mut(queue) {
            Some(until) if now < *until => return Ok(()),
            Some(until) if self.link.is_cluster() => {
                // Others need not do it too.
                *until = now + NOTED_FOR;
                true
            }
            _ => false,
        };
        if !is_known {
            self.write(queue).await?;
            self.noted_until().insert(queue.clone(), Instant::now() + NOTED_FOR);
            return Ok(());
        }
        let (register, queue) = (Arc::clone(self), queue.clone());
        tokio::spawn(async move { register.renew(&queue).await });
        Ok(())
    }

    async fn renew(&self, queue: &QueueName) {
        let Err(error) = self.write(queue).await else { return };
        let mut noted_until = self.noted_until();
        if error.kind() == ErrorKind::Unavailable {
            noted_until.insert(queue.clone(), Instant::now() + RETRY_AFTER);
            tracing::debug!(
                target: "jobq",
                %queue,
                %error,
                "queue not put on the list of queues again"
            );
        } else {
            // The next enqueue shall hear of it.
            noted_until.remove(queue);
        }
    }

    async fn write(&self, queue: &QueueName) -> Result<()> {
        let command = redis::cmd("SADD").arg(self.keys.queues()).arg(queue.as_str()).take();
        self.link.send_again(&command).await.map(drop)
    }

    fn noted_until(&self) -> MutexGuard<'_, HashMap<QueueName, Instant>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.noted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
