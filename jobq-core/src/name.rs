//! Names that come from outside, checked once where they enter.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::text::as_text;

/// The longest name, in bytes. Long enough for `team.service.entity.action`, short enough for a key.
const MAX_LEN: usize = 100;

/// Why a name is refused, or `None` if it is fine.
///
/// The alphabet leaves out braces and colons, which have a meaning in backends' keys, and everything
/// that would need quoting in a shell.
const fn fault(name: &str) -> Option<&'static str> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Some("is empty");
    }
    if bytes.len() > MAX_LEN {
        return Some("is longer than 100 bytes");
    }
    if !bytes[0].is_ascii_alphanumeric() {
        return Some("must start with a letter or a digit");
    }
    let mut i = 0;
    while i < bytes.len() {
        if !(bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'.' | b'_' | b'-')) {
            return Some("may hold only ASCII letters, digits, '.', '_' and '-'");
        }
        i += 1;
    }
    None
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// 1 to 100 bytes of ASCII letters, digits, `.`, `_` and `-`, starting with a letter or a digit. With
        /// serde it is text, checked when it is read.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes over a name.
            ///
            /// # Errors
            ///
            /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the name breaks the rules above.
            pub fn new(name: impl AsRef<str>) -> Result<Self> {
                let name = name.as_ref();
                match fault(name) {
                    None => Ok(Self(Arc::from(name))),
                    Some(fault) => {
                        let shown: String = name.chars().take(MAX_LEN).collect();
                        Err(Error::invalid_input(format!(concat!($what, " {:?} {}"), shown, fault)))
                    }
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                Self::new(name)
            }
        }

        as_text!($name);
    };
}

name! {
    /// The name of a queue.
    QueueName, "queue name"
}

name! {
    /// The stable name of a job type: what a stored job is matched to its handler by.
    Kind, "kind"
}

name! {
    /// The name of a limit that several queues share.
    LimitName, "limit name"
}

name! {
    /// The name of a group of schedules: a service, or whatever is deployed as one.
    GroupName, "group name"
}

name! {
    /// The name of a schedule in its group.
    ScheduleName, "schedule name"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for name in ["default", "crm.sync", "send_welcome", "a-1", "7up", &"x".repeat(100)] {
            assert_eq!(QueueName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_would_break_a_key_or_a_shell_are_refused() {
        for name in ["", " ", "a b", "a:b", "{a}", "a/b", "é", ".a", "-a", &"x".repeat(101)] {
            let error = Kind::new(name).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_name_and_the_rule() {
        let error = QueueName::new("crm:sync").unwrap_err();
        assert_eq!(
            error.to_string(),
            "queue name \"crm:sync\" may hold only ASCII letters, digits, '.', '_' and '-'"
        );
    }
}
