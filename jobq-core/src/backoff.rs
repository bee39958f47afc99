//! The delay before a retry: pure arithmetic, with randomness from outside.

use std::time::Duration;

/// A source of random numbers.
pub trait Random: Send {
    /// A number drawn evenly from `0.0..1.0`.
    fn unit(&mut self) -> f64;
}

/// Random numbers of the thread, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ThreadRandom;

impl Random for ThreadRandom {
    fn unit(&mut self) -> f64 {
        fastrand::f64()
    }
}

/// Random numbers that are the same for the same seed.
#[derive(Clone, Debug)]
pub struct SeededRandom(fastrand::Rng);

impl SeededRandom {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }
}

impl Random for SeededRandom {
    fn unit(&mut self) -> f64 {
        self.0.f64()
    }
}

/// How the delay grows with the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Growth {
    /// The same delay each time.
    Fixed(Duration),
    /// `step`, `2 × step`, `3 × step`, … up to `cap`.
    Linear {
        /// The delay after the first attempt, and what each later one adds.
        step: Duration,
        /// The longest delay.
        cap: Duration,
    },
    /// `base`, `2 × base`, `4 × base`, … up to `cap`.
    Exponential {
        /// The delay after the first attempt.
        base: Duration,
        /// The longest delay.
        cap: Duration,
    },
    /// The delays as listed; the last one repeats.
    List(&'static [Duration]),
}

/// When a failed job may be tried again.
///
/// With jitter, the default, a delay is drawn evenly from zero to what the growth says ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>): jobs that failed
/// together because a dependency broke do not come back together and break it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    growth: Growth,
    jitter: bool,
}

impl Backoff {
    /// What a job type has unless it says otherwise: exponential from 1 second to 10 minutes.
    pub const DEFAULT: Self = Self::exponential(Duration::from_secs(1), Duration::from_secs(600));

    /// The same delay each time.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self::new(Growth::Fixed(delay))
    }

    /// `step`, `2 × step`, `3 × step`, … up to `cap`.
    #[must_use]
    pub const fn linear(step: Duration, cap: Duration) -> Self {
        Self::new(Growth::Linear { step, cap })
    }

    /// `base`, `2 × base`, `4 × base`, … up to `cap`.
    #[must_use]
    pub const fn exponential(base: Duration, cap: Duration) -> Self {
        Self::new(Growth::Exponential { base, cap })
    }

    /// The delays as listed; the last one repeats, and an empty list means no delay.
    #[must_use]
    pub const fn list(delays: &'static [Duration]) -> Self {
        Self::new(Growth::List(delays))
    }

    const fn new(growth: Growth) -> Self {
        Self { growth, jitter: true }
    }

    /// The same delays, to the millisecond, with nothing random about them.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// How the delay grows.
    #[must_use]
    pub const fn growth(&self) -> Growth {
        self.growth
    }

    /// Whether delays are drawn at random.
    #[must_use]
    pub const fn has_jitter(&self) -> bool {
        self.jitter
    }

    /// The longest delay after the attempt with this number (from 1), before jitter.
    #[must_use]
    pub fn ceiling(&self, attempt: u32) -> Duration {
        let earlier = attempt.saturating_sub(1);
        match self.growth {
            Growth::Fixed(delay) => delay,
            Growth::Linear { step, cap } => step.saturating_mul(earlier.saturating_add(1)).min(cap),
            Growth::Exponential { base, cap } => {
                // 2^31 times anything but zero is beyond every sensible cap.
                base.saturating_mul(1_u32 << earlier.min(31)).min(cap)
            }
            Growth::List(delays) => {
                let last = delays.len().saturating_sub(1);
                let nth = usize::try_from(earlier).unwrap_or(last).min(last);
                delays.get(nth).copied().unwrap_or(Duration::ZERO)
            }
        }
    }

    /// The delay after the attempt with this number (from 1).
    #[must_use]
    pub fn delay(&self, attempt: u32, random: &mut dyn Random) -> Duration {
        let ceiling = self.ceiling(attempt);
        if self.jitter { ceiling.mul_f64(random.unit().clamp(0.0, 1.0)) } else { ceiling }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn first_five(backoff: Backoff) -> Vec<u64> {
        (1..=5).map(|attempt| backoff.ceiling(attempt).as_secs()).collect()
    }

    #[test]
    fn each_growth_gives_its_series() {
        assert_eq!(first_five(Backoff::fixed(secs(30))), [30, 30, 30, 30, 30]);
        assert_eq!(first_five(Backoff::linear(secs(10), secs(35))), [10, 20, 30, 35, 35]);
        assert_eq!(first_five(Backoff::exponential(secs(2), secs(20))), [2, 4, 8, 16, 20]);
        assert_eq!(first_five(Backoff::list(const { &[secs(1), secs(60)] })), [1, 60, 60, 60, 60]);
        assert_eq!(first_five(Backoff::list(&[])), [0, 0, 0, 0, 0]);
    }

    #[test]
    fn without_jitter_the_delay_is_the_ceiling() {
        let backoff = Backoff::exponential(secs(2), secs(20)).without_jitter();

        assert_eq!(backoff.delay(3, &mut SeededRandom::new(1)), secs(8));
    }

    #[test]
    fn one_seed_gives_one_series() {
        let delays = |seed| {
            let mut random = SeededRandom::new(seed);
            (1..=20).map(|n| Backoff::DEFAULT.delay(n, &mut random)).collect::<Vec<_>>()
        };

        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    proptest! {
        #[test]
        fn a_delay_never_exceeds_its_ceiling(
            base_ms in 0_u64..10_000_000, cap_ms in 0_u64..100_000_000, attempt: u32, seed: u64,
        ) {
            let (base, cap) = (Duration::from_millis(base_ms), Duration::from_millis(cap_ms));
            for backoff in [Backoff::exponential(base, cap), Backoff::linear(base, cap)] {
                let ceiling = backoff.ceiling(attempt);
                prop_assert!(ceiling <= cap);
                prop_assert!(backoff.delay(attempt, &mut SeededRandom::new(seed)) <= ceiling);
                prop_assert!(ceiling <= backoff.ceiling(attempt.saturating_add(1)));
            }
        }
    }
}
