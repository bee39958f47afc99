//! A cron expression: five or six fields, read and found able to fire.

use jobq_core::{Error, Result};

use super::field::{Field, FieldName};
use super::pattern::Pattern;

/// Expressions with a name of their own.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// An expression that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// Second, minute, hour, day of month, month, day of week.
    pub(crate) fields: [Field; 6],
    /// `+` before the day of week: a day must match both fields of days.
    pub(crate) both_days: bool,
    pub(crate) pattern: Pattern,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, naming the field and what is wrong with it, also when all is well with each field
    /// but no day has what they ask for.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let fault =
            |what: String| Error::invalid_input(format!("cron expression {text:?}: {what}"));
        let written = expanded(text.trim()).map_err(fault)?;
        let mut texts: Vec<&str> = written.split_whitespace().collect();
        match texts.len() {
            0 => return Err(fault("is empty; write five fields, such as \"0 2 * * *\"".into())),
            5 => texts.insert(0, "0"),
            6 => {}
            count => return Err(fault(wrong_count(count))),
        }
        let both_days = texts[5].starts_with('+');
        texts[5] = texts[5].strip_prefix('+').unwrap_or(texts[5]);
        let read = |at: usize| {
            let name = FieldName::ALL[at];
            Field::read(name, texts[at])
                .map_err(|what| fault(format!("{name} {:?}: {what}", texts[at])))
        };
        let fields = [read(0)?, read(1)?, read(2)?, read(3)?, read(4)?, read(5)?];
        let pattern = Pattern::of(&fields, both_days).map_err(fault)?;
        let expression = Self { fields, both_days, pattern };
        if !expression.pattern.ever_matches() {
            return Err(fault(expression.why_never()));
        }
        Ok(expression)
    }

    /// Why no day has what the fields ask for.
    fn why_never(&self) -> String {
        let [_, _, _, day, month, weekday] = &self.fields;
        if self.both_days && !weekday.is_star && !day.is_star {
            format!(
                "never fires: no day is both day of month {:?} and day of week {:?} in month {:?}",
                day.text, weekday.text, month.text
            )
        } else {
            format!(
                "never fires: day of month {:?} does not come in month {:?}",
                day.text, month.text
            )
        }
    }
}

/// An expression in place of its name; and hints for what other programs know.
fn expanded(text: &str) -> Result<&str, String> {
    let upper = text.to_ascii_uppercase();
    if upper.starts_with("TZ=") || upper.starts_with("CRON_TZ=") {
        return Err("the time zone is set beside it: .timezone(\"Europe/Warsaw\")".into());
    }
    if !text.starts_with('@') {
        return Ok(text);
    }
    if upper.starts_with("@EVERY") {
        return Err("an interval is no cron expression: every(30.minutes())".into());
    }
    if upper == "@REBOOT" {
        return Err("@reboot is no time: enqueue the job when the program starts".into());
    }
    let nickname = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    nickname.map(|(_, expression)| *expression).ok_or_else(|| {
        let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        format!("is not known; there are {}", names.join(", "))
    })
}

fn wrong_count(count: usize) -> String {
    let hint = match count {
        1..=4 => "some are missing",
        7 => "years are not known: say starts_at and ends_at",
        _ => "there are too many",
    };
    format!(
        "has {count} fields, {hint}; write minute, hour, day of month, month, day of week, with the \
         second before them if you like"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Expression::read(text).unwrap_err().to_string()
    }

    #[test]
    fn five_and_six_fields_and_names_are_read() {
        for (text, minute, second) in [
            ("30 2 * * *", "30", "0"),
            ("15 30 2 * * *", "30", "15"),
            ("@hourly", "0", "0"),
            (" @Daily ", "0", "0"),
            ("\t5  4\t* * SUN ", "5", "0"),
        ] {
            let expression = Expression::read(text).unwrap();
            assert_eq!(expression.fields[1].to_string(), minute, "{text}");
            assert_eq!(expression.fields[0].to_string(), second, "{text}");
        }
    }

    #[test]
    fn faults_name_the_field() {
        for (text, message) in [
            ("61 2 * * *", "cron expression \"61 2 * * *\": minute \"61\": 61 is not 0 to 59"),
            ("0 24 * * *", "cron expression \"0 24 * * *\": hour \"24\": 24 is not 0 to 23"),
            (
                "MON * * * *",
                "cron expression \"MON * * * *\": minute \"MON\": \"MON\" is not a number, 0 to 59",
            ),
        ] {
            assert_eq!(refusal(text), message);
        }
        for (text, why) in [
            ("", "is empty"),
            ("* * *", "has 3 fields, some are missing"),
            ("0 0 0 1 1 * 2030", "has 7 fields, years are not known"),
            ("@noon", "is not known; there are @yearly"),
            ("@every 5m", "every(30.minutes())"),
            ("@reboot", "when the program starts"),
            ("TZ=UTC 0 0 * * *", ".timezone("),
            ("CRON_TZ=UTC 0 0 * * *", ".timezone("),
            ("0 0 * * 8", "day of week \"8\": 8 is not 0 to 7"),
            ("0 0 32 * *", "day of month \"32\": 32 is not 1 to 31"),
            ("* * * 13 *", "month \"13\": 13 is not 1 to 12"),
            ("x * * * * *", "second \"x\": \"x\" is not a number"),
        ] {
            assert!(refusal(text).contains(why), "{text:?}: {}", refusal(text));
        }
    }

    #[test]
    fn what_never_fires_is_refused() {
        for (text, why) in [
            ("0 0 30 2 *", "day of month \"30\" does not come in month \"2\""),
            ("0 0 31 2,4,6,9,11 *", "day of month \"31\" does not come in month \"2,4,6,9,11\""),
            ("0 0 30W FEB *", "day of month \"30W\" does not come in month \"FEB\""),
            ("0 0 1 * +MON#2", "no day is both day of month \"1\" and day of week \"MON#2\""),
        ] {
            assert!(refusal(text).contains(why), "{text:?}: {}", refusal(text));
        }
        for text in ["0 0 29 2 *", "0 0 * 2 5#5", "0 0 29 2 +MON", "0 0 30 2 MON", "0 0 31 * *"] {
            assert!(Expression::read(text).is_ok(), "{text}");
        }
    }
}
