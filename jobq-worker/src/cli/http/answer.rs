//! What an answer means to a job, and when the server wants to be asked again.

use std::collections::VecDeque;
use std::time::Duration;

use jobq_core::backoff::Random;
use jobq_core::{Clock, Job, JobError, Timestamp};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;

use super::Http;

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// How much of the end of a body is kept, and how much of it is read at most.
const TAIL_BYTES: usize = 2 * 1024;
const READ_BYTES: usize = 1024 * 1024;

/// What becomes of a job whose request was answered so.
pub(super) fn verdict(what: &str, status: StatusCode, wait: Option<Duration>) -> JobError {
    let why = format!("{what} was answered by {status}");
    let may_change = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    match (may_change, wait) {
        (true, Some(wait)) => JobError::retry_after(wait, why),
        (true, None) => JobError::retry(why),
        (false, _) if status.is_redirection() => JobError::dead(format!(
            "{why}: it leads to another server or to what is not allowed, or on and on"
        )),
        (false, _) => JobError::dead(why),
    }
}

/// When a server wants to be asked again: in so many seconds, or at an instant. An hour at most.
pub(super) fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let wanted = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match wanted.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(wanted).ok()?;
            let since_epoch = at.duration_since(std::time::UNIX_EPOCH).ok()?;
            let at = Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).ok()?);
            at.since(clock.now())
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// How long the server is left alone: for as long as it asks, and never shorter than after an answer that asks for
/// nothing. A second each time would use all attempts up in a deployment of a minute.
pub(super) fn rest(wanted: Duration, attempt: u32, random: &mut dyn Random) -> Duration {
    wanted.max(Http::BACKOFF.delay(attempt, random))
}

/// The end of a body: of one that is long, or does not end in time, of what was read of it.
pub(super) async fn tail(mut answer: Response, end: Instant) -> String {
    let (mut kept, mut read) = (VecDeque::with_capacity(2 * TAIL_BYTES), 0);
    while read < READ_BYTES {
        let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(end, answer.chunk()).await else { break };
        read += chunk.len();
        kept.extend(&chunk[chunk.len().saturating_sub(TAIL_BYTES)..]);
        kept.drain(..kept.len().saturating_sub(TAIL_BYTES));
    }
    let text = String::from_utf8_lossy(kept.make_contiguous()).into_owned();
    // The first character may have been cut in two.
    text.trim_start_matches(char::REPLACEMENT_CHARACTER).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            // 1994-11-06T08:49:00Z
            Timestamp::from_millis(784_111_740_000)
        }
    }

    #[test]
    fn a_server_says_when_it_wants_to_be_asked_again() {
        let secs = |seconds| Some(Duration::from_secs(seconds));
        for (text, wait) in [
            ("7", secs(7)),
            (" 0 ", secs(0)),
            ("999999999999", secs(3_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", secs(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", secs(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", secs(3_600)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, &Still), wait, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), &Still), None);
    }

    #[test]
    fn a_server_that_asks_for_little_is_left_alone_for_the_backoff() {
        struct Most;
        impl Random for Most {
            fn unit(&mut self) -> f64 {
                1.0
            }
        }
        let backoff = Http::BACKOFF.delay(4, &mut Most);
        assert!(backoff > Duration::from_secs(1));

        assert_eq!(rest(Duration::ZERO, 4, &mut Most), backoff);
        assert_eq!(rest(Duration::from_secs(1), 4, &mut Most), backoff);
        let hour = Duration::from_secs(3_600);
        assert_eq!(rest(hour, 4, &mut Most), hour);
    }

    #[test]
    fn what_a_status_means() {
        let wait = Some(Duration::from_secs(9));
        for (status, said) in [
            (500, "GET at x was answered by 500 Internal Server Error (retry after 9s)"),
            (429, "GET at x was answered by 429 Too Many Requests (retry after 9s)"),
            (404, "GET at x was answered by 404 Not Found"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(verdict("GET at x", status, wait).to_string(), said);
        }
        let moved = verdict("GET at x", StatusCode::FOUND, None).to_string();
        assert!(moved.contains("leads to another server"), "{moved}");
    }
}
