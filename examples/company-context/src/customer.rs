//! A customer, and what a caller may say of one.

use std::fmt;
use std::str::FromStr;

use program::{InputFault, shown};
use serde::{Deserialize, Serialize};

/// How long a customer's name may be, in characters.
pub const MAX_NAME: usize = 200;
/// How long a customer's text may be, in characters, and what a model makes of it.
pub const MAX_TEXT: usize = 100_000;

/// The number of a customer, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(i64);

impl CustomerId {
    /// A customer's number; `None` below 1.
    #[must_use]
    pub const fn new(number: i64) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CustomerId {
    type Err = InputFault;

    fn from_str(text: &str) -> Result<Self, InputFault> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            let message = format!("{:?} is no number of a customer: 1 or more", shown(text));
            InputFault::new("invalid_customer", message)
        })
    }
}

/// What has become of a customer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "each has its word in the database")]
pub enum ContextStatus {
    /// The context is the original text, and the model is to condense it.
    Pending,
    /// The context is what the model made of the text.
    Condensed,
    /// The context is the original text for good: the model could not condense it.
    Kept,
}

impl ContextStatus {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Condensed => "condensed",
            Self::Kept => "kept",
        }
    }

    /// Reads the word for it.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        [Self::Pending, Self::Condensed, Self::Kept].into_iter().find(|it| it.as_str() == word)
    }
}

/// A customer as the database has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Customer {
    /// The number.
    pub id: CustomerId,
    /// The name.
    pub name: String,
    /// What was written of the customer. The model changes nothing here.
    pub original_text: String,
    /// What is used of it: the original text, or what the model made of it.
    pub company_context: String,
    /// Which of the two.
    pub context_status: ContextStatus,
    /// Why the original text was kept.
    pub last_error: Option<String>,
    /// Grows with every change of the original text.
    pub revision: i64,
}

impl Customer {
    /// Which text of the customer this is.
    #[must_use]
    pub const fn text(&self) -> TextId {
        TextId { customer: self.id, revision: self.revision }
    }
}

/// One text of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain pair")]
pub struct TextId {
    /// Whose text it is.
    pub customer: CustomerId,
    /// Which text of the customer: each edit has a number of its own.
    pub revision: i64,
}

/// A customer's name, checked.
///
/// # Errors
///
/// `empty_name`, `name_too_long`, `invalid_name`.
pub fn check_name(name: &str) -> Result<String, InputFault> {
    let name = name.trim();
    if name.is_empty() {
        return Err(InputFault::new("empty_name", "the name is empty"));
    }
    if name.chars().count() > MAX_NAME {
        let message = format!("the name is longer than {MAX_NAME} characters");
        return Err(InputFault::new("name_too_long", message));
    }
    if name.chars().any(char::is_control) {
        return Err(InputFault::new("invalid_name", "the name holds a control character"));
    }
    Ok(name.to_owned())
}

/// A customer's text, checked. It is kept to the letter.
///
/// # Errors
///
/// `empty_text`, `text_too_long`, `invalid_text`.
pub fn check_text(text: &str) -> Result<String, InputFault> {
    if text.trim().is_empty() {
        return Err(InputFault::new(
            "empty_text",
            "the text is empty: there is nothing to condense",
        ));
    }
    if text.chars().count() > MAX_TEXT {
        let message = format!("the text is longer than {MAX_TEXT} characters");
        return Err(InputFault::new("text_too_long", message));
    }
    // Databases differ in what they do with it.
    if text.contains('\0') {
        return Err(InputFault::new("invalid_text", "the text holds a NUL character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_counted_in_characters() {
        let code = |checked: Result<String, InputFault>| checked.map_err(|fault| fault.code());

        assert!(check_name(&"ż".repeat(MAX_NAME)).is_ok());
        assert_eq!(code(check_name(&"ż".repeat(MAX_NAME + 1))), Err("name_too_long"));
        assert_eq!(code(check_name(" \n")), Err("empty_name"));
        assert_eq!(code(check_name("a\u{7}b")), Err("invalid_name"));
        assert!(check_text(&"🦀".repeat(MAX_TEXT)).is_ok());
        assert_eq!(code(check_text(&"x".repeat(MAX_TEXT + 1))), Err("text_too_long"));
        assert_eq!(code(check_text("\t")), Err("empty_text"));
        assert_eq!(code(check_text("a\0b")), Err("invalid_text"));
        assert_eq!(check_text(" as it is ").unwrap(), " as it is ");
    }

    #[test]
    fn a_number_is_read_or_refused() {
        assert_eq!("7".parse::<CustomerId>().unwrap().as_i64(), 7);
        for text in ["0", "-1", "1.5", "x", "", "9223372036854775808"] {
            assert_eq!(
                text.parse::<CustomerId>().unwrap_err().code(),
                "invalid_customer",
                "{text}"
            );
        }
    }
}
