//! One field of a cron expression: read, checked, and pointed at when it is wrong.

use std::fmt;

/// Which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldName {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl FieldName {
    /// In the order in which an expression has them.
    pub(crate) const ALL: [Self; 6] =
        [Self::Second, Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek];

    /// The least and the greatest number. Both 0 and 7 are Sunday.
    pub(crate) const fn range(self) -> (u8, u8) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 7),
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &DAYS,
            Self::Second | Self::Minute | Self::Hour | Self::DayOfMonth => &[],
        }
    }

    fn number_of(self, name: &str) -> Option<u8> {
        let position = self.names().iter().position(|known| known.eq_ignore_ascii_case(name))?;
        u8::try_from(position).ok()?.checked_add(self.range().0)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

/// What stands between two commas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `5`, `1-5`, `*/15`, `8-18/2`: every `step`th number from `from` to `to`.
    Numbers { from: u8, to: u8, step: u8 },
    /// `L`: the last day of the month.
    LastDay,
    /// `LW`: the last of Monday to Friday in the month.
    LastWorkday,
    /// `15W`: the one of Monday to Friday that is nearest to the 15th, in the same month.
    NearestWorkday(u8),
    /// `MON#2`: the second Monday of the month.
    Nth(u8, u8),
    /// `MONL`: the last Monday of the month.
    LastOf(u8),
}

impl fmt::Display for Part {
    /// As `croner` reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Numbers { from, to, .. } if from == to => write!(f, "{from}"),
            Self::Numbers { from, to, step: 1 } => write!(f, "{from}-{to}"),
            Self::Numbers { from, to, step } => write!(f, "{from}-{to}/{step}"),
            Self::LastDay => f.write_str("L"),
            Self::LastWorkday => f.write_str("LW"),
            Self::NearestWorkday(day) => write!(f, "{day}W"),
            Self::Nth(day, nth) => write!(f, "{day}#{nth}"),
            Self::LastOf(day) => write!(f, "{day}L"),
        }
    }
}

/// A field that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// As it was written.
    pub(crate) text: String,
    /// `*` or `?`.
    pub(crate) is_star: bool,
    pub(crate) parts: Vec<Part>,
}

impl Field {
    /// Reads a field, or says what is wrong with it.
    pub(crate) fn read(name: FieldName, text: &str) -> Result<Self, String> {
        let may_be_any = matches!(name, FieldName::DayOfMonth | FieldName::DayOfWeek);
        let is_star = text == "*" || may_be_any && text == "?";
        let parts = if is_star {
            let (from, to) = name.range();
            vec![Part::Numbers { from, to, step: 1 }]
        } else {
            text.split(',').map(|part| read_part(name, part)).collect::<Result<Vec<_>, _>>()?
        };
        if parts.contains(&Part::LastDay) && parts.contains(&Part::LastWorkday) {
            return Err("L and LW do not go together".to_owned());
        }
        Ok(Self { text: text.to_owned(), is_star, parts })
    }
}

