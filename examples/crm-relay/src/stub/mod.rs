//! A receiver of webhooks that checks their signatures and drops repeats: for the demonstration and tests, and
//! an example of how to write one.
//!
//! It can be told what to answer, and goes wrong by a seed. See [`signature`](crate::signature) for what a
//! receiver has to check.

mod answers;
mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobq_core::{Clock, SystemClock};
use serde_json::Value;
use tokio::sync::{Notify, watch};

pub use self::answers::{Answer, Chances};
pub use self::server::Server;
use crate::signature::{Rejected, verify};

/// How many deliveries are remembered.
const REMEMBERED: usize = 100_000;

/// A delivery that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The last part of the address it came to.
    pub hook: String,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// Whether it may be trusted.
    pub checked: Result<(), Rejected>,
    /// What it says; null if it is not JSON.
    pub body: Value,
    /// The same as it came.
    pub text: String,
    /// How it is answered.
    pub answer: Answer,
    /// Whether a message of the same key had been taken before.
    pub is_repeat: bool,
}

/// A receiver. Clones are the same.
#[derive(Clone, Debug)]
pub struct StubReceiver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    secrets: Vec<String>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Rings when a delivery has come.
    came: Notify,
    /// How often those that are held were let go.
    released: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    chances: Chances,
    random: fastrand::Rng,
    /// What to answer next, by hook.
    planned: HashMap<String, VecDeque<Answer>>,
    deliveries: Vec<Delivery>,
    /// How often the effect of each message has happened.
    effects: BTreeMap<String, u64>,
}

impl StubReceiver {
    /// A receiver that takes what is signed with one of these secrets, by the machine's clock, and goes wrong
    /// as told.
    pub fn new<S: Into<String>>(secrets: impl IntoIterator<Item = S>, chances: Chances) -> Self {
        Self::with_clock(secrets, chances, SystemClock::default())
    }

    /// The same, by another clock.
    pub fn with_clock<S: Into<String>>(
        secrets: impl IntoIterator<Item = S>,
        chances: Chances,
        clock: impl Clock,
    ) -> Self {
        let state = State {
            chances,
            random: fastrand::Rng::with_seed(chances.seed),
            planned: HashMap::new(),
            deliveries: Vec::new(),
            effects: BTreeMap::new(),
        };
        Self {
            shared: Arc::new(Shared {
                secrets: secrets.into_iter().map(Into::into).collect(),
                clock: Arc::new(clock),
                state: Mutex::new(state),
                came: Notify::new(),
                released: watch::Sender::new(0),
            }),
        }
    }

    /// Answers the next deliveries to a hook like this, whatever they are.
    pub fn plan(&self, hook: &str, answers: impl IntoIterator<Item = Answer>) {
        self.lock().planned.entry(hook.to_owned()).or_default().extend(answers);
    }

    /// Forgets what was planned, for all hooks.
    pub fn forget_plans(&self) {
        self.lock().planned.clear();
    }

    /// Lets those go that are held.
    pub fn release(&self) {
        self.shared.released.send_modify(|times| *times += 1);
    }

    /// All deliveries until now.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries_after(0)
    }

    /// All deliveries but for the first so many.
    #[must_use]
    pub fn deliveries_after(&self, first: usize) -> Vec<Delivery> {
        self.lock().deliveries.iter().skip(first).cloned().collect()
    }

    /// How often the effect of each message has happened, by its key.
    #[must_use]
    pub fn effects(&self) -> BTreeMap<String, u64> {
        self.lock().effects.clone()
    }

    /// How many times something came that had come before, under another key: whoever sends each thing once must
    /// not bring that about. Goes by the data, whatever was done with it.
    #[must_use]
    pub fn under_other_keys(&self) -> u64 {
        let mut keys: HashMap<(String, String), BTreeSet<String>> = HashMap::new();
        for delivery in self.lock().deliveries.iter().filter(|delivery| delivery.checked.is_ok()) {
            let what = (delivery.hook.clone(), delivery.body["data"].to_string());
            keys.entry(what).or_default().insert(delivery.key.clone());
        }
        keys.values().map(|keys| keys.len() as u64 - 1).sum()
    }

    /// Waits until so many deliveries have come in all.
    pub async fn came(&self, deliveries: usize) {
        loop {
            let came = self.shared.came.notified();
            if self.lock().deliveries.len() >= deliveries {
                return;
            }
            came.await;
        }
    }

    /// Takes note of a delivery, and says how it is to be answered, and whether it is trusted.
    fn take(&self, hook: &str, key: &str, signature: &str, body: &[u8]) -> Delivery {
        let now = self.shared.clock.now().as_millis() / 1_000;
        let checked = verify(&self.shared.secrets, now, key, signature, body);
        let mut state = self.lock();
        let planned = state.planned.get_mut(hook).and_then(VecDeque::pop_front);
        let answer = match planned {
            Some(answer) => answer,
            None if checked.is_err() => Answer::Status(401),
            None => {
                let State { chances, random, .. } = &mut *state;
                chances.draw(random)
            }
        };
        let is_repeat = state.effects.contains_key(key);
        if checked.is_ok() && answer.is_taken() && !is_repeat {
            // Here would be what a receiver does; a repeat is answered in the same way, and does nothing.
            *state.effects.entry(key.to_owned()).or_default() += 1;
        }
        let delivery = Delivery {
            hook: hook.to_owned(),
            key: key.to_owned(),
            checked,
            body: serde_json::from_slice(body).unwrap_or_default(),
            text: String::from_utf8_lossy(body).into_owned(),
            answer,
            is_repeat,
        };
        if state.deliveries.len() < REMEMBERED {
            state.deliveries.push(delivery.clone());
        }
        drop(state);
        self.shared.came.notify_waiters();
        delivery
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
