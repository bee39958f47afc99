//! What goes first within a queue.

use std::fmt;

use crate::error::{Error, Result};

/// A priority from 0 to 15: **higher goes first**, the default is 0. Jobs of one priority run in the
/// order in which they became ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// What a job has unless it says otherwise.
    pub const DEFAULT: Self = Self(0);
    /// The priority that goes first.
    pub const HIGHEST: Self = Self(15);

    /// The priority with this number.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) above 15.
    pub fn new(level: u8) -> Result<Self> {
        if level <= Self::HIGHEST.0 {
            Ok(Self(level))
        } else {
            Err(Error::invalid_input(format!("priority {level} is above the highest, 15")))
        }
    }

    /// The priority with this number, for constants.
    ///
    /// # Panics
    ///
    /// Above 15; in a constant that is a compile error.
    #[must_use]
    pub const fn constant(level: u8) -> Self {
        assert!(level <= 15, "a priority is 0 to 15");
        Self(level)
    }

    /// The priority as a number.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
