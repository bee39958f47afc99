//! For how long a receiver asks to be left alone.

use std::time::{Duration, UNIX_EPOCH};

use jobq_core::Timestamp;

/// What a `Retry-After` asks for, seen from `now`; `None` if it is neither seconds nor a date of HTTP.
#[must_use]
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there are is a long time all the same.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Some(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    const THEN: u64 = 784_111_777_000;

    #[test]
    fn seconds_are_read() {
        let read = |text| retry_after(text, Timestamp::EPOCH);

        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn all_three_forms_of_a_date_are_read() {
        let now = Timestamp::from_millis(THEN - 90_000);

        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)), "{date}");
            let later = Timestamp::from_millis(THEN + 1);
            assert_eq!(retry_after(date, later), Some(Duration::ZERO), "{date}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(retry_after(text, Timestamp::EPOCH), None, "{text:?}");
        }
    }
}
