//! One form for all JSON texts that mean the same.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::text::json_fault;

/// How deep values may be nested in each other: as deep as serde_json reads them.
const MAX_DEPTH: usize = 128;

/// Beyond this, not every whole number is a float.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// A text that is the same for two JSON texts if and only if they mean the same: whatever their spacing,
/// the order of their fields, the way in which they write letters, and numbers. It is not JSON itself.
///
/// # Errors
///
/// What is wrong with the text, in words.
pub(crate) fn canonical(json: &str) -> Result<String, String> {
    let mut form = String::with_capacity(json.len());
    let value: &RawValue = serde_json::from_str(json).map_err(|fault| json_fault(json, &fault))?;
    write(value, &mut form, 0)?;
    Ok(form)
}

fn write(value: &RawValue, form: &mut String, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("values are nested more than {MAX_DEPTH} deep"));
    }
    let text = value.get().trim();
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = read(text)?;
            form.push('{');
            for (name, value) in fields {
                write_text(&name, form)?;
                form.push(':');
                write(value, form, depth + 1)?;
                form.push(',');
            }
            form.push('}');
        }
        Some(b'[') => {
            let values: Vec<&RawValue> = read(text)?;
            form.push('[');
            for value in values {
                write(value, form, depth + 1)?;
                form.push(',');
            }
            form.push(']');
        }
        Some(b'"') => write_text(&read::<String>(text)?, form)?,
        Some(b'-' | b'0'..=b'9') => write_number(text, form)?,
        _ => form.push_str(text),
    }
    Ok(())
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|fault| fault.to_string())
}

fn write_text(text: &str, form: &mut String) -> Result<(), String> {
    form.push_str(&serde_json::to_string(text).map_err(|fault| fault.to_string())?);
    Ok(())
}

/// A whole number by its digits, however it is written and however large; any other by the bits of the
/// nearest float, which no formatting can change.
fn write_number(text: &str, form: &mut String) -> Result<(), String> {
    let is_whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_whole(text) {
        form.push_str(if text == "-0" { "0" } else { text });
        return Ok(());
    }
    let number: f64 = text.parse().map_err(|_| format!("{text} is no number"))?;
    if number.fract() == 0.0 && number.abs() < MAX_WHOLE {
        // Adding 0 takes the sign off -0.
        form.push_str(&format!("{:.0}", number + 0.0));
    } else {
        form.push_str(&format!("f{:016x}", number.to_bits()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_has_one_form() {
        for same in [
            &[r#"{"a":1,"b":[2,3]}"#, " { \"b\" : [ 2 , 3 ], \"a\" : 1 } "] as &[_],
            &["1", "1.0", "10e-1", "1e0", "0.1e1"],
            &["0", "-0", "-0.0", "0e5"],
            &["-7", "-7.0"],
            &["0.1", "1e-1", "0.10"],
            &[r#""A/\n""#, r#""\u0041\/\u000a""#],
            &["18446744073709551616", " 18446744073709551616"],
            &[r#"{"a":1}"#, r#"{"a":2,"a":1}"#],
            &["null"],
            &["[]", "[ ]"],
        ] {
            let forms: Vec<_> = same.iter().map(|json| canonical(json).unwrap()).collect();
            assert!(forms.iter().all(|form| *form == forms[0]), "{same:?}: {forms:?}");
        }
    }

    #[test]
    fn what_differs_has_forms_that_differ() {
        let texts = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "1.5",
            "\"\"",
            "\"1\"",
            "\"null\"",
            "[]",
            "{}",
            "[[]]",
            "[1]",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[12]",
            "[\"1,\"]",
            "{\"a\":1}",
            "{\"a\":{}}",
            "{\"1\":\"a\"}",
            "18446744073709551616",
            "18446744073709551617",
            "1e300",
            "0.1",
            "0.10000000149011612",
        ];
        let forms: std::collections::HashSet<_> =
            texts.iter().map(|json| canonical(json).unwrap()).collect();

        assert_eq!(forms.len(), texts.len());
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for text in ["", "[7", "7 8", "{\"a\"}", "'a'", "01", "NaN", "\"\\ud800\"", &deep] {
            assert!(canonical(text).is_err(), "{text:.20}");
        }
    }
}
