//! How queues, sizes and durations are written on the command line.

use std::collections::HashSet;
use std::time::Duration;

use jobq_core::{Breaker, JobId, OnParentFailure, Priority, QueueName, UniqueKey, UniqueMode};

use super::named::Named;
use super::nearest;
use super::numbers::within;
use crate::config::MAX_LEASE;

/// A queue, perhaps with its weight or its limit: `import` or `import=3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueueSpec {
    pub(super) name: String,
    pub(super) number: Option<u32>,
}

pub(super) fn queue_spec(text: &str) -> Result<QueueSpec, String> {
    let (name, number) = match text.split_once('=') {
        None => (text, None),
        Some((name, number)) => {
            let number: u32 = number.parse().map_err(|_| {
                format!("{number:?} is no number: write a queue as `mail`, or as `mail=3`")
            })?;
            if number == 0 {
                return Err(format!("the weight of queue {name:?} must be 1 or more"));
            }
            (name, Some(number))
        }
    };
    let name = queue_name(name)?.to_string();
    Ok(QueueSpec { name, number })
}

/// A queue and how many of its jobs run at once: `import=3`.
pub(super) fn queue_limit(text: &str) -> Result<(String, usize), String> {
    let wrong = || format!("{text:?} is no queue with its number of jobs, such as import=3");
    let (name, jobs) = text.split_once('=').ok_or_else(wrong)?;
    let jobs = within(1, MOST_AT_ONCE)(jobs).map_err(|_| wrong())?;
    Ok((queue_name(name)?.to_string(), jobs))
}

pub(super) fn queue_name(text: &str) -> Result<QueueName, String> {
    QueueName::new(text).map_err(|fault| fault.to_string())
}

/// Bytes: `1048576`, `512M`, `2G`; K, M and G count in 1024.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size such as 512M or 2G");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// How many jobs one worker runs at once, at most: beyond it no machine is faster.
pub(super) const MOST_AT_ONCE: u64 = 100_000;

/// Refuses a list that names a queue twice.
pub(super) fn each_queue_once<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let mut seen = HashSet::new();
    match names.into_iter().find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(format!("queue {name:?} is named twice")),
    }
}

/// What people see a worker as.
pub(super) fn worker_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("the name is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// How long an attempt may take.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no job could end in time".to_owned()),
        timeout => Ok(timeout),
    }
}

/// A retention, which is kept in whole seconds.
pub(super) fn retention(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time.subsec_nanos() == 0 => Ok(time),
        _ => Err(format!("{text:?} is no whole number of seconds, in which a retention is kept")),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit: write {text}s"));
    }
    jobq_core::duration::parse(text).map_err(|fault| fault.to_string())
}

/// The shortest lease for people: a shorter one runs out on a machine that is busy for a moment, again and again,
/// until its jobs are dead.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// How long a lease lasts.
pub(super) fn lease(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        lease if lease < SHORTEST_LEASE => Err(format!(
            "a lease of {text} is too short: a busy machine would lose its jobs to other workers; give 1s or more"
        )),
        lease if lease > MAX_LEASE => {
            let most = jobq_core::duration::text(MAX_LEASE);
            Err(format!(
                "a lease of {text} is too long: nobody would notice that a worker has died; {most} at most"
            ))
        }
        lease => Ok(lease),
    }
}

/// How often a job is tried: as often as can be kept.
pub(super) fn attempts(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(attempts @ 1..=65_535) => Ok(attempts),
        _ => Err(format!("{text:?} is not how often a job can be tried: 1 to 65535")),
    }
}

/// 0 to 15, higher first.
pub(super) fn priority(text: &str) -> Result<Priority, String> {
    let level = text.parse().map_err(|_| format!("{text:?} is not a priority: 0 to 15"))?;
    Priority::new(level).map_err(|fault| fault.to_string())
}

