//! Values of the crate `cron`, by feature `cron`.

use ::cron::TimeUnitSpec;

use crate::schedule::Schedule;

impl From<::cron::Schedule> for Schedule {
    /// Takes over what a value of the crate `cron` matches, which is not always what its text would mean
    /// here: there 1 is Sunday, and a day must match both fields of days.
    ///
    /// Of times that clocks skip or show twice the [contract of this crate](crate#when-clocks-change)
    /// holds, and not the other's. Some years only cannot be taken over: say
    /// [`starts_at`](Schedule::starts_at) and [`ends_at`](Schedule::ends_at).
    ///
    /// ```
    /// use jobq_scheduler::Schedule;
    ///
    /// let mondays: cron::Schedule = "0 0 9 * * 2".parse().unwrap();
    /// assert_eq!(Schedule::from(mondays).timing()?.to_string(), "at 09:00 on Mondays, UTC");
    /// # Ok::<(), jobq_core::Error>(())
    /// ```
    fn from(value: ::cron::Schedule) -> Self {
        let weekdays = listed(value.days_of_week(), |day| day.saturating_sub(1));
        let both = if weekdays == "*" { "" } else { "+" };
        let same = |number| number;
        let schedule = Self::cron(format!(
            "{} {} {} {} {} {both}{weekdays}",
            listed(value.seconds(), same),
            listed(value.minutes(), same),
            listed(value.hours(), same),
            listed(value.days_of_month(), same),
            listed(value.months(), same),
        ));
        if value.years().is_all() {
            schedule
        } else {
            let text = value.source();
            schedule.refused(format!(
                "cron expression {text:?} has years, which are not known: say starts_at and ends_at"
            ))
        }
    }
}

fn listed(unit: &impl TimeUnitSpec, number: impl Fn(u32) -> u32) -> String {
    if unit.is_all() {
        return "*".to_owned();
    }
    let numbers: Vec<_> = unit.iter().map(|ordinal| number(ordinal).to_string()).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let value: ::cron::Schedule = text.parse().unwrap();
        match Schedule::from(value).timing() {
            Ok(timing) => timing.to_string(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn values_keep_their_own_meaning() {
        for (text, english) in [
            ("0 30 9 * * 1", "at 09:30 on Sundays, UTC"),
            ("0 30 9 * * Mon-Fri", "at 09:30 on weekdays, UTC"),
            ("0 0 0 13 * Fri", "at 00:00 on the 13th of every month, if that is on Fridays, UTC"),
            ("0 */15 * * * *", "every 15 minutes, UTC"),
            ("0 0 0 1 Jan ? *", "at 00:00 on the 1st of January, UTC"),
        ] {
            assert_eq!(told(text), english, "{text}");
        }
    }

    #[test]
    fn some_years_only_are_refused() {
        let refusal = told("0 0 0 1 1 * 2030");

        assert!(refusal.contains("has years, which are not known: say starts_at"), "{refusal}");
    }
}
