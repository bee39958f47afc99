//! The notation of backoffs: `exponential(2s..10m)`.

use crate::duration::{self, Millis};

const FORMS: &str =
    "`fixed(30s)`, `linear(10s..5m)`, `exponential(2s..10m)` or `list(1s, 10s, 1m)`";

/// How the delay grows; the variants of `jobq_core::backoff::Growth`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    Fixed(Millis),
    Linear { step: Millis, cap: Millis },
    Exponential { base: Millis, cap: Millis },
    List(Vec<Millis>),
}

/// Reads a growth, or says what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Growth, String> {
    let unknown = || format!("{text:?} is not a backoff: write {FORMS}");
    let (growth, delays) =
        text.trim().strip_suffix(')').and_then(|text| text.split_once('(')).ok_or_else(unknown)?;
    match growth.trim() {
        "fixed" => Ok(Growth::Fixed(duration::parse(delays.trim())?)),
        "linear" => range(delays).map(|(step, cap)| Growth::Linear { step, cap }),
        "exponential" => range(delays).map(|(base, cap)| Growth::Exponential { base, cap }),
        "list" => {
            let delays = delays.split(',').map(|delay| duration::parse(delay.trim()));
            Ok(Growth::List(delays.collect::<Result<_, _>>()?))
        }
        _ => Err(unknown()),
    }
}

/// The first delay and the longest, written `2s..10m`.
fn range(delays: &str) -> Result<(Millis, Millis), String> {
    let (first, cap) = delays.split_once("..").ok_or_else(|| {
        format!("{delays:?} is no range: write the first and the longest delay, such as `2s..10m`")
    })?;
    let (first, cap) = (duration::parse(first.trim())?, duration::parse(cap.trim())?);
    if first == Millis::ZERO {
        Err("a delay that starts at zero never grows: start above zero, or write `fixed(0s)`"
            .to_owned())
    } else if cap < first {
        Err(format!("the longest delay is below the first one in {delays:?}"))
    } else {
        Ok((first, cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Millis {
        Millis(n * 1000)
    }

    #[test]
    fn every_form_is_read() {
        let exponential = Growth::Exponential { base: secs(2), cap: secs(600) };
        for (text, growth) in [
            ("fixed(30s)", Growth::Fixed(secs(30))),
            ("fixed(0s)", Growth::Fixed(secs(0))),
            ("linear(10s..5m)", Growth::Linear { step: secs(10), cap: secs(300) }),
            ("exponential(2s..10m)", exponential),
            ("list(1s)", Growth::List(vec![secs(1)])),
            ("list(1s, 10s,1m)", Growth::List(vec![secs(1), secs(10), secs(60)])),
            (" linear ( 1s .. 1s ) ", Growth::Linear { step: secs(1), cap: secs(1) }),
        ] {
            assert_eq!(parse(text), Ok(growth), "{text:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "is not a backoff"),
            ("exponential", "is not a backoff"),
            ("exponential(2s..10m", "is not a backoff"),
            ("cubic(2s..10m)", "is not a backoff"),
            ("exponential(2s)", "\"2s\" is no range"),
            ("exponential(10m..2s)", "below the first one in \"10m..2s\""),
            ("linear(0s..1m)", "never grows"),
            ("linear(1s..)", "\"\" is not a duration"),
            ("fixed(30)", "30 has no unit"),
            ("fixed()", "it is empty"),
            ("list()", "it is empty"),
            ("list(1s, )", "it is empty"),
        ] {
            let refusal = parse(text).unwrap_err();
            assert!(refusal.contains(part), "{text:?}: {refusal}");
        }
    }
}
