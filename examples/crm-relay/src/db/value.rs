//! What goes into a database, and what comes out of it.

/// A value on its way into the database, or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<u64> for Value {
    /// Counts and times: none of them comes near the limit.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Values for the question marks of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::value::Value::from($value)),*] };
}
pub(crate) use values;

/// A row that a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record(pub(crate) Vec<Value>);

impl Record {
    /// The text in a column; `None` for NULL.
    pub(crate) fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text in a column, taken over; empty for NULL.
    pub(crate) fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    /// The number in a column; `None` for NULL.
    pub(crate) fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The count or time in a column; `None` for NULL.
    pub(crate) fn uint(&self, column: usize) -> Option<u64> {
        self.int(column).and_then(|number| u64::try_from(number).ok())
    }

    /// The count or time in a column; 0 for NULL.
    pub(crate) fn count(&self, column: usize) -> u64 {
        self.uint(column).unwrap_or(0)
    }

    /// The truth in a column; false for NULL.
    pub(crate) fn is_true(&self, column: usize) -> bool {
        self.int(column).is_some_and(|number| number != 0)
    }
}
