//! Days and times of day in words: what the shorthands of schedules are made of.

use jobq_core::{Error, Result};

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there will be no eighth day")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// As cron expressions know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Monday => "MON",
            Self::Tuesday => "TUE",
            Self::Wednesday => "WED",
            Self::Thursday => "THU",
            Self::Friday => "FRI",
            Self::Saturday => "SAT",
            Self::Sunday => "SUN",
        }
    }
}

/// A time of day, `02:00` or `02:00:30`, as the first three fields of a cron expression.
pub(crate) fn time_of_day(text: &str) -> Result<[String; 3]> {
    let wrong = || {
        Error::invalid_input(format!(
            "{text:?} is not a time of day from \"00:00\" to \"23:59\", such as \"02:00\" or \"02:00:30\""
        ))
    };
    let mut parts = text.trim().split(':');
    let mut number = |last: u8| {
        let part = parts.next()?;
        let fits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u8>().ok().filter(|number| fits && *number <= last)
    };
    let (Some(hour), Some(minute)) = (number(23), number(59)) else {
        return Err(wrong());
    };
    let second = match text.matches(':').count() {
        1 => 0,
        2 => number(59).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    Ok([second, minute, hour].map(|number| number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_read() {
        assert_eq!(time_of_day("02:05").unwrap(), ["0", "5", "2"]);
        assert_eq!(time_of_day("23:59:30").unwrap(), ["30", "59", "23"]);
        for text in ["", "2", "24:00", "12:60", "02:00:60", "1:2:3:4", "+2:00", "2 pm", "02:000"] {
            let message = time_of_day(text).unwrap_err().to_string();
            assert!(message.contains("is not a time of day"), "{text}: {message}");
        }
    }
}
