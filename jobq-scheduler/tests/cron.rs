//! Random cron expressions, against an oracle that looks at every minute and was told what they mean.
//!
//! Each run prints its seed; `JOBQ_CRON_SEED` repeats it, `JOBQ_CRON_CASES` makes it longer or shorter.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;

use fastrand::Rng;
use jobq_core::Timestamp;
use jobq_scheduler::Schedule;

const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

/// A day of the calendar, found by counting from 1970-01-01, a Thursday.
#[derive(Clone, Copy, Debug)]
struct Day {
    number: u64,
    month: u8,
    day: u8,
    month_length: u8,
}

impl Day {
    fn weekday(self) -> u8 {
        u8::try_from((self.number + 4) % 7).unwrap()
    }

    /// The day of the week of another day of the same month.
    fn weekday_of(self, day: u8) -> u8 {
        (self.weekday() + 35 + day - self.day) % 7
    }

    fn is_workday(self, day: u8) -> bool {
        !matches!(self.weekday_of(day), 0 | 6)
    }
}

/// All days of 80 years.
fn calendar() -> Vec<Day> {
    let mut days = Vec::new();
    for year in 1970_u32..2050 {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        for (month, length) in
            (1..).zip([31, 28 + u8::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
        {
            for day in 1..=length {
                let number = days.len() as u64;
                days.push(Day { number, month, day, month_length: length });
            }
        }
    }
    days
}

enum DayRule {
    Of(BTreeSet<u8>),
    LastDay,
    LastWorkday,
    Nearest(u8),
    Nth(u8, u8),
    LastOf(u8),
}

impl DayRule {
    fn matches_month_day(&self, day: Day) -> bool {
        match self {
            Self::Of(days) => days.contains(&day.day),
            Self::LastDay => day.day == day.month_length,
            Self::LastWorkday => {
                day.is_workday(day.day)
                    && (day.day + 1..=day.month_length).all(|d| !day.is_workday(d))
            }
            Self::Nearest(wanted) => {
                let candidates = (1..=day.month_length).filter(|d| day.is_workday(*d));
                let nearest = candidates.min_by_key(|d| d.abs_diff(*wanted)).unwrap();
                *wanted <= day.month_length && nearest == day.day
            }
            Self::Nth(..) | Self::LastOf(_) => unreachable!(),
        }
    }

    fn matches_weekday(&self, day: Day) -> bool {
        match self {
            Self::Of(days) => days.contains(&day.weekday()),
            Self::Nth(weekday, nth) => day.weekday() == *weekday && (day.day - 1) / 7 + 1 == *nth,
            Self::LastOf(weekday) => day.weekday() == *weekday && day.day + 7 > day.month_length,
            Self::LastDay | Self::LastWorkday | Self::Nearest(_) => unreachable!(),
        }
    }
}

/// An expression whose meaning is known because it was made from it.
struct Case {
    text: String,
    minutes: BTreeSet<u8>,
    hours: BTreeSet<u8>,
    months: BTreeSet<u8>,
    month_days: Option<Vec<DayRule>>,
    weekdays: Option<Vec<DayRule>>,
    both: bool,
}

const MONTHS: [&str; 12] =
    ["JAN", "feb", "MAR", "APR", "May", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "tue", "WED", "THU", "Fri", "SAT"];

/// Some numbers of a range, and how they are written; `None` for all of them.
fn numbers(
    random: &mut Rng,
    least: u8,
    last: u8,
    names: &[&str],
) -> (BTreeSet<u8>, Option<String>) {
    let all: BTreeSet<u8> = (least..=last).collect();
    let shown = |random: &mut Rng, number: u8| match names.get(usize::from(number - least)) {
        Some(name) if random.bool() => (*name).to_owned(),
        _ => number.to_string(),
    };
    match random.u8(..6) {
        0 | 1 => (all, None),
        2 => {
            let step = random.u8(1..=last);
            let numbers = (least..=last).step_by(step.into()).collect();
            (numbers, Some(format!("*/{step}")))
        }
        _ => {
            let mut set = BTreeSet::new();
            let mut texts = Vec::new();
            for _ in 0..random.u8(1..4) {
                let from = random.u8(least..=last);
                let to = random.u8(from..=last);
                let step = random.u8(1..=last);
                match random.u8(..3) {
                    0 => {
                        set.insert(from);
                        texts.push(shown(random, from));
                    }
                    1 => {
                        set.extend(from..=to);
                        texts.push(format!("{}-{}", shown(random, from), shown(random, to)));
                    }
                    _ => {
                        set.extend((from..=to).step_by(step.into()));
                        texts.push(format!("{from}-{to}/{step}"));
                    }
                }
            }
            (set, Some(texts.join(",")))
        }
    }
}

fn case(random: &mut Rng) -> Case {
    let (minutes, minute) = numbers(random, 0, 59, &[]);
    let (hours, hour) = numbers(random, 0, 23, &[]);
    let (months, month) = numbers(random, 1, 12, &MONTHS);
    let (month_days, day) = match random.u8(..8) {
        0 => (Some(vec![DayRule::LastDay]), "L".to_owned()),
        1 => (Some(vec![DayRule::LastWorkday]), "LW".to_owned()),
        2 => {
            let (one, other) = (random.u8(1..=31), random.u8(1..=31));
            (
                Some(vec![DayRule::Nearest(one), DayRule::Of([other].into())]),
                format!("{one}W,{other}"),
            )
        }
        _ => match numbers(random, 1, 31, &[]) {
            (_, None) => (None, if random.bool() { "*" } else { "?" }.to_owned()),
            (days, Some(text)) => (Some(vec![DayRule::Of(days)]), text),
        },
    };
    let (weekdays, weekday) = match random.u8(..8) {
        0 => {
            let (weekday, nth) = (random.u8(..7), random.u8(1..=5));
            (
                Some(vec![DayRule::Nth(weekday, nth)]),
                format!("{}#{nth}", DAYS[usize::from(weekday)]),
            )
        }
        1 => {
            let (weekday, other) = (random.u8(..7), random.u8(..7));
            let rules = vec![DayRule::LastOf(weekday), DayRule::Of([other].into())];
            (Some(rules), format!("{}L,{other}", DAYS[usize::from(weekday)]))
        }
        _ => match numbers(random, 0, 6, &DAYS) {
            (_, None) => (None, "*".to_owned()),
            (days, Some(text)) => (Some(vec![DayRule::Of(days)]), text),
        },
    };
    let both = random.u8(..4) == 0;
    let star = |text: Option<String>| text.unwrap_or_else(|| "*".to_owned());
    let text = format!(
        "{} {} {day} {} {}{weekday}",
        star(minute),
        star(hour),
        star(month),
        if both { "+" } else { "" }
    );
    Case { text, minutes, hours, months, month_days, weekdays, both }
}

impl Case {
    fn matches_day(&self, day: Day) -> bool {
        let by_month = |rules: &Vec<DayRule>| rules.iter().any(|rule| rule.matches_month_day(day));
        let by_week = |rules: &Vec<DayRule>| rules.iter().any(|rule| rule.matches_weekday(day));
        self.months.contains(&day.month)
            && match (&self.month_days, &self.weekdays) {
                (None, None) => true,
                (Some(rules), None) => by_month(rules),
                (None, Some(rules)) => by_week(rules),
                (Some(days), Some(weekdays)) if self.both => by_month(days) && by_week(weekdays),
                (Some(days), Some(weekdays)) => by_month(days) || by_week(weekdays),
            }
    }

    /// The first minute after an instant that matches, and the last one before: minute by minute.
    fn around(&self, calendar: &[Day], instant: u64) -> (Option<u64>, Option<u64>) {
        let matches = |at: &u64| {
            let minute = at / MINUTE;
            self.minutes.contains(&u8::try_from(minute % 60).unwrap())
                && self.hours.contains(&u8::try_from(minute / 60 % 24).unwrap())
        };
        let minutes = |day: &Day| {
            (0..1_440).map({
                let start = day.number * DAY;
                move |minute| start + minute * MINUTE
            })
        };
        let today = usize::try_from(instant / DAY).unwrap();
        let next = calendar[today..].iter().filter(|day| self.matches_day(**day));
        let next = next.flat_map(minutes).find(|at| *at > instant && matches(at));
        let previous = calendar[..=today].iter().rev().filter(|day| self.matches_day(**day));
        let previous =
            previous.flat_map(|day| minutes(day).rev()).find(|at| *at < instant && matches(at));
        (next, previous)
    }
}

#[test]
fn random_expressions_fire_at_the_minutes_that_match() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("JOBQ_CRON_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("repeat with JOBQ_CRON_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let calendar = calendar();
    let mut never = 0;
    for _ in 0..number("JOBQ_CRON_CASES").unwrap_or(1_500) {
        let case = case(&mut random);
        let timing = match Schedule::cron(&case.text).timing() {
            Ok(timing) => timing,
            Err(fault) => {
                assert!(fault.to_string().contains("never fires"), "{fault}");
                assert!(!calendar.iter().any(|day| case.matches_day(*day)), "{}", case.text);
                never += 1;
                continue;
            }
        };
        for _ in 0..3 {
            // From 2000 on, with room before and after; half of them on a minute.
            let instant = 30 * 365 * DAY + random.u64(..20 * 365 * DAY);
            let instant = if random.bool() { instant } else { instant / MINUTE * MINUTE };
            let (next, previous) = case.around(&calendar, instant);
            let from = Timestamp::from_millis(instant);
            let told = |tick: Option<Timestamp>| tick.map(Timestamp::as_millis);
            assert_eq!(told(timing.next_after(from)), next, "next of {:?} after {from}", case.text);
            let before = told(timing.previous_before(from));
            assert_eq!(before, previous, "previous of {:?} before {from}", case.text);
        }
    }
    println!("{never} of them never fire");
}
