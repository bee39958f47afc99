//! Instants as people write and read them.

use jiff::{RoundMode, Timestamp as Instant, TimestampRound, Unit};
use jobq_core::{Error, Result, Timestamp};

use crate::zone::Zone;

/// Reads an instant: a date and a time with the distance from UTC, as in RFC 3339.
///
/// ```
/// use jobq_scheduler::instant;
///
/// let start = instant::parse("2026-12-01T06:00:00+01:00")?;
/// assert_eq!(start.to_string(), "2026-12-01T05:00:00.000Z");
/// # Ok::<(), jobq_core::Error>(())
/// ```
///
/// # Errors
///
/// [`InvalidInput`](jobq_core::ErrorKind::InvalidInput) for anything else, and for what is before 1970.
pub fn parse(text: &str) -> Result<Timestamp> {
    let read: Option<Instant> = text.trim().parse().ok();
    let ms = read.and_then(|instant| u64::try_from(instant.as_millisecond()).ok());
    ms.map(Timestamp::from_millis).ok_or_else(|| {
        Error::invalid_input(format!(
            "{text:?} is not an instant since 1970 with its distance from UTC, such as \
             \"2026-12-01T06:00:00+01:00\" or \"2026-12-01T05:00:00Z\""
        ))
    })
}

/// An instant as the clocks of a time zone show it, with their distance from UTC, to the second. In UTC
/// without a zone, or with one that is not known here.
///
/// ```
/// use jobq_scheduler::instant;
///
/// let start = instant::parse("2026-12-01T05:00:00Z")?;
/// assert_eq!(instant::text(start, Some("Europe/Warsaw")), "2026-12-01T06:00:00+01:00");
/// assert_eq!(instant::text(start, None), "2026-12-01T05:00:00Z");
/// # Ok::<(), jobq_core::Error>(())
/// ```
#[must_use]
pub fn text(instant: Timestamp, timezone: Option<&str>) -> String {
    let ms = i64::try_from(instant.as_millis()).unwrap_or(i64::MAX);
    let instant = Instant::from_millisecond(ms).unwrap_or(Instant::MAX);
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc);
    let instant = instant.round(whole).unwrap_or(instant);
    let zone = timezone.and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC);
    if zone.name() == "UTC" {
        return instant.to_string();
    }
    instant.display_with_offset(zone.offset(instant)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in ["", "soon", "2026-12-01", "2026-12-01T06:00:00", "1969-12-31T00:00:00Z"] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.contains("is not an instant since 1970"), "{text:?}: {told}");
        }
    }

    #[test]
    fn an_instant_is_shown_by_the_clocks_of_its_zone_on_that_day() {
        let summer = parse("2026-07-01T00:00:00.999Z").unwrap();

        assert_eq!(text(summer, Some("Europe/Warsaw")), "2026-07-01T02:00:00+02:00");
        assert_eq!(text(summer, Some("UTC")), "2026-07-01T00:00:00Z");
        assert_eq!(text(summer, Some("Moon/Base")), "2026-07-01T00:00:00Z");
    }
}
