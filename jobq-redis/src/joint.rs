//! Work that several wait for and one task does.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Done once for all who come while it is under way, in a task of its own: a caller that stops polling
/// must not keep the others waiting.
pub(crate) struct Joint<T> {
    under_way: Mutex<Option<watch::Receiver<Option<T>>>>,
}

impl<T: Clone + Send + Sync + 'static> Joint<T> {
    /// What has come of it. It is begun again if the runtime in which it was done has ended.
    pub(crate) async fn outcome<F>(&self, work: impl Fn() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        loop {
            let mut outcome = self.join(&work);
            if let Ok(Some(outcome)) = outcome.wait_for(Option::is_some).await.as_deref() {
                return outcome.clone();
            }
        }
    }

    fn join<F>(&self, work: impl Fn() -> F) -> watch::Receiver<Option<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = &*under_way
            && outcome.has_changed().is_ok()
            && outcome.borrow().is_none()
        {
            return outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        *under_way = Some(outcome.clone());
        let work = work();
        tokio::spawn(async move {
            sender.send_replace(Some(work.await));
        });
        outcome
    }
}

impl<T> Default for Joint<T> {
    fn default() -> Self {
        Self { under_way: Mutex::new(None) }
    }
}
