//! A request's body, read field by field, so that each mistake has its own answer.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use program::{InputFault, shown};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The fields of a body that were not yet taken.
#[derive(Debug)]
pub struct Body(Map<String, Value>);

impl Body {
    /// Reads what has come.
    ///
    /// # Errors
    ///
    /// When it has not come as a whole, or is no JSON object.
    pub fn read(content: Result<Bytes, BytesRejection>) -> Result<Self, Refusal> {
        match serde_json::from_slice(&content?) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(malformed("the body is no JSON object").into()),
            Err(error) => Err(malformed(format!("the body is no JSON: {error}")).into()),
        }
    }

    /// A field that must be there.
    ///
    /// # Errors
    ///
    /// When it is not, or is not what is wanted.
    pub fn needed<T: FromStr<Err = InputFault>>(&mut self, name: &str) -> Result<T, InputFault> {
        self.optional(name)?.ok_or_else(|| missing(name))
    }

    /// A field that may be there, and not null.
    ///
    /// # Errors
    ///
    /// When it is not what is wanted.
    pub fn optional<T: FromStr<Err = InputFault>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, InputFault> {
        let text = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text,
            // The words of a number or of nonsense: what is read from them says what is wrong.
            Some(other) => other.to_string(),
        };
        text.parse().map(Some)
    }

    /// A text that must be there.
    ///
    /// # Errors
    ///
    /// When it is not, or is no text.
    pub fn text(&mut self, name: &str) -> Result<String, InputFault> {
        self.optional_text(name)?.ok_or_else(|| missing(name))
    }

    /// A text that may be there, and not null.
    ///
    /// # Errors
    ///
    /// When it is no text.
    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>, InputFault> {
        if self.0.contains_key(name) { self.text_or_null(name) } else { Ok(None) }
    }

    /// A field that must be there, a text or null.
    ///
    /// # Errors
    ///
    /// When it is neither.
    pub fn text_or_null(&mut self, name: &str) -> Result<Option<String>, InputFault> {
        match self.0.remove(name) {
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(no_text(name, &other.to_string())),
            None => Err(missing(name)),
        }
    }

    /// Refuses what was not taken: a misspelt field would otherwise do something else than was meant.
    ///
    /// # Errors
    ///
    /// When there is any.
    pub fn finish(self) -> Result<(), InputFault> {
        none_left(self.0.keys())
    }
}

/// That a body is no JSON object.
pub fn malformed(message: impl Into<String>) -> InputFault {
    InputFault::new("malformed_json", message)
}

/// That a field is missing.
#[must_use]
pub fn missing(name: &str) -> InputFault {
    InputFault::new("missing_field", format!("the body has no {name:?}"))
}

/// That a field is no text.
#[must_use]
pub fn no_text(name: &str, value: &str) -> InputFault {
    InputFault::new("malformed_field", format!("{name:?} is no text: {}", shown(value)))
}

/// Refuses fields that were not taken.
///
/// # Errors
///
/// When there is any.
pub fn none_left<'n>(mut names: impl Iterator<Item = &'n String>) -> Result<(), InputFault> {
    match names.next() {
        None => Ok(()),
        Some(name) => {
            Err(InputFault::new("unknown_field", format!("there is no field {:?}", shown(name))))
        }
    }
}
