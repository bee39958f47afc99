//! The notation of unique modes: `throttle(10m)`.

use crate::duration::{self, Millis};
use crate::nearest;

/// For how long a unique key is held; the variants of `jobq_core::UniqueMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    UntilFinished,
    UntilStarted,
    WhileRunning,
    Throttle { per: Millis },
    Debounce { delay: Millis, at_most: Option<Millis> },
    LatestWins,
}

const WORDS: [&str; 6] =
    ["until_finished", "until_started", "while_running", "throttle", "debounce", "latest_wins"];

/// The longest time that a record has room for.
const MAX_MS: u64 = u32::MAX as u64;

/// Reads a mode, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Mode, String> {
    let (word, times) = match text.trim().split_once('(') {
        None => (text.trim(), None),
        Some((word, times)) => {
            let times = times.strip_suffix(')').ok_or_else(|| unclosed(text))?;
            (word.trim(), Some(times.trim()))
        }
    };
    let mode = match (word, times) {
        ("until_finished", None) => Mode::UntilFinished,
        ("until_started", None) => Mode::UntilStarted,
        ("while_running", None) => Mode::WhileRunning,
        ("latest_wins", None) => Mode::LatestWins,
        ("throttle", Some(per)) => Mode::Throttle { per: time(per)? },
        ("debounce", Some(times)) => debounce(times)?,
        ("throttle", None) => {
            return Err("`throttle` takes its time: write `throttle(10m)`".to_owned());
        }
        ("debounce", None) => {
            return Err(
                "`debounce` takes its delay, and perhaps the most it may add up to: write \
                        `debounce(30s)` or `debounce(30s..5m)`"
                    .to_owned(),
            );
        }
        (word, Some(_)) if WORDS.contains(&word) => {
            return Err(format!("`{word}` takes no time: write it alone"));
        }
        (word, _) => {
            return Err(format!("{word:?} is not a unique mode: {}", nearest::hint(word, &WORDS)));
        }
    };
    Ok(mode)
}

/// The delay, perhaps with the most that it may add up to: `30s..5m`.
fn debounce(times: &str) -> Result<Mode, String> {
    let Some((delay, at_most)) = times.split_once("..") else {
        return Ok(Mode::Debounce { delay: time(times)?, at_most: None });
    };
    let (delay, at_most) = (time(delay.trim())?, time(at_most.trim())?);
    if at_most < delay {
        return Err(format!("the most is below the delay in {times:?}"));
    }
    Ok(Mode::Debounce { delay, at_most: Some(at_most) })
}

fn unclosed(text: &str) -> String {
    format!("{text:?} is not a unique mode: the parenthesis is not closed")
}

fn time(text: &str) -> Result<Millis, String> {
    let time = duration::parse(text)?;
    if time == Millis::ZERO {
        return Err("a time of zero keeps no job from another: leave `unique_mode` out".to_owned());
    }
    if time.0 <= MAX_MS { Ok(time) } else { Err(format!("{text:?} is longer than 49 days")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Millis {
        Millis(n * 1000)
    }

    #[test]
    fn every_mode_is_read() {
        let debounce = |delay, at_most| Mode::Debounce { delay, at_most };
        for (text, mode) in [
            ("until_finished", Mode::UntilFinished),
            ("until_started", Mode::UntilStarted),
            ("while_running", Mode::WhileRunning),
            ("latest_wins", Mode::LatestWins),
            ("throttle(10m)", Mode::Throttle { per: secs(600) }),
            ("debounce(30s)", debounce(secs(30), None)),
            ("debounce(30s..5m)", debounce(secs(30), Some(secs(300)))),
            (" debounce ( 1s .. 1s ) ", debounce(secs(1), Some(secs(1)))),
        ] {
            assert_eq!(parse(text), Ok(mode), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "\"\" is not a unique mode: there are `until_finished`"),
            ("until_start", "did you mean `until_started`?"),
            ("forever", "there are `until_finished`, `until_started`"),
            ("throttle", "`throttle` takes its time"),
            ("debounce", "`debounce` takes its delay"),
            ("latest_wins(5s)", "`latest_wins` takes no time"),
            ("throttle(10m", "the parenthesis is not closed"),
            ("throttle(0s)", "a time of zero"),
            ("throttle(10)", "10 has no unit"),
            ("throttle(50d)", "longer than 49 days"),
            ("debounce(5m..30s)", "the most is below the delay in \"5m..30s\""),
            ("debounce(0s..30s)", "a time of zero"),
            ("debounce(1s..50d)", "longer than 49 days"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(part), "{text:?}: {refusal}");
        }
    }
}
