//! What is kept in step with the CRM, and which way.

use std::fmt;
use std::str::FromStr;

use program::{InputFault, shown};
use serde::{Deserialize, Serialize};

/// A sort of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a provider must have a word for each")]
pub enum Entity {
    /// Somebody who buys.
    Customer,
    /// Something that is sold.
    Product,
    /// A purchase by a customer.
    Sale,
    /// A call, a visit or a letter.
    Activity,
}

impl Entity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Customer, Self::Product, Self::Sale, Self::Activity];

    /// The word for it in tables, on the command line and over HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Product => "product",
            Self::Sale => "sale",
            Self::Activity => "activity",
        }
    }

    /// The priority of a record of this sort that is synced for no particular reason.
    #[must_use]
    pub const fn priority(self) -> u8 {
        match self {
            Self::Sale | Self::Activity => 10,
            Self::Customer => 5,
            Self::Product => 2,
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Entity {
    type Err = InputFault;

    fn from_str(text: &str) -> Result<Self, InputFault> {
        Self::ALL.into_iter().find(|entity| entity.as_str() == text).ok_or_else(|| {
            InputFault::new(
                "unknown_entity",
                format!(
                    "there is no entity {:?}: customer, product, sale or activity",
                    shown(text)
                ),
            )
        })
    }
}

/// Which way a record is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "there are two ways")]
pub enum Direction {
    /// What we know goes to the CRM.
    ToCrm,
    /// What the CRM knows comes to us.
    FromCrm,
}

impl Direction {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::ToCrm, Self::FromCrm];

    /// The word for it in tables, on the command line and over HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToCrm => "to_crm",
            Self::FromCrm => "from_crm",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Direction {
    type Err = InputFault;

    fn from_str(text: &str) -> Result<Self, InputFault> {
        Self::ALL.into_iter().find(|direction| direction.as_str() == text).ok_or_else(|| {
            InputFault::new(
                "unknown_direction",
                format!("there is no direction {:?}: to_crm or from_crm", shown(text)),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for entity in Entity::ALL {
            assert_eq!(entity.as_str().parse(), Ok(entity));
        }
        for direction in Direction::ALL {
            assert_eq!(direction.as_str().parse(), Ok(direction));
        }
    }

    #[test]
    fn other_words_are_refused_with_a_code() {
        assert_eq!("client".parse::<Entity>().unwrap_err().code(), "unknown_entity");
        assert_eq!("Customer".parse::<Entity>().unwrap_err().code(), "unknown_entity");
        assert_eq!("up".parse::<Direction>().unwrap_err().code(), "unknown_direction");
    }
}
