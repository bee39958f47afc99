//! What goes wrong with a request: by plan, or else by chance.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the server must do each of them")]
pub enum Fault {
    /// It is answered with 500.
    Fail,
    /// It is answered with 429 and a `Retry-After` of a second.
    Busy,
    /// It is answered with 400.
    Refuse,
    /// It is not answered until what is held is released.
    Hold,
    /// It is never answered.
    Hang,
    /// It is answered well, with an empty text.
    Empty,
    /// It is answered with 200 and a page of HTML.
    Nonsense,
    /// It is answered with 200 and JSON that means something else.
    Misfit,
    /// It is answered with more than anybody reads.
    Flood,
    /// The connection breaks in the middle of the answer.
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
    /// Those whose text holds this.
    #[serde(default)]
    pub text: Option<String>,
}

const fn once() -> u32 {
    1
}

impl Plan {
    /// The next `times` requests go wrong.
    #[must_use]
    pub const fn next(fault: Fault, times: u32) -> Self {
        Self { fault, times, text: None }
    }

    /// Only those whose text holds this.
    #[must_use]
    pub fn about(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    fn takes(&self, text: &str) -> bool {
        self.times > 0 && self.text.as_deref().is_none_or(|wanted| text.contains(wanted))
    }
}

/// How many of a thousand requests go wrong, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct Chances {
    /// What the chances follow from.
    pub seed: u64,
    /// How many are answered with 500.
    pub fail: u32,
    /// How many are never answered.
    pub hang: u32,
    /// How many are answered with nothing.
    pub empty: u32,
    /// How many are answered with nonsense of some sort, or broken off.
    pub nonsense: u32,
    /// How long each takes at least.
    pub least_delay: Duration,
    /// How long each takes at most.
    pub most_delay: Duration,
}

impl Default for Chances {
    /// Nothing goes wrong, and it takes no time.
    fn default() -> Self {
        Self {
            seed: 1,
            fail: 0,
            hang: 0,
            empty: 0,
            nonsense: 0,
            least_delay: Duration::ZERO,
            most_delay: Duration::ZERO,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    chances: Chances,
    plans: Vec<Plan>,
}

impl Faults {
    pub(super) const fn new(chances: Chances) -> Self {
        Self { chances, plans: Vec::new() }
    }

    pub(super) fn plan(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    pub(super) fn forget_plans(&mut self) {
        self.plans.clear();
    }

    /// How long the request takes that asks for a text for the `time`th time, and what goes wrong with it.
    pub(super) fn next(&mut self, text: &str, time: u32) -> (Duration, Option<Fault>) {
        let mut hasher = DefaultHasher::new();
        (self.chances.seed, text, time).hash(&mut hasher);
        let mut chance = fastrand::Rng::with_seed(hasher.finish());
        let Chances { fail, hang, empty, nonsense, least_delay, most_delay, .. } = self.chances;
        let delay = least_delay + most_delay.saturating_sub(least_delay).mul_f64(chance.f64());
        if let Some(plan) = self.plans.iter_mut().find(|plan| plan.takes(text)) {
            plan.times -= 1;
            let fault = plan.fault;
            self.plans.retain(|plan| plan.times > 0);
            return (delay, Some(fault));
        }
        let sorts = [Fault::Nonsense, Fault::Misfit, Fault::Flood, Fault::Cut];
        let some_nonsense = sorts[chance.usize(..sorts.len())];
        let mut left = chance.u32(0..1_000);
        for (share, fault) in [
            (fail, Fault::Fail),
            (hang, Fault::Hang),
            (empty, Fault::Empty),
            (nonsense, some_nonsense),
        ] {
            if left < share {
                return (delay, Some(fault));
            }
            left -= share;
        }
        (delay, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_come_first_and_are_used_up() {
        let mut faults = Faults::default();
        faults.plan(Plan::next(Fault::Cut, 2).about("b"));

        let next = |faults: &mut Faults, text| faults.next(text, 1).1;
        assert_eq!(next(&mut faults, "a"), None);
        assert_eq!(next(&mut faults, "abc"), Some(Fault::Cut));
        assert_eq!(next(&mut faults, "b"), Some(Fault::Cut));
        assert_eq!(next(&mut faults, "b"), None);
    }

    #[test]
    fn chances_follow_from_the_seed_the_text_and_the_time_alone() {
        let second = Duration::from_secs(1);
        let chances = Chances { fail: 100, empty: 50, most_delay: second, ..Chances::default() };
        let run = |seed, order: &mut dyn Iterator<Item = u32>| {
            let mut faults = Faults::new(Chances { seed, ..chances });
            let mut seen: Vec<_> =
                order.map(|n| (n, faults.next(&format!("text {n}"), 1))).collect();
            seen.sort_by_key(|(n, _)| *n);
            seen
        };
        let seen = run(7, &mut (0..5_000));
        let count = |fault| seen.iter().filter(|(_, (_, found))| *found == Some(fault)).count();

        assert_eq!(seen, run(7, &mut (0..5_000).rev()));
        assert_ne!(seen, run(8, &mut (0..5_000)));
        assert!((400..600).contains(&count(Fault::Fail)), "{}", count(Fault::Fail));
        assert!((175..325).contains(&count(Fault::Empty)), "{}", count(Fault::Empty));
        assert_eq!(count(Fault::Hang), 0);
        assert!(seen.iter().all(|(_, (delay, _))| *delay <= second));
    }
}
