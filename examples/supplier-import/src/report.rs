//! What is printed of an import.

use std::io::{self, Write};

use serde::Serialize;

use crate::db::Summary;
use crate::row::Rejection;

/// How many rejected rows people are shown.
const SHOWN_REJECTIONS: usize = 10;

/// Prints one line; a reader that has gone away is not an error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a summary, for people or as one line of JSON.
pub(crate) fn summary(summary: &Summary, as_json: bool) {
    if as_json {
        line(&json_of(summary));
    } else {
        line(&text_of(summary));
    }
}

fn rows_per_second(summary: &Summary) -> u64 {
    summary.rows_read * 1_000 / summary.took_ms.max(1)
}

fn status(summary: &Summary) -> &'static str {
    if summary.error.is_some() { "failed" } else { "completed" }
}

/// A summary as it is printed for programs. The names and their order are a promise.
#[derive(Serialize)]
struct Line<'a> {
    import_id: &'a str,
    source: &'a str,
    status: &'a str,
    error: Option<&'a str>,
    rows_read: u64,
    updated: u64,
    unmatched: u64,
    rejected: u64,
    took_ms: u64,
    rows_per_second: u64,
    /// The first thousand.
    rejections: &'a [Rejection],
}

fn json_of(summary: &Summary) -> String {
    let line = Line {
        import_id: &summary.import_id,
        source: &summary.source,
        status: status(summary),
        error: summary.error.as_deref(),
        rows_read: summary.rows_read,
        updated: summary.updated,
        unmatched: summary.unmatched,
        rejected: summary.rejected,
        took_ms: summary.took_ms,
        rows_per_second: rows_per_second(summary),
        rejections: &summary.rejections,
    };
    // Texts and numbers always have a JSON form.
    serde_json::to_string(&line).unwrap_or_default()
}

fn text_of(summary: &Summary) -> String {
    let mut text =
        format!("import {} of {}: {}\n", summary.import_id, summary.source, status(summary));
    if let Some(error) = &summary.error {
        text.push_str(&format!("  {error}\n"));
    }
    for (what, count) in [
        ("rows read", summary.rows_read),
        ("updated", summary.updated),
        ("unmatched", summary.unmatched),
        ("rejected", summary.rejected),
    ] {
        text.push_str(&format!("  {what:<10} {:>12}\n", grouped(count)));
    }
    if summary.updated == 0 && summary.unmatched > 0 {
        text.push_str(
            "    no row has a link: is it the right contractor and database? See also `seed`\n",
        );
    }
    for rejection in summary.rejections.iter().take(SHOWN_REJECTIONS) {
        text.push_str(&format!("    line {}: {}\n", rejection.line, rejection.reason));
    }
    let shown = summary.rejections.len().min(SHOWN_REJECTIONS) as u64;
    if summary.rejected > shown {
        text.push_str(&format!("    and {} more\n", grouped(summary.rejected - shown)));
    }
    let (seconds, ms) = (summary.took_ms / 1_000, summary.took_ms % 1_000);
    let rate = grouped(rows_per_second(summary));
    text.push_str(&format!("  {seconds}.{ms:03} s, {rate} rows/s"));
    text
}

/// `12465` as `12,465`.
fn grouped(number: u64) -> String {
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
