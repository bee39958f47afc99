//! What goes wrong with a request: by plan, or else by chance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the server must do each of them")]
pub enum Fault {
    /// It is answered with 500, and nothing is done.
    Fail,
    /// It is done, and answered late.
    Slow,
    /// It is answered with 429 and a `Retry-After`, and nothing is done.
    Throttle,
    /// It is done, and the connection is cut in place of an answer.
    Cut,
}

/// What to do with some of the next requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by tests and over HTTP")]
pub struct Plan {
    /// What goes wrong.
    pub fault: Fault,
    /// With how many requests.
    #[serde(default = "once")]
    pub times: u32,
    /// Those of one store.
    #[serde(default)]
    pub store: Option<u32>,
    /// Those of one method, such as `POST`.
    #[serde(default)]
    pub method: Option<String>,
}

const fn once() -> u32 {
    1
}

impl Plan {
    /// The next `times` requests go wrong.
    #[must_use]
    pub const fn next(fault: Fault, times: u32) -> Self {
        Self { fault, times, store: None, method: None }
    }

    /// Only those of a method.
    #[must_use]
    pub fn of(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only those of a store.
    #[must_use]
    pub const fn to(mut self, store: u32) -> Self {
        self.store = Some(store);
        self
    }

    fn takes(&self, store: u32, method: &str) -> bool {
        self.times > 0
            && self.store.is_none_or(|wanted| wanted == store)
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
    }
}

/// How many of a thousand requests go wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct Chances {
    /// What the chances follow from.
    pub seed: u64,
    /// How many fail.
    pub fail: u32,
    /// How many are slow.
    pub slow: u32,
    /// How many are answered with 429.
    pub throttle: u32,
    /// How many are cut.
    pub cut: u32,
    /// How slow the slow ones are.
    pub slow_for: Duration,
    /// What a 429 asks for, in seconds.
    pub retry_after: u32,
}

impl Default for Chances {
    /// Nothing goes wrong; what goes wrong by plan is slow by two seconds, and rests for one.
    fn default() -> Self {
        Self {
            seed: 1,
            fail: 0,
            slow: 0,
            throttle: 0,
            cut: 0,
            slow_for: Duration::from_secs(2),
            retry_after: 1,
        }
    }
}

#[derive(Debug)]
pub(super) struct Faults {
    chances: Chances,
    chance: fastrand::Rng,
    plans: Vec<Plan>,
}

impl Default for Faults {
    fn default() -> Self {
        Self::new(Chances::default())
    }
}

impl Faults {
    pub(super) fn new(chances: Chances) -> Self {
        Self { chances, chance: fastrand::Rng::with_seed(chances.seed), plans: Vec::new() }
    }

    pub(super) const fn chances(&self) -> Chances {
        self.chances
    }

    pub(super) fn plan(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    /// What goes wrong with the next request.
    pub(super) fn next(&mut self, store: u32, method: &str) -> Option<Fault> {
        if let Some(plan) = self.plans.iter_mut().find(|plan| plan.takes(store, method)) {
            plan.times -= 1;
            let fault = plan.fault;
            self.plans.retain(|plan| plan.times > 0);
            return Some(fault);
        }
        let Chances { fail, slow, throttle, cut, .. } = self.chances;
        let mut left = self.chance.u32(0..1_000);
        for (share, fault) in [
            (fail, Fault::Fail),
            (slow, Fault::Slow),
            (throttle, Fault::Throttle),
            (cut, Fault::Cut),
        ] {
            if left < share {
                return Some(fault);
            }
            left -= share;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_first_and_are_used_up() {
        let mut faults = Faults::default();
        faults.plan(Plan::next(Fault::Cut, 2).of("POST").to(1));

        assert_eq!(faults.next(2, "POST"), None);
        assert_eq!(faults.next(1, "GET"), None);
        assert_eq!(faults.next(1, "POST"), Some(Fault::Cut));
        assert_eq!(faults.next(1, "POST"), Some(Fault::Cut));
        assert_eq!(faults.next(1, "POST"), None);
    }

    #[test]
    fn chances_are_the_same_for_the_same_seed() {
        let chances = Chances { fail: 100, slow: 50, throttle: 20, cut: 10, ..Chances::default() };
        let run = |seed| {
            let mut faults = Faults::new(Chances { seed, ..chances });
            (0..10_000).map(|_| faults.next(1, "PUT")).collect::<Vec<_>>()
        };
        let count = |fault| run(7).iter().filter(|found| **found == Some(fault)).count();

        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!((800..1_200).contains(&count(Fault::Fail)));
        assert!((350..650).contains(&count(Fault::Slow)));
        assert!((50..200).contains(&count(Fault::Cut)));
    }
}
