//! What is wrong with a file, and where, in one line and in words of TOML.

use crate::cli::{mismatch, nearest};

/// What is wrong, and where, in one line.
pub(super) fn complaint(path: &str, text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| span.start);
    let what = in_words(error.message(), text, place.unwrap_or(text.len())).replace('\n', "; ");
    match place {
        Some(place) => format!("{path}, {}: {what}", place_of(text, place)),
        None => format!("{path}: {what}"),
    }
}

/// Where a place in a text is, for people.
pub(super) fn place_of(text: &str, place: usize) -> String {
    format!("line {}, column {}", line_of(text, place), column_of(text, place))
}

/// In which line a place in a text is.
pub(super) fn line_of(text: &str, place: usize) -> usize {
    text.get(..place).unwrap_or(text).matches('\n').count() + 1
}

/// In which column of its line a place in a text is, in letters.
fn column_of(text: &str, place: usize) -> usize {
    line_before(text, place).chars().count() + 1
}

/// What stands before a place in its line.
fn line_before(text: &str, place: usize) -> &str {
    text.get(..place).unwrap_or(text).rsplit('\n').next().unwrap_or_default()
}

fn in_words(message: &str, text: &str, place: usize) -> String {
    unknown_key(message)
        .or_else(|| mismatch::in_words(message, "table"))
        .unwrap_or_else(|| of_syntax(message, text, place))
}

/// What serde says of an unknown key, with the one that was probably meant.
fn unknown_key(message: &str) -> Option<String> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let key = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    Some(format!("unknown key {key:?}: {}", nearest::hint(key, &known)))
}

/// What the parser of TOML says of what is no TOML: the ordinary mistakes as what is to be mended.
fn of_syntax(message: &str, text: &str, place: usize) -> String {
    let (what, expected) = message.rsplit_once(", expected ").unwrap_or((message, "nothing"));
    let rest = text.get(place..).unwrap_or_default().split('\n').next().unwrap_or_default();
    match (what, expected) {
        ("string values must be quoted", _)
            if matches!(rest.trim().chars().next(), None | Some('#')) =>
        {
            "the value is missing".to_owned()
        }
        ("string values must be quoted", _) => "put the text in quotes".to_owned(),
        ("invalid float", "nothing" | "`nan`" | "`inf`") | ("invalid boolean", _) => {
            "put a text in quotes; true and false stand without them".to_owned()
        }
        ("unclosed table", _) => "the table's name lacks its ]".to_owned(),
        ("unclosed array table", _) => "the table's name lacks its ]]".to_owned(),
        ("unclosed array", _) => "the list lacks its ]".to_owned(),
        ("unclosed inline table", _) => "the table lacks its }".to_owned(),
        ("key with no value", _) => "key with no value: a = is missing".to_owned(),
        ("extra `=`", _) => "extra =".to_owned(),
        ("unquoted keys cannot be empty", _) => "a key is missing".to_owned(),
        ("missing comma between array elements", _) => "missing comma between elements".to_owned(),
        ("invalid basic string" | "invalid multi-line basic string", "`\"`")
        | ("invalid literal string" | "invalid multi-line literal string", "`'`") => {
            "the closing quote is missing".to_owned()
        }
        ("unexpected key or value", _) => {
            let is_table = line_before(text, place).trim_start().starts_with('[');
            let last = if is_table { "]" } else { "value" };
            format!("nothing may stand behind the {last}")
        }
        (what, "nothing") => what.to_owned(),
        (what, expected) => format!("{what} ({expected} is expected)"),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::config::Config;
    use crate::registry::Registry;

    #[test]
    fn ordinary_mistakes_of_syntax_are_told_as_what_is_to_be_mended() {
        for (text, told) in [
            ("prefix = blue", "line 1, column 10: put the text in quotes"),
            ("backend = redis://x", "line 1, column 11: put the text in quotes"),
            ("backend =", "line 1, column 10: the value is missing"),
            ("backend = # none", "line 1, column 11: the value is missing"),
            ("listen = 127.0.0.1:9", "put a text in quotes; true and false stand without them"),
            ("backend = tcp://x", "put a text in quotes; true and false stand without them"),
            ("[queues.crm", "line 1, column 12: the table's name lacks its ]"),
            ("[[queues.crm", "the table's name lacks its ]]"),
            ("x", "line 1, column 2: key with no value: a = is missing"),
            ("[work]\nqueue = [\"a\" \"b\"]", "line 2, column 14: missing comma between elements"),
            ("[work]\nqueue = [\"a\"", "the list lacks its ]"),
            ("a = { b = 1", "the table lacks its }"),
            ("backend = \"memory:", "line 1, column 19: the closing quote is missing"),
            ("backend = 'memory:", "the closing quote is missing"),
            ("backend = \"\"\"memory:", "the closing quote is missing"),
            ("[work]\nconcurrency = 010", "line 2, column 15: unexpected leading zero"),
            ("a == 1", "line 1, column 4: extra ="),
            ("= 1", "a key is missing"),
            ("[a]]", "line 1, column 4: nothing may stand behind the ]"),
            ("prefix = \"a\" b", "nothing may stand behind the value"),
            ("starts = 2020-13-01", "invalid date (month between 01 and 12 is expected)"),
            ("[a]\n[a]", "line 2, column 2: duplicate key"),
        ] {
            let said = Config::parse("jobq.toml", text, &Registry::new()).unwrap_err();
            assert!(
                said.starts_with("jobq.toml, line ") && said.ends_with(told),
                "{text:?}: {said}"
            );
        }
    }
}
