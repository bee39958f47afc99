//! Schedules in plain English: "at 02:00 every day, Europe/Warsaw".

use std::time::Duration;

use crate::cron::{Expression, Field, Part};

/// The most times of day that are listed one by one.
const MOST_TIMES: usize = 6;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// What a cron expression means.
pub(crate) fn expression(expression: &Expression) -> String {
    let [second, minute, hour, day, month, weekday] = &expression.fields;
    let time = time_of_day(&numbers(second), &numbers(minute), &numbers(hour));
    let months = numbers(month);
    let of_months = match months.len() {
        12 => "of every month".to_owned(),
        _ => format!("of {}", listed(months.iter().map(|month| named(&MONTHS, *month, 1)))),
    };
    let in_months = match months.len() {
        12 => String::new(),
        _ => format!(" in {}", listed(months.iter().map(|month| named(&MONTHS, *month, 1)))),
    };
    match (day.is_star, weekday.is_star) {
        (true, true) if time.starts_with("every") => format!("{time}{in_months}"),
        (true, true) => format!("{time} every day{in_months}"),
        (true, false) => format!("{time} {}{in_months}", days_of_week(weekday)),
        (false, true) => format!("{time} {} {of_months}", days_of_month(day)),
        (false, false) if expression.both_days => {
            format!(
                "{time} {} {of_months}, if that is {}",
                days_of_month(day),
                days_of_week(weekday)
            )
        }
        (false, false) => {
            let or = days_of_week(weekday);
            format!("{time} {} {of_months}, and {or}{in_months}", days_of_month(day))
        }
    }
}

/// What an interval means.
pub(crate) fn interval(period: Duration) -> String {
    let mut rest = period.as_millis();
    let mut parts = Vec::new();
    for (unit, ms) in
        [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000)]
    {
        match rest / ms {
            0 => {}
            1 => parts.push(format!("1 {unit}")),
            count => parts.push(format!("{count} {unit}s")),
        }
        rest %= ms;
    }
    if rest > 0 {
        parts.push(format!("{rest} ms"));
    }
    match parts.as_slice() {
        [one] => format!("every {}", one.strip_prefix("1 ").unwrap_or(one)),
        _ => format!("every {}", parts.join(" ")),
    }
}

fn time_of_day(seconds: &[u8], minutes: &[u8], hours: &[u8]) -> String {
    if hours.len() == 24 {
        return within_hours(seconds, minutes);
    }
    if seconds.len() == 1 && hours.len() * minutes.len() <= MOST_TIMES {
        let second = seconds[0];
        let times = hours.iter().flat_map(|hour| {
            minutes.iter().map(move |minute| match second {
                0 => format!("{hour:02}:{minute:02}"),
                _ => format!("{hour:02}:{minute:02}:{second:02}"),
            })
        });
        return format!("at {}", listed(times));
    }
    if let ([hour], [minute]) = (hours, minutes) {
        return format!("{} of {hour:02}:{minute:02}", within_a_minute(seconds));
    }
    let within = within_hours(seconds, minutes);
    if let Some(step) = step_of(hours, 24) {
        if (seconds, minutes) == (&[0], &[0]) {
            return format!("every {step} hours");
        }
        return format!("{within} of every {} hour", ordinal(step));
    }
    match (hours, is_run(hours)) {
        ([first, .., last], true) | ([first @ last], true) => {
            let last_minute = minutes.last().unwrap_or(&0);
            format!("{within} from {first:02}:00 to {last:02}:{last_minute:02}")
        }
        _ => format!("{within} in the hours {}", listed(hours.iter().map(|h| format!("{h:02}")))),
    }
}

fn within_a_minute(seconds: &[u8]) -> String {
    match (seconds, step_of(seconds, 60)) {
        ([0], _) => String::new(),
        (_, Some(1)) => "every second".to_owned(),
        (_, Some(step)) => format!("every {step} seconds"),
        ([one], None) => format!("at second {one}"),
        (_, None) => format!("at seconds {}", listed(seconds.iter().map(u8::to_string))),
    }
}

fn within_hours(seconds: &[u8], minutes: &[u8]) -> String {
    let within_minutes = within_a_minute(seconds);
    let within_hour = match (minutes, step_of(minutes, 60)) {
        ([0], _) => "every hour".to_owned(),
        (_, Some(1)) => "every minute".to_owned(),
        (_, Some(step)) => format!("every {step} minutes"),
        ([one], None) => format!("every hour at minute {one}"),
        (_, None) => format!("every hour at minutes {}", listed(minutes.iter().map(u8::to_string))),
    };
    match (within_minutes.as_str(), within_hour.as_str()) {
        ("", _) => within_hour,
        (within, "every minute") if within.starts_with("every") => within_minutes,
        (within, _) if within.starts_with("every") && minutes.len() == 1 => {
            format!("{within} in minute {} of every hour", minutes[0])
        }
        (within, _) => format!("{within_hour}, {within}"),
    }
}

fn days_of_month(field: &Field) -> String {
    let days = field.parts.iter().map(|part| match *part {
        Part::Numbers { from, to, step: 1 } if to > from + 1 => {
            format!("the {} to {}", ordinal(from), ordinal(to))
        }
        Part::Numbers { from, to, step } => {
            let days = (from..=to).step_by(step.into());
            format!("the {}", listed(days.map(ordinal)))
        }
        Part::LastDay => "the last day".to_owned(),
        Part::LastWorkday => "the last weekday".to_owned(),
        Part::NearestWorkday(day) => format!("the weekday nearest to the {}", ordinal(day)),
        // Not in this field.
        Part::Nth(day, _) | Part::LastOf(day) => format!("the {}", ordinal(day)),
    });
    format!("on {}", listed(days))
}

