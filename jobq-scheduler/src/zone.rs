//! Time zones: by name, and what their clocks show around a change.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use jobq_core::nearest::nearest;
use jobq_core::{Error, Result};

/// A time zone of the IANA database: the machine's, and the one that came with the program if there is
/// none.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    zone: TimeZone,
}

/// What a clock on the wall showing a time means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It shows it at this instant; if it does so twice, at this one first.
    At(Timestamp),
    /// It never shows it: it is put forward over it, from this time, at this instant.
    Skipped { from: DateTime, at: Timestamp },
}

impl Moment {
    /// The instant; that of the change for a time that is skipped.
    pub(crate) const fn instant(self) -> Timestamp {
        match self {
            Self::At(at) | Self::Skipped { at, .. } => at,
        }
    }
}

impl Zone {
    pub(crate) const UTC: Self = Self { zone: TimeZone::UTC };

    /// The zone of this name.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a name that is not known, with the one that was probably meant.
    pub(crate) fn named(name: &str) -> Result<Self> {
        // A name such as "+02:00" or "EST5EDT,M3.2.0,M11.1.0" would be no zone of the database.
        let zone = jiff::tz::db().get(name).map_err(|fault| {
            let known: Vec<String> =
                jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            let hint = match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "write one such as \"Europe/Warsaw\" or \"UTC\"".to_owned(),
            };
            Error::invalid_input(format!("time zone {name:?} is not known: {hint}")).because(fault)
        })?;
        Ok(Self { zone })
    }

    #[cfg(test)]
    pub(crate) const fn of(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// Its name; `UTC` for a zone that has none.
    pub(crate) fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// What a clock on the wall shows.
    pub(crate) fn wall(&self, instant: Timestamp) -> DateTime {
        self.zone.to_datetime(instant)
    }

    pub(crate) fn offset(&self, instant: Timestamp) -> Offset {
        self.zone.to_offset(instant)
    }

    /// When a clock on the wall shows this; `None` beyond the years that there are.
    pub(crate) fn moment(&self, wall: DateTime) -> Option<Moment> {
        Some(match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => Moment::At(offset.to_timestamp(wall).ok()?),
            AmbiguousOffset::Fold { before, .. } => Moment::At(before.to_timestamp(wall).ok()?),
            AmbiguousOffset::Gap { before, .. } => {
                // By the offset before, the skipped times would come after the change.
                let at = self.last_change(before.to_timestamp(wall).ok()?)?;
                Moment::Skipped { from: before.to_datetime(at), at }
            }
        })
    }

    /// If at this instant a clock shows a time for the second time: the first one that it shows but once.
    pub(crate) fn end_of_repetition(&self, instant: Timestamp) -> Option<DateTime> {
        let wall = self.wall(instant);
        match self.zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Fold { before, after } if self.offset(instant) == after => {
                Some(before.to_datetime(self.last_change(instant)?))
            }
            _ => None,
        }
    }

    /// The last change of clocks at or before an instant.
    pub(crate) fn last_change(&self, instant: Timestamp) -> Option<Timestamp> {
        let after = instant.checked_add(1.second()).ok()?;
        let mut changes = self.zone.preceding(after).map(|change| change.timestamp());
        changes.find(|change| *change <= instant && self.is_change(*change))
    }

    /// Whether clocks are put forward or back at an instant: not all that a zone's rules tell of is so.
    fn is_change(&self, at: Timestamp) -> bool {
        at.checked_sub(1.second()).is_ok_and(|before| self.offset(before) != self.offset(at))
    }

    /// The first change of clocks after an instant.
    pub(crate) fn next_change(&self, instant: Timestamp) -> Option<Timestamp> {
        self.zone
            .following(instant)
            .map(|change| change.timestamp())
            .find(|at| *at > instant && self.is_change(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wall(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    #[test]
    fn skipped_and_repeated_times_are_told() {
        let warsaw = Zone::named("Europe/Warsaw").unwrap();

        assert_eq!(
            warsaw.moment(wall("2026-03-29T02:30:00")),
            Some(Moment::Skipped {
                from: wall("2026-03-29T02:00:00"),
                at: at("2026-03-29T01:00:00Z")
            })
        );
        assert_eq!(
            warsaw.moment(wall("2026-10-25T02:30:00")),
            Some(Moment::At(at("2026-10-25T00:30:00Z")))
        );
        assert_eq!(warsaw.end_of_repetition(at("2026-10-25T00:30:00Z")), None);
        for second in ["2026-10-25T01:00:00Z", "2026-10-25T01:59:59.5Z"] {
            let end = warsaw.end_of_repetition(at(second));
            assert_eq!(end, Some(wall("2026-10-25T03:00:00")), "{second}");
        }
        assert_eq!(warsaw.end_of_repetition(at("2026-10-25T02:00:00Z")), None);
    }

    /// The rules of this zone tell of a change at 07:00Z on a day on which it is at 08:00Z.
    #[test]
    fn a_change_that_is_none_is_passed_over() {
        let winamac = Zone::named("America/Indiana/Winamac").unwrap();
        let skipped = winamac.moment(wall("2007-03-11T02:30:00")).unwrap();

        assert_eq!(skipped.instant(), at("2007-03-11T08:00:00Z"));
    }

    #[test]
    fn names_are_checked_with_a_hint() {
        assert_eq!(Zone::named("europe/warsaw").unwrap().name(), "Europe/Warsaw");
        for (name, hint) in [
            ("Europe/Warszawa", "did you mean \"Europe/Warsaw\"?"),
            ("+02:00", "write one such as"),
            ("", "write one such as"),
        ] {
            let error = Zone::named(name).unwrap_err();
            let start = format!("time zone {name:?} is not known: {hint}");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
}
