//! Whether two messages say the same: one that is sent again may have been written anew.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Deeper than that, texts are compared letter by letter.
const DEEPEST: u32 = 64;

/// Whether two texts of JSON say the same: spaces and the order of fields aside, and numbers digit by digit,
/// since two that are not the same may well be rounded to one.
pub(crate) fn same_data(a: &str, b: &str) -> bool {
    same(a, b, 0)
}

fn same(a: &str, b: &str, depth: u32) -> bool {
    if a == b {
        return true;
    }
    if depth > DEEPEST {
        return false;
    }
    match (read::<BTreeMap<String, &RawValue>>(a), read::<BTreeMap<String, &RawValue>>(b)) {
        (Some(a), Some(b)) => {
            return a.len() == b.len()
                && a.iter().zip(&b).all(|((name, a), (other, b))| {
                    name == other && same(a.get(), b.get(), depth + 1)
                });
        }
        (None, None) => {}
        _ => return false,
    }
    if let (Some(a), Some(b)) = (read::<Vec<&RawValue>>(a), read::<Vec<&RawValue>>(b)) {
        let mut pairs = a.iter().zip(&b);
        return a.len() == b.len() && pairs.all(|(a, b)| same(a.get(), b.get(), depth + 1));
    }
    match (read::<String>(a), read::<String>(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn read<'t, T: serde::Deserialize<'t>>(text: &'t str) -> Option<T> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_anew_is_the_same() {
        for (a, b, is_same) in [
            (r#"{"a": 1, "b": [true, null]}"#, r#"{"b":[true,null],"a":1}"#, true),
            (r#"{"name": "\u00fc"}"#, r#"{"name":"ü"}"#, true),
            (r#"{"n": 12345678901234567890123}"#, r#"{"n": 12345678901234567890124}"#, false),
            (r#"{"n": 1}"#, r#"{"n": "1"}"#, false),
            (r#"{"n": 1}"#, r#"{"n": 1, "m": 1}"#, false),
            (r#"{"n": [1, 2]}"#, r#"{"n": [2, 1]}"#, false),
            (r#"{"n": {}}"#, r#"{"n": []}"#, false),
        ] {
            assert_eq!(same_data(a, b), is_same, "{a} {b}");
        }
        let deep = |end| format!("{}{end}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(!same_data(&deep("1"), &deep("2")));
    }
}
