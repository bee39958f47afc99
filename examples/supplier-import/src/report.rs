//! What is printed, for people or as one line of JSON.

pub(crate) use program::report::line;
use program::report::{grouped, json};
use serde::Serialize;

use crate::bench_sync::Figures;
use crate::db::Summary;
use crate::linking::LinkReport;
use crate::row::Rejection;
use crate::shop::Findings;
use crate::sync::SyncReport;

/// How many rejected rows people are shown.
const SHOWN_REJECTIONS: usize = 10;
/// How many other notes.
const SHOWN_NOTES: usize = 20;

/// Prints a summary, for people or as one line of JSON.
pub(crate) fn summary(summary: &Summary, as_json: bool) {
    if as_json {
        json(&record_of(summary));
    } else {
        line(&text_of(summary));
    }
}

/// Prints how a sync went.
pub(crate) fn sync(report: &SyncReport, as_json: bool) {
    if as_json {
        return json(report);
    }
    let totals = &report.totals;
    let mut text = format!("sync of {}: {}\n", report.shop, report.status);
    if let Some(error) = &report.error {
        text.push_str(&format!("  {error}\n  what was written is noted: the next sync goes on\n"));
    }
    push_counts(
        &mut text,
        &[
            ("products", totals.products),
            ("written", totals.written),
            ("unchanged", totals.unchanged),
            ("left", report.left),
            ("missing in the shop", totals.missing_in_shop),
            ("not linked to it", totals.not_linked),
            ("nothing said yet", totals.without_availability),
            ("malformed", totals.faulty),
        ],
    );
    if totals.products == 0 && totals.not_linked > 0 {
        text.push_str("    no product is linked to the shop yet: `link --shop mysql://…`\n");
    }
    let notes =
        report.notes.iter().map(|note| format!("product {}: {}", note.product, note.reason));
    push_notes(&mut text, notes);
    let (statements, batches) = (grouped(report.statements), report.batches);
    text.push_str(&format!(
        "  {:.3} s, {statements} statements, {batches} transactions in the shop",
        report.seconds
    ));
    line(&text);
}

/// Prints what a linking has come to.
pub(crate) fn link(report: &LinkReport, what: &str, as_json: bool) {
    if as_json {
        return json(report);
    }
    let mut text = format!("{} {what}\n", grouped(report.read));
    push_counts(
        &mut text,
        &[
            ("linked", report.linked),
            ("linked before", report.already),
            ("unmatched", report.unmatched),
            ("ambiguous", report.ambiguous),
            ("rejected", report.rejected),
        ],
    );
    push_notes(
        &mut text,
        report.notes.iter().map(|note| format!("{}: {}", note.about, note.reason)),
    );
    line(text.trim_end());
}

/// Prints what a connection test has found.
pub(crate) fn findings(findings: &Findings, as_json: bool) {
    if as_json {
        return json(findings);
    }
    for finding in &findings.findings {
        let mark = if finding.ok { "ok    " } else { "WRONG " };
        line(&format!("{mark}{:<11} {}", finding.what, finding.detail));
    }
}

/// Prints what a benchmark has measured.
pub(crate) fn figures(figures: &Figures, as_json: bool) {
    if as_json {
        return json(figures);
    }
    let of =
        |seconds: f64, statements| format!("{seconds:.3} s, {} statements", grouped(statements));
    line(&format!("{} products", grouped(figures.products)));
    line(&format!("  all changed    {}", of(figures.seconds, figures.statements)));
    line(&format!(
        "  none changed   {}",
        of(figures.unchanged_seconds, figures.unchanged_statements)
    ));
    line(&format!("  a tenth of it  {}", of(figures.tenth_seconds, figures.tenth_statements)));
    line(&format!("  {} rows of the shop are as they should be", grouped(figures.rows_verified)));
}

fn push_counts(text: &mut String, counts: &[(&str, u64)]) {
    for (what, count) in counts {
        text.push_str(&format!("  {what:<20} {:>12}\n", grouped(*count)));
    }
}

fn push_notes(text: &mut String, notes: impl ExactSizeIterator<Item = String>) {
    let more = notes.len().saturating_sub(SHOWN_NOTES);
    for note in notes.take(SHOWN_NOTES) {
        text.push_str(&format!("    {note}\n"));
    }
    if more > 0 {
        text.push_str(&format!("    and {more} more: see --json\n"));
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

fn record_of(summary: &Summary) -> Line<'_> {
    Line {
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
    }
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