/// Failures in a row, and the rest after them: `5/30s`.
pub(super) fn breaker(text: &str) -> Result<Breaker, String> {
    let wrong = || {
        let rule = "failures in a row, and the rest after them";
        format!("{text:?} is not a breaker, such as \"5/30s\": {rule}")
    };
    let (failures, rest) = text.split_once('/').ok_or_else(wrong)?;
    let failures = failures.trim().parse().map_err(|_| wrong())?;
    let rest = duration(rest.trim()).map_err(|_| wrong())?;
    Ok(Breaker::new(failures, rest))
}

pub(super) fn unique_key(text: &str) -> Result<UniqueKey, String> {
    text.parse().map_err(|_| {
        let hint = "to have it computed say --kind and --fields";
        format!("{text:?} is not a unique key of 32 hexadecimal digits: {hint}")
    })
}

const MODES: [&str; 6] =
    ["until_finished", "until_started", "while_running", "throttle", "debounce", "latest_wins"];

/// As in `#[job(unique_mode = "…")]`: `until_started`, `throttle(10m)`, `debounce(30s..5m)`.
pub(super) fn unique_mode(text: &str) -> Result<UniqueMode, String> {
    let (word, times) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        None => (text, None),
        Some((word, times)) => (word, Some(times)),
    };
    Ok(match (word, times) {
        ("until_finished", None) => UniqueMode::UntilFinished,
        ("until_started", None) => UniqueMode::UntilStarted,
        ("while_running", None) => UniqueMode::WhileRunning,
        ("latest_wins", None) => UniqueMode::LatestWins,
        ("throttle", Some(per)) => UniqueMode::Throttle { per: duration(per)? },
        ("debounce", Some(times)) => match times.split_once("..") {
            None => UniqueMode::Debounce { delay: duration(times)?, at_most: None },
            Some((delay, at_most)) => {
                UniqueMode::Debounce { delay: duration(delay)?, at_most: Some(duration(at_most)?) }
            }
        },
        ("throttle" | "debounce", None) => {
            return Err(format!("{text:?} takes a time, such as {text}(30s)"));
        }
        (word, Some(_)) if MODES.contains(&word) => {
            return Err(format!("{word:?} takes no time"));
        }
        (word, _) => {
            return Err(format!("{word:?} is not a unique mode: {}", nearest::hint(word, &MODES)));
        }
    })
}

const POLICIES: [&str; 3] = ["fail", "skip", "continue"];

pub(super) fn on_parent_failure(text: &str) -> Result<OnParentFailure, String> {
    match text {
        "fail" => Ok(OnParentFailure::Fail),
        "skip" => Ok(OnParentFailure::Skip),
        "continue" => Ok(OnParentFailure::Continue),
        other => Err(format!("{other:?} is no policy: {}", nearest::hint(other, &POLICIES))),
    }
}

/// What a job comes after: a time, or the end of another job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    Delay(Duration),
    Job(Named<JobId>),
}

