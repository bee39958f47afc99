//! Values as `jobq.toml` has them. What is wrong with one is told with its line, because it is told while it is read.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use jobq_core::{Breaker, Priority, Timestamp, UniqueMode};
use jobq_scheduler::{Schedule, instant};
use serde::{Deserialize, Deserializer, de};

use crate::cli::units;

/// A value that is written as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer, |text| text.parse()).map(Self)
    }
}

/// Text that is read by a function; what is wrong with it is told with its place.
fn read<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident($kept:ty) by $read:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) $kept);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer, $read).map(Self)
            }
        }
    };
}

text!(
    /// A cron expression that fires.
    Cron(String) by |text: &str| {
        Schedule::cron(text).timing().map(|_| text.to_owned())
    }
);
text!(
    /// A time of day.
    DailyAt(String) by |text: &str| {
        Schedule::daily_at(text).timing().map(|_| text.to_owned())
    }
);
text!(
    /// A time zone that is known.
    Zone(String) by |text: &str| {
        Schedule::daily().timezone(text).timing().map(|_| text.to_owned())
    }
);
text!(
    /// For how long a key is unique.
    Mode(UniqueMode) by units::unique_mode
);
text!(
    /// A breaker: `5/30s`.
    Failures(Breaker) by units::breaker
);
text!(
    /// How long something is kept: `7d`.
    Kept(Duration) by units::retention
);
text!(
    /// A duration: `30s`.
    Time(Duration) by units::duration
);

/// A whole number within these bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const LEAST: u64, const MOST: u64>(pub(super) u64);

/// How much of a rate a job uses up.
pub(super) type Cost = Whole<1, 65_535>;

impl<const LEAST: u64, const MOST: u64> Whole<LEAST, MOST> {
    /// The number as a smaller type, which its bounds must fit into.
    pub(super) fn number<N: TryFrom<u64> + Default>(self) -> N {
        N::try_from(self.0).unwrap_or_default()
    }
}

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Within::<LEAST, MOST>).map(Self)
    }
}

struct Within<const LEAST: u64, const MOST: u64>;

impl<const LEAST: u64, const MOST: u64> de::Visitor<'_> for Within<LEAST, MOST> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        self.visit_i128(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        self.visit_i128(number.into())
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) if (LEAST..=MOST).contains(&number) => Ok(number),
            _ => {
                let how = if number < i128::from(LEAST) { "small" } else { "large" };
                Err(E::custom(format!("{number} is too {how}: {LEAST} to {MOST}")))
            }
        }
    }
}

/// A priority: 0 to 15.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level(pub(super) Priority);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let level: Whole<0, 15> = Whole::deserialize(deserializer)?;
        Priority::new(level.number()).map(Self).map_err(de::Error::custom)
    }
}

/// An instant, as text or as TOML has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => text,
            toml::Value::Datetime(at) => at.to_string(),
            other => {
                return Err(de::Error::custom(format!("an instant is no {}", other.type_str())));
            }
        };
        instant::parse(&text).map(Self).map_err(de::Error::custom)
    }
}
