//! A value of the wrong type, which serde names as Rust does, in the words of who wrote it.

use std::borrow::Cow;

use super::output;

/// How much of a value is shown.
const SHOWN: usize = 60;

/// What serde says of a value that does not fit; `None` for anything else it says. What has keys is called
/// differently in TOML and in JSON.
pub(super) fn in_words(message: &str, with_keys: &str) -> Option<String> {
    let fault = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| message.strip_prefix(start))?;
    let (found, expected) = fault.rsplit_once(", expected ")?;
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let kind = match kind {
        "sequence" => "list",
        "map" => with_keys,
        "integer" | "floating" => "number",
        "string" => "text",
        "boolean" => "",
        kind => kind,
    };
    let value = value.strip_prefix("point ").unwrap_or(value);
    let value = output::one_line(value.strip_suffix(" as i128").unwrap_or(value), SHOWN);
    let found = format!("{kind} {value}");
    Some(format!("{} is expected, not {}", of_type(expected, with_keys), found.trim()))
}

fn of_type<'a>(expected: &'a str, with_keys: &str) -> Cow<'a, str> {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a sequence" => "a list, such as [\"a\", \"b\"],".into(),
        "a string" => "a text in quotes".into(),
        "a boolean" => "true or false".into(),
        other if other == "a map" || other.starts_with("struct ") => match with_keys {
            "object" => "an object".into(),
            other => format!("a {other}").into(),
        },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_and_what_is_expected_change_their_places() {
        for (message, told) in [
            (
                "invalid type: integer `7`, expected a string",
                "a text in quotes is expected, not number `7`",
            ),
            ("invalid type: map, expected u32", "a whole number from 0 on is expected, not table"),
            (
                "invalid type: boolean `true`, expected a string",
                "a text in quotes is expected, not `true`",
            ),
            (
                "invalid type: floating point `1.5`, expected u8",
                "a whole number from 0 on is expected, not number `1.5`",
            ),
            (
                "invalid value: integer `99999999999999999999` as i128, expected i64",
                "a whole number is expected, not number `99999999999999999999`",
            ),
        ] {
            assert_eq!(in_words(message, "table").as_deref(), Some(told));
        }
        let long = format!("invalid type: string \"{}\", expected a map", "x".repeat(500));
        let told = in_words(&long, "object").unwrap();
        assert!(told.starts_with("an object is expected, not text \"xxx"), "{told}");
        assert!(told.len() < 130 && told.ends_with('…'), "{told}");
        assert_eq!(in_words("extra `=`, expected nothing", "table"), None);
    }
}
