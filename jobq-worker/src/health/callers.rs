//! Who is being served: so many at once, and the next one always finds a place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

/// How many callers may be about to send their requests at once.
const ASKING: usize = 64;
/// How many may be answered at once.
const ANSWERED: usize = 256;
/// How long a caller has for its request before a newer one may take its place: those who mean it send it
/// along with the connection.
const GRACE: Duration = Duration::from_millis(100);

/// All callers that are being served. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers {
    all: Arc<Mutex<All>>,
    /// Tells that there may be a place.
    left: Arc<Notify>,
}

#[derive(Debug, Default)]
struct All {
    /// By the order in which they came.
    asking: BTreeMap<u64, Asking>,
    answered: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
}

#[derive(Debug)]
struct Asking {
    came_at: Instant,
    /// Dropped, it puts the caller out.
    stay: oneshot::Sender<()>,
}

/// A caller's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    callers: Callers,
    number: u64,
}

impl Callers {
    /// A place for one more, and what completes when it is put out. If all are taken, the caller that has
    /// been about to ask for longest is put out, once it has had a moment to do so.
    pub(super) async fn enter(&self) -> (Place, impl Future<Output = ()> + use<>) {
        while let Some(wait_until) = self.make_room() {
            tokio::select! {
                () = sleep_until(wait_until) => {}
                () = self.left.notified() => {}
            }
        }
        let (stay, put_out) = oneshot::channel();
        let mut all = self.lock();
        let number = all.next;
        all.next += 1;
        all.asking.insert(number, Asking { came_at: Instant::now(), stay });
        let place = Place { callers: self.clone(), number };
        (place, async { drop(put_out.await) })
    }

    /// Until when to wait for a place; `None` if there is one.
    fn make_room(&self) -> Option<Instant> {
        let mut all = self.lock();
        if all.asking.len() < ASKING {
            return None;
        }
        let oldest = all.asking.first_entry()?;
        let may_stay_until = oldest.get().came_at + GRACE;
        if may_stay_until > Instant::now() {
            return Some(may_stay_until);
        }
        oldest.remove();
        None
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // No code of others runs under the lock.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The request is there: from now on the caller waits for us, and is not in the way of those that come.
    pub(super) fn has_asked(&self) {
        let mut all = self.callers.lock();
        let Some(asking) = all.asking.remove(&self.number) else { return };
        if all.answered.len() >= ANSWERED {
            // Most likely it does not read what it is sent.
            all.answered.pop_first();
        }
        all.answered.insert(self.number, asking.stay);
        self.callers.left.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.callers.lock();
        all.asking.remove(&self.number);
        all.answered.remove(&self.number);
        self.callers.left.notify_one();
    }
}
