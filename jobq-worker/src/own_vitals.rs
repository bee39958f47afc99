//! The vitals of a worker, which has stopped when its owner lets go of them.

use jobq_core::Vitals;
use jobq_core::vitals::Condition;

/// What a worker says of itself: [`Stopped`](Condition::Stopped) once this is dropped, however that comes about.
#[derive(Debug)]
pub(crate) struct OwnVitals(Vitals);

impl OwnVitals {
    pub(crate) fn new() -> Self {
        Self(Vitals::new("worker"))
    }

    pub(crate) fn set(&self, condition: Condition) {
        self.0.set(condition);
    }

    /// What others may ask.
    pub(crate) const fn shared(&self) -> &Vitals {
        &self.0
    }
}

impl Drop for OwnVitals {
    fn drop(&mut self) {
        self.0.set(Condition::Stopped);
    }
}
