//! Durations as people write them: `500ms`, `30s`, `1h30m`.
//!
//! This file is there twice, in the derive and in the crate that it is for, which cannot share code. A test
//! keeps them the same.

/// A duration in milliseconds, the resolution in which jobq keeps time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    pub(crate) const ZERO: Self = Self(0);
}

/// From the largest to the smallest, the order in which they may be combined.
pub(crate) const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// More bytes than any duration has.
const LONGEST: usize = 64;

/// Reads a duration, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Millis, String> {
    // Whoever hands in a book does not want all of it back.
    let shown: String = text.chars().take(40).collect();
    let refused =
        |why: &str| format!("{shown:?} is not a duration such as `30s` or `1h30m`: {why}");
    if text.len() > LONGEST {
        return Err(refused("it is too long"));
    }
    if text.is_empty() {
        return Err(refused("it is empty"));
    }
    let mut units = UNITS.as_slice();
    let mut total = Millis::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(refused(&format!("a number is missing before {unit:?}")));
        }
        if unit.is_empty() {
            return Err(refused(&format!("{digits} has no unit: `ms`, `s`, `m`, `h` or `d`")));
        }
        let Some(&(_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(refused(&format!("{unit:?} is no unit: `ms`, `s`, `m`, `h` and `d` are")));
        };
        let Some(position) = units.iter().position(|(name, _)| *name == unit) else {
            return Err(refused("units go from the largest to the smallest, each once"));
        };
        units = &units[position + 1..];
        total = digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(millis))
            .and_then(|part| total.0.checked_add(part))
            .map(Millis)
            .ok_or_else(|| refused("it is too long"))?;
        rest = after;
    }
    Ok(total)
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_make_a_duration() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("90m", 5_400_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
        ] {
            assert_eq!(parse(text), Ok(Millis(millis)), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_text_and_the_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            ("30", "30 has no unit: `ms`, `s`, `m`, `h` or `d`"),
            ("1h30", "30 has no unit: `ms`, `s`, `m`, `h` or `d`"),
            ("s", "a number is missing before \"s\""),
            ("-1s", "a number is missing before \"-\""),
            ("5min", "\"min\" is no unit: `ms`, `s`, `m`, `h` and `d` are"),
            ("30 s", "\" s\" is no unit: `ms`, `s`, `m`, `h` and `d` are"),
            ("1.5h", "\".\" is no unit: `ms`, `s`, `m`, `h` and `d` are"),
            ("30m1h", "units go from the largest to the smallest, each once"),
            ("1m1m", "units go from the largest to the smallest, each once"),
            ("99999999999999999999s", "it is too long"),
            ("18446744073709551615d", "it is too long"),
            ("213503982334d15h", "it is too long"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert_eq!(
                refusal,
                format!("{text:?} is not a duration such as `30s` or `1h30m`: {reason}")
            );
        }
    }
}
