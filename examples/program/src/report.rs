//! What is printed on stdout.

use std::io::{self, Write};

use serde::Serialize;

/// Prints one line; a reader that has gone away is not an error.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a value as one line of JSON. For records of texts and numbers, which always have a JSON form.
pub fn json(value: &impl Serialize) {
    line(&serde_json::to_string(value).unwrap_or_default());
}

/// `12465` as `12,465`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1_000, 12_465, 1_000_000].map(grouped),
            ["0", "999", "1,000", "12,465", "1,000,000"]
        );
    }
}
