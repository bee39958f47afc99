//! A row, by the numbers of its columns.

use crate::value::Value;

/// A row that a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(pub(crate) Vec<Value>);

impl Record {
    /// The text in a column; `None` for NULL.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text in a column, taken over; empty for NULL.
    #[must_use]
    pub fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    /// The number in a column; `None` for NULL.
    #[must_use]
    pub fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The count or time in a column; `None` for NULL.
    #[must_use]
    pub fn uint(&self, column: usize) -> Option<u64> {
        self.int(column).and_then(|number| u64::try_from(number).ok())
    }

    /// The count or time in a column; 0 for NULL, as of a sum over nothing.
    #[must_use]
    pub fn count(&self, column: usize) -> u64 {
        self.uint(column).unwrap_or(0)
    }

    /// The truth in a column; false for NULL.
    #[must_use]
    pub fn is_true(&self, column: usize) -> bool {
        self.int(column).is_some_and(|number| number != 0)
    }
}
