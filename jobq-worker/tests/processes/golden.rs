//! What the program prints, with what differs from run to run masked.

use std::process::Output;

use jobq_core::JobId;
use serde_json::Value;

use crate::stage::text;

/// The lines of a table: words parted by one space, ids and instants masked.
pub(crate) fn lines(output: &Output) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().map(masked).collect::<Vec<_>>().join(" ");
    text(&output.stdout).lines().map(words).collect()
}

/// What was printed as JSON, masked the same way.
pub(crate) fn json(output: &Output) -> Value {
    let printed = text(&output.stdout);
    let mut value = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error}: {printed} {}", text(&output.stderr)));
    mask(&mut value);
    value
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        _ => {}
    }
}

fn masked(word: &str) -> String {
    let (place, id) = word.split_once('/').map_or(("", word), |(queue, id)| (queue, id));
    if id.parse::<JobId>().is_ok() {
        let slash = if place.is_empty() { "" } else { "/" };
        return format!("{place}{slash}ID");
    }
    let is_instant = word.len() == 24 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
    if is_instant { "TIME".to_owned() } else { word.to_owned() }
}

/// The exit code, and what was said about it.
pub(crate) fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(&output.stderr).trim_end().to_owned())
}
