//! How queues, sizes and durations are written on the command line.

use std::time::Duration;

use jobq_core::QueueName;

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
    let jobs: usize = jobs.parse().map_err(|_| wrong())?;
    if jobs == 0 {
        return Err(wrong());
    }
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

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|fault| format!("{text:?} is not a duration such as 90s or 2h: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
