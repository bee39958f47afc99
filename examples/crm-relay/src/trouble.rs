//! Why a delivery failed, and what is to be done about it.
//!
//! | class | when | again |
//! | --- | --- | --- |
//! | `no_active_integration` | nobody has said where the messages of the destination go | after a while, without an attempt |
//! | `connection_refused` | nobody listens there | after the backoff |
//! | `unreachable` | no such host, no route, no trust in its certificate | after the backoff |
//! | `connection_lost` | the connection broke before there was an answer | after the backoff |
//! | `timeout` | no connection, or no answer, in time | after the backoff |
//! | `http_429`, `http_503` | the receiver wants to be left alone | after its `Retry-After`, and not before the backoff |
//! | `http_408`, `http_425`, `http_5xx` | the receiver cannot, for now | after the backoff |
//! | `http_3xx` | the receiver wants it elsewhere | never: a signed message goes where it was agreed on |
//! | `http_4xx` | the receiver will not | never |

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

/// Why a delivery failed. `last_error` begins with its class, and a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    class: Class,
    message: String,
    /// What the receiver has said about it: for the row alone, it may be anything.
    says: String,
    pub(crate) again: Again,
}

/// The sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    NoActiveIntegration,
    ConnectionRefused,
    Unreachable,
    ConnectionLost,
    Timeout,
    Http(StatusCode),
}

/// When it is worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// After the backoff.
    Later,
    /// When the receiver wants it, and not before the backoff.
    After(Duration),
    /// Once somebody has done something about it.
    Waiting,
    Never,
}

impl Trouble {
    /// It without what the receiver has said: for the log, and for the job.
    pub(crate) fn brief(&self) -> String {
        format!("{}: {}", self.class, self.message)
    }

    pub(crate) fn no_active_integration(destination: &str) -> Self {
        let message = format!(
            "nobody has said where messages to {destination:?} go: see `crm-relay integrations`"
        );
        Self {
            class: Class::NoActiveIntegration,
            message,
            says: String::new(),
            again: Again::Waiting,
        }
    }

    /// Of a request that was not answered.
    pub(crate) fn unanswered(error: reqwest::Error, timeout: Duration) -> Self {
        // Without the address, which may hold a key.
        let error = error.without_url();
        let class = if error.is_timeout() {
            Class::Timeout
        } else if is_refused(&error) {
            Class::ConnectionRefused
        } else if error.is_connect() || error.is_builder() {
            Class::Unreachable
        } else {
            Class::ConnectionLost
        };
        let message = match class {
            Class::Timeout => format!("no answer within {timeout:?}"),
            Class::ConnectionRefused => "nobody listens at the webhook's address".to_owned(),
            _ => innermost(&error),
        };
        Self { class, message, says: String::new(), again: Again::Later }
    }

    /// Of an answer other than success: what its body begins with, and what it asks for.
    pub(crate) fn refused(status: StatusCode, says: &str, wanted: Option<Duration>) -> Self {
        let message = match status.is_redirection() {
            true => format!(
                "the receiver answered {status}: put the new address into the integration, redirects are \
                 not followed"
            ),
            false => format!("the receiver answered {status}"),
        };
        let may_change = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
            );
        let is_asking =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let again = match wanted {
            _ if !may_change => Again::Never,
            Some(wanted) if is_asking => Again::After(wanted),
            _ => Again::Later,
        };
        Self { class: Class::Http(status), message, says: says.to_owned(), again }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoActiveIntegration => f.write_str("no_active_integration"),
            Self::ConnectionRefused => f.write_str("connection_refused"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::ConnectionLost => f.write_str("connection_lost"),
            Self::Timeout => f.write_str("timeout"),
            Self::Http(status) => write!(f, "http_{}", status.as_u16()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)?;
        if self.says.is_empty() { Ok(()) } else { write!(f, ": {}", self.says) }
    }
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What is at the bottom of an error: the layers above only say that there is one.
fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let wanted = Some(Duration::from_secs(7));
        let after = Again::After(Duration::from_secs(7));
        for (status, again) in [
            (400, Again::Never),
            (401, Again::Never),
            (404, Again::Never),
            (408, Again::Later),
            (410, Again::Never),
            (422, Again::Never),
            (425, Again::Later),
            (429, after),
            (500, Again::Later),
            (502, Again::Later),
            (503, after),
            (301, Again::Never),
            (307, Again::Never),
        ] {
            let code = StatusCode::from_u16(status).unwrap();
            let trouble = Trouble::refused(code, "no", wanted);
            assert_eq!(trouble.again, again, "{status}");
            assert!(trouble.to_string().starts_with(&format!("http_{status}: ")), "{trouble}");
        }
        let refused = Trouble::refused(StatusCode::BAD_REQUEST, "hunter2", None);
        assert!(refused.to_string().ends_with(": hunter2"));
        assert!(!refused.brief().contains("hunter2"));
        let unasked = Trouble::refused(StatusCode::TOO_MANY_REQUESTS, "", None);
        assert_eq!(unasked.again, Again::Later);
        assert_eq!(unasked.to_string(), "http_429: the receiver answered 429 Too Many Requests");
    }
}
