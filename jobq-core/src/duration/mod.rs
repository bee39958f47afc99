//! Durations as text, the same wherever one is written: in `#[job(…)]`, in rates, in `jobq.toml`, and on the
//! command line of `jobq`.
//!
//! A number with its unit, `ms`, `s`, `m`, `h` or `d`, or several of them from the largest to the smallest, with
//! nothing in between: `500ms`, `30s`, `5m`, `1h30m`, `7d`.

mod grammar;

use std::fmt::Write;
use std::time::Duration;

use crate::clock::whole_millis;
use crate::error::{Error, Result};

/// Reads a duration.
///
/// ```
/// use std::time::Duration;
/// use jobq_core::duration;
///
/// assert_eq!(duration::parse("1h30m")?, Duration::from_secs(5_400));
/// assert_eq!(duration::text(Duration::from_millis(90_500)), "1m30s500ms");
/// # Ok::<(), jobq_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidInput`](crate::ErrorKind::InvalidInput), which says what is wrong with the text.
pub fn parse(text: &str) -> Result<Duration> {
    match grammar::parse(text) {
        Ok(grammar::Millis(ms)) => Ok(Duration::from_millis(ms)),
        Err(_) if text.len() > LONGEST => {
            Err(Error::invalid_input(format!("{:.LONGEST$}… is not a duration: too long", text)))
        }
        Err(refusal) => Err(Error::invalid_input(refusal)),
    }
}

/// The longest text that is shown in an error.
const LONGEST: usize = 60;

/// The text of a duration, which reads back as the same to the millisecond.
#[must_use]
pub fn text(duration: Duration) -> String {
    let mut rest = whole_millis(duration);
    let mut text = String::new();
    for (unit, ms) in grammar::UNITS {
        let count = rest / ms;
        rest %= ms;
        if count > 0 {
            // Writing to a text cannot fail.
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_back_from_its_text() {
        for (ms, shown) in [
            (0, "0s"),
            (1, "1ms"),
            (30_000, "30s"),
            (90_500, "1m30s500ms"),
            (5_400_000, "1h30m"),
            (604_800_000, "7d"),
            (u64::MAX, "213503982334d14h25m51s615ms"),
        ] {
            let duration = Duration::from_millis(ms);
            assert_eq!(text(duration), shown);
            assert_eq!(parse(shown).unwrap(), duration);
        }
    }

    #[test]
    fn a_refusal_is_no_longer_than_a_line() {
        let refusal = parse("30").unwrap_err();
        assert!(refusal.to_string().contains("30 has no unit"), "{refusal}");
        for long in ["9".repeat(100_000), "é".repeat(100_000), "1s".repeat(100_000)] {
            assert!(parse(&long).unwrap_err().to_string().len() < 200);
        }
    }
}