fn days_of_week(field: &Field) -> String {
    let mut days: Vec<u8> = numbers(field).into_iter().map(|day| day % 7).collect();
    days.sort_unstable();
    days.dedup();
    let special = field.parts.iter().filter_map(|part| match *part {
        Part::Nth(day, nth) => Some(format!("the {} {}", ordinal(nth), named(&DAYS, day, 0))),
        Part::LastOf(day) => Some(format!("the last {}", named(&DAYS, day, 0))),
        _ => None,
    });
    let special: Vec<_> = special.collect();
    if !special.is_empty() {
        let plain = days.iter().map(|day| format!("every {}", named(&DAYS, *day, 0)));
        return format!("on {} of the month", listed(plain.chain(special)));
    }
    match days.as_slice() {
        [1, 2, 3, 4, 5] => "on weekdays".to_owned(),
        [0, 6] => "on weekends".to_owned(),
        [first, .., last] if days.len() > 2 && days.len() < 7 && is_run(&days) => {
            format!("from {} to {}", named(&DAYS, *first, 0), named(&DAYS, *last, 0))
        }
        _ => format!("on {}", listed(days.iter().map(|day| format!("{}s", named(&DAYS, *day, 0))))),
    }
}

/// All numbers of a field, ascending.
fn numbers(field: &Field) -> Vec<u8> {
    let ranges = field.parts.iter().filter_map(|part| match *part {
        Part::Numbers { from, to, step } => Some((from..=to).step_by(step.into())),
        _ => None,
    });
    let mut all: Vec<_> = ranges.flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// At which distance numbers follow each other all around, from 0.
fn step_of(numbers: &[u8], around: u8) -> Option<u8> {
    let step = *numbers.get(1)?;
    let all = (0..around).step_by(usize::from(step.max(1)));
    (step > 0 && around.is_multiple_of(step) && numbers[0] == 0 && all.eq(numbers.iter().copied()))
        .then_some(step)
}

fn is_run(numbers: &[u8]) -> bool {
    numbers.windows(2).all(|pair| pair[0] + 1 == pair[1])
}

fn named(names: &[&'static str], number: u8, first: u8) -> &'static str {
    names.get(usize::from(number.saturating_sub(first))).copied().unwrap_or("?")
}

fn ordinal(number: u8) -> String {
    let ending = match (number % 10, number / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// "a, b and c".
fn listed<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    let words: Vec<T> = words.collect();
    let mut list = String::new();
    for (i, word) in words.iter().enumerate() {
        list.push_str(match (i, words.len() - i) {
            (0, _) => "",
            (_, 1) => " and ",
            _ => ", ",
        });
        list.push_str(word.as_ref());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_in_plain_english() {
        for (text, english) in [
            ("0 2 * * *", "at 02:00 every day"),
            ("15 30 2 * * *", "at 02:30:15 every day"),
            ("0 9,17 * * 1-5", "at 09:00 and 17:00 on weekdays"),
            ("0,30 9 * * SAT,SUN", "at 09:00 and 09:30 on weekends"),
            ("@hourly", "every hour"),
            ("17 * * * *", "every hour at minute 17"),
            ("*/15 * * * *", "every 15 minutes"),
            ("*/15 9-17 * * MON-FRI", "every 15 minutes from 09:00 to 17:45 on weekdays"),
            ("*/10 0 2 * * *", "every 10 seconds of 02:00"),
            ("* 2 * * *", "every minute from 02:00 to 02:59"),
            ("0 */2 * * *", "every 2 hours"),
            ("0 9-17 * * *", "every hour from 09:00 to 17:00"),
            ("*/10 * * * * *", "every 10 seconds"),
            ("* * * * * *", "every second"),
            ("* * * * *", "every minute"),
            ("30 * * * * *", "every minute, at second 30"),
            ("*/7 * * * *", "every hour at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56"),
            ("0 4 1 * *", "at 04:00 on the 1st of every month"),
            ("0 4 1,15 * *", "at 04:00 on the 1st and the 15th of every month"),
            ("0 4 L * *", "at 04:00 on the last day of every month"),
            ("0 4 15W * *", "at 04:00 on the weekday nearest to the 15th of every month"),
            ("0 0 1 1 *", "at 00:00 on the 1st of January"),
            ("0 0 * 6-8 *", "at 00:00 every day in June, July and August"),
            ("0 9 * * MON#2", "at 09:00 on the 2nd Monday of the month"),
            ("0 9 * * FRIL", "at 09:00 on the last Friday of the month"),
            ("0 9 * * TUE-THU", "at 09:00 from Tuesday to Thursday"),
            ("0 0 13 * FRI", "at 00:00 on the 13th of every month, and on Fridays"),
            ("0 0 13 * +FRI", "at 00:00 on the 13th of every month, if that is on Fridays"),
            ("0 1,5,9,12,15,21,22 * * *", "every hour in the hours 01, 05, 09, 12, 15, 21 and 22"),
        ] {
            assert_eq!(expression(&Expression::read(text).unwrap()), english, "{text}");
        }
    }

    #[test]
    fn intervals_are_told_in_units() {
        for (seconds, english) in [
            (30, "every 30 seconds"),
            (60, "every minute"),
            (1_800, "every 30 minutes"),
            (5_400, "every 1 hour 30 minutes"),
            (86_400, "every day"),
            (90_061, "every 1 day 1 hour 1 minute 1 second"),
        ] {
            assert_eq!(interval(Duration::from_secs(seconds)), english);
        }
    }
}