impl fmt::Display for Field {
    /// As `croner` reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_star {
            return f.write_str("*");
        }
        for (i, part) in self.parts.iter().enumerate() {
            write!(f, "{}{part}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

fn read_part(name: FieldName, text: &str) -> Result<Part, String> {
    if text.is_empty() {
        return Err("there is nothing between two commas, or before or after one".to_owned());
    }
    if name == FieldName::DayOfMonth && text.to_ascii_uppercase().starts_with("L-") {
        return Err(format!("{text:?}: days before the last one cannot be told, only L and LW"));
    }
    if let Some(special) = read_special(name, text)? {
        return Ok(special);
    }
    let (range, step) = match text.split_once('/') {
        None => (text, None),
        Some((range, step)) => (range, Some(read_step(name, step)?)),
    };
    let (from, to) = match (range, range.split_once('-')) {
        ("*", _) => name.range(),
        (_, Some((from, to))) => {
            let from = read_number(name, from)?;
            (from, read_end(name, from, to)?)
        }
        (single, None) => {
            let number = read_number(name, single)?;
            if let Some(step) = step {
                let last = name.range().1;
                return Err(format!(
                    "a step goes with a range: write {number}-{last}/{step}, or */{step} for all"
                ));
            }
            (number, number)
        }
    };
    if from > to {
        let (least, last) = name.range();
        return Err(format!("{from}-{to} goes backwards: write {from}-{last},{least}-{to}"));
    }
    Ok(Part::Numbers { from, to, step: step.unwrap_or(1) })
}

/// What only the fields of days know: `L`, `W` and `#`.
fn read_special(name: FieldName, text: &str) -> Result<Option<Part>, String> {
    let upper = text.to_ascii_uppercase();
    match name {
        FieldName::DayOfMonth => {
            if upper == "L" {
                return Ok(Some(Part::LastDay));
            }
            if upper == "LW" {
                return Ok(Some(Part::LastWorkday));
            }
            if let Some(day) = upper.strip_suffix('W') {
                return Ok(Some(Part::NearestWorkday(read_number(name, day)?)));
            }
        }
        FieldName::DayOfWeek => {
            if let Some((day, nth)) = upper.split_once('#') {
                let day = read_number(name, day)? % 7;
                return match nth.parse() {
                    Ok(nth @ 1..=5) => Ok(Some(Part::Nth(day, nth))),
                    _ => Err(format!("after # stands which one of the month, 1 to 5, not {nth:?}")),
                };
            }
            if upper == "L" {
                return Err(
                    "L stands after a day here, the last such day of the month: FRIL".into()
                );
            }
            if let Some(day) = upper.strip_suffix('L') {
                return Ok(Some(Part::LastOf(read_number(name, day)? % 7)));
            }
        }
        FieldName::Second | FieldName::Minute | FieldName::Hour | FieldName::Month => {}
    }
    Ok(None)
}

fn read_number(name: FieldName, text: &str) -> Result<u8, String> {
    let (least, last) = name.range();
    if let Some(number) = name.number_of(text) {
        return Ok(number);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u8>().ok().filter(|number| (least..=last).contains(number));
    match (is_number, number) {
        (true, Some(number)) => Ok(number),
        (true, None) => Err(format!("{text} is not {least} to {last}")),
        (false, _) => {
            let names = match name.names() {
                [first, .., last] => format!(", or {first} to {last}"),
                _ => String::new(),
            };
            Err(format!("{text:?} is not a number, {least} to {last}{names}"))
        }
    }
}

/// The end of a range: a week may end with Sunday.
fn read_end(name: FieldName, from: u8, text: &str) -> Result<u8, String> {
    let number = read_number(name, text)?;
    let is_sunday = name == FieldName::DayOfWeek && text.eq_ignore_ascii_case("SUN");
    Ok(if is_sunday && from > 0 { 7 } else { number })
}

fn read_step(name: FieldName, text: &str) -> Result<u8, String> {
    let last = name.range().1;
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u8>() {
        Ok(step) if is_number && (1..=last).contains(&step) => Ok(step),
        _ => Err(format!("the step after / must be 1 to {last}, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ranges_and_steps_are_read() {
        for (name, text, read) in [
            (FieldName::Minute, "*", "*"),
            (FieldName::Minute, "*/15", "0-59/15"),
            (FieldName::Hour, "8-18/2,23", "8-18/2,23"),
            (FieldName::Month, "jan,MAR-May", "1,3-5"),
            (FieldName::DayOfWeek, "fri-sun", "5-7"),
            (FieldName::DayOfWeek, "SUN-TUE", "0-2"),
            (FieldName::DayOfWeek, "0-SUN", "0"),
            (FieldName::DayOfWeek, "MON#2,FRIL", "1#2,5L"),
            (FieldName::DayOfWeek, "7#1", "0#1"),
            (FieldName::DayOfMonth, "L", "L"),
            (FieldName::DayOfMonth, "lw,15w", "LW,15W"),
            (FieldName::DayOfMonth, "?", "*"),
        ] {
            assert_eq!(Field::read(name, text).unwrap().to_string(), read, "{name} {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (name, text, why) in [
            (FieldName::Minute, "60", "60 is not 0 to 59"),
            (FieldName::Minute, "999", "999 is not 0 to 59"),
            (FieldName::Minute, "MON", "\"MON\" is not a number, 0 to 59"),
            (FieldName::Minute, "+5", "\"+5\" is not a number"),
            (FieldName::Minute, "?", "\"?\" is not a number"),
            (FieldName::Month, "0", "0 is not 1 to 12"),
            (FieldName::Month, "Mai", "is not a number, 1 to 12, or JAN to DEC"),
            (FieldName::Hour, "22-2", "22-2 goes backwards: write 22-23,0-2"),
            (FieldName::Minute, "0/15", "write 0-59/15, or */15 for all"),
            (FieldName::Minute, "*/0", "the step after / must be 1 to 59, not \"0\""),
            (FieldName::Minute, "*/", "the step after / must be 1 to 59, not \"\""),
            (FieldName::Minute, "1,,2", "nothing between two commas"),
            (FieldName::DayOfWeek, "MON#6", "1 to 5, not \"6\""),
            (FieldName::DayOfWeek, "L", "FRIL"),
            (FieldName::DayOfMonth, "L-3", "\"L-3\": days before the last one cannot be told"),
            (FieldName::DayOfMonth, "L,LW", "do not go together"),
            (FieldName::Hour, "L", "\"L\" is not a number"),
        ] {
            let fault = Field::read(name, text).unwrap_err();
            assert!(fault.contains(why), "{name} {text}: {fault}");
        }
    }
}
