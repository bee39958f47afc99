//! What handlers share: values that are registered once and handed to every attempt that asks.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;

use jobq_core::JobError;

use crate::extract::{FromContext, HandlerScope};

/// Hands a handler a clone of the value of type `T` that was registered with
/// [`Worker::state`](crate::Worker::state): a pool, a client, an `Arc` of the application.
///
/// A worker whose handlers ask for a state that was never registered refuses to start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart: `State(app): State<App>`")]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone + Send + Sync + 'static> FromContext for State<T> {
    fn from_context(scope: &HandlerScope<'_>) -> Result<Self, JobError> {
        match scope.state::<T>() {
            Some(value) => Ok(Self(value.clone())),
            None => Err(JobError::dead(missing::<T>())),
        }
    }

    fn check(states: &States) -> Result<(), String> {
        states.get::<T>().map(|_| ()).ok_or_else(missing::<T>)
    }
}

fn missing<T>() -> String {
    let name = type_name::<T>();
    format!("no state of type {name} is registered: add `.state(…)` with one")
}

/// All registered states, one for each type.
#[derive(Default)]
pub struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    /// The state of type `T`.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Adds a state; says whether its type is new.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.0.insert(TypeId::of::<T>(), Box::new(value)).is_none()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}