pub(super) fn after(text: &str) -> Result<After, String> {
    if let Ok(job) = text.parse() {
        return Ok(After::Job(job));
    }
    let neither =
        || format!("{text:?} is neither a duration, such as 90s or 1h30m, nor the id of a job");
    duration(text).map(After::Delay).map_err(|_| neither())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_tried_as_often_as_can_be_kept() {
        assert_eq!((attempts("1"), attempts("65535")), (Ok(1), Ok(65_535)));
        for text in ["0", "65536", "4294967296", "-1", "x", ""] {
            assert!(attempts(text).unwrap_err().ends_with("1 to 65535"), "{text}");
        }
    }

    #[test]
    fn a_time_that_no_worker_could_keep_is_refused() {
        for (read, text, why) in [
            (
                duration as fn(&str) -> Result<Duration, String>,
                "60",
                "\"60\" has no unit: write 60s",
            ),
            (timeout, "0s", "no job could end in time"),
            (lease, "1ms", "a lease of 1ms is too short"),
            (lease, "1000d", "a lease of 1000d is too long"),
            (
                retention,
                "1500ms",
                "\"1500ms\" is no whole number of seconds, in which a retention is kept",
            ),
        ] {
            let refusal = read(text).unwrap_err();
            assert!(refusal.starts_with(why), "{refusal}");
        }
        let secs = Duration::from_secs;
        assert_eq!(
            (timeout("1s"), lease("10s"), retention("2m")),
            (Ok(secs(1)), Ok(secs(10)), Ok(secs(120)))
        );
    }

    #[test]
    fn a_queue_is_named_once() {
        let names = ["a", "b", "a"].map(str::to_owned);
        assert_eq!(each_queue_once(names[..2].iter()), Ok(()));
        assert_eq!(each_queue_once(names.iter()).unwrap_err(), "queue \"a\" is named twice");
    }

    #[test]
    fn sizes_have_units() {
        for (text, size) in
            [("1048576", 1 << 20), ("512M", 512 << 20), ("2g", 2 << 30), ("3KiB", 3072)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "M", "-1", "1T", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_breaker_has_a_number_and_a_rest() {
        assert_eq!(breaker("5/30s"), Ok(Breaker::new(5, Duration::from_secs(30))));
        for text in ["", "5", "/30s", "5/", "-1/30s", "5/30", "30s/5"] {
            let refusal = breaker(text).unwrap_err();
            assert!(refusal.contains("is not a breaker"), "{refusal}");
        }
    }

    #[test]
    fn unique_modes_are_written_as_in_the_derive() {
        let secs = Duration::from_secs;
        let debounce = |at_most| UniqueMode::Debounce { delay: secs(30), at_most };
        for (text, mode) in [
            ("until_finished", UniqueMode::UntilFinished),
            ("until_started", UniqueMode::UntilStarted),
            ("while_running", UniqueMode::WhileRunning),
            ("latest_wins", UniqueMode::LatestWins),
            ("throttle(10m)", UniqueMode::Throttle { per: secs(600) }),
            ("debounce(30s)", debounce(None)),
            ("debounce(30s..5m)", debounce(Some(secs(300)))),
        ] {
            assert_eq!(unique_mode(text), Ok(mode));
        }
        for (text, why) in [
            ("until_start", "did you mean \"until_started\"?"),
            ("forever", "there are until_finished, "),
            ("throttle", "takes a time"),
            ("throttle(soon)", "is not a duration"),
            ("latest_wins(1s)", "takes no time"),
        ] {
            let refusal = unique_mode(text).unwrap_err();
            assert!(refusal.contains(why), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_job_comes_after_a_time_or_another_job() {
        let id = JobId::from_key("x");
        assert_eq!(after("90s"), Ok(After::Delay(Duration::from_secs(90))));
        assert_eq!(after(&id.to_string()), Ok(After::Job(Named { queue: None, id })));
        let queue = Some(QueueName::new("crm").unwrap());
        assert_eq!(after(&format!("crm/{id}")), Ok(After::Job(Named { queue, id })));
        assert!(after("soon").unwrap_err().contains("neither a duration"));
    }

    #[test]
    fn a_lease_lasts_for_a_second_at_least() {
        assert_eq!(lease("1s"), Ok(Duration::from_secs(1)));
        let refusal = lease("100ms").unwrap_err();
        assert!(refusal.ends_with("give 1s or more"), "{refusal}");
        assert!(lease("soon").is_err());
    }

    #[test]
    fn a_limit_has_a_queue_and_a_number() {
        assert_eq!(queue_limit("mail=3"), Ok(("mail".to_owned(), 3)));
        for text in ["", "mail", "mail=", "mail=0", "=3", "mail=x"] {
            assert!(queue_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_queue_may_have_a_number() {
        let spec = |name: &str, number| Ok(QueueSpec { name: name.into(), number });
        assert_eq!(queue_spec("mail"), spec("mail", None));
        assert_eq!(queue_spec("mail=3"), spec("mail", Some(3)));
        for text in ["", "=3", "mail=", "mail=x", "mail=0", "ma il"] {
            assert!(queue_spec(text).is_err(), "{text}");
        }
    }
}
