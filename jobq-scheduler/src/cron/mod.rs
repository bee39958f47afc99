//! Cron expressions: what they say about clocks on the wall, and nothing of time zones.

mod expression;
mod field;
mod pattern;

pub(crate) use self::expression::Expression;
pub(crate) use self::field::{Field, Part};
pub(crate) use self::pattern::Pattern;
