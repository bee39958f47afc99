//! Everything the command line prints: results to standard output, complaints to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Table, presets};
use jobq_core::{Timestamp, duration};
use serde_json::Value;

use super::called;

/// Whether only results and complaints are wanted. Of the process: it is one command.
static QUIET: AtomicBool = AtomicBool::new(false);

pub(super) fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

pub(super) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether what goes to standard error may be coloured: to a terminal that can, unless `NO_COLOR` is set to anything.
pub(super) fn may_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    !is_set("NO_COLOR") && !is_dumb && io::stderr().is_terminal()
}

/// Prints what is good to know beside the result, unless only that is wanted: below it for people, and beside it where
/// the rows go to a program.
pub(super) fn note(text: &str) -> io::Result<()> {
    if is_quiet() {
        Ok(())
    } else if io::stdout().is_terminal() {
        line(text)
    } else {
        // A note that cannot be printed is none that is missed.
        let _ = writeln!(io::stderr().lock(), "{}", printable(text));
        Ok(())
    }
}

/// Prints one line, or several that are one text.
pub(super) fn line(text: &str) -> io::Result<()> {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    bytes(format!("{}\n", lines.join("\n")).as_bytes())
}

/// Prints what there is to say of each of many, once all is done: what cannot be printed must not keep a command from
/// its work.
pub(super) fn lines(lines: &[String]) -> io::Result<()> {
    if lines.is_empty() { Ok(()) } else { line(&lines.join("\n")) }
}

/// Prints what is a whole file. That nobody reads it any more is no fault, of the command or of the reader: what it was
/// told to do goes on, and the exit code says what became of that.
pub(super) fn bytes(file: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(file).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints what is a whole text of ours to standard error. Whoever has read enough of it may go.
pub(super) fn aside(text: &str) {
    let _ = write!(io::stderr().lock(), "{text}");
}

/// Prints a value for programs.
pub(super) fn json(value: &Value) -> io::Result<()> {
    line(&json_text(value))
}

/// JSON need not escape DEL and the control characters behind it, but a terminal obeys them.
fn json_text(value: &Value) -> String {
    let mut text = String::new();
    for letter in value.to_string().chars() {
        if may_harm(letter) {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

/// What a terminal shows of a text, and does not obey: control characters, and those that change the direction of
/// writing, are escaped as in Rust. What jobs, servers and programs say may hold any.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if may_harm(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

fn may_harm(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Prints a table.
pub(super) fn table(columns: &[Column], rows: Vec<Vec<String>>) -> io::Result<()> {
    line(&render(columns, rows))
}

/// Says what went wrong. If that cannot be said either, the exit code must do.
pub(super) fn complain(why: &str) {
    let (name, why) = (called::name(), called::in_words(why));
    let _ = writeln!(io::stderr().lock(), "{name}: {}", printable(&why));
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Text(&'static str),
    Number(&'static str),
}

pub(super) fn render(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let aligned = |column: &Column, text: String| match column {
        Column::Text(_) => Cell::new(text),
        Column::Number(_) => Cell::new(text).set_alignment(CellAlignment::Right),
    };
    let header = columns.iter().map(|column| {
        let (Column::Text(name) | Column::Number(name)) = column;
        aligned(column, (*name).to_owned())
    });
    table.set_header(header.collect::<Vec<_>>());
    for row in rows {
        let cells = columns.iter().zip(row).map(|(column, text)| aligned(column, printable(&text)));
        table.add_row(cells.collect::<Vec<_>>());
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// What of a text fits into one line of a table.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let flat: Vec<_> = text.split_whitespace().collect();
    let flat = printable(&flat.join(" "));
    if flat.chars().count() <= most {
        return flat;
    }
    let mut cut: String = flat.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// How long it is from one instant to a later one, in whole seconds.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    duration::text(Duration::from_secs(to.since(from).as_secs()))
}

/// Bytes, as people say them.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut rest, mut unit) = (bytes, 0, "B");
    for next in UNITS {
        if whole < 1_024 {
            break;
        }
        (whole, rest, unit) = (whole / 1_024, whole % 1_024, next);
    }
    match unit {
        "B" => format!("{whole} B"),
        unit => format!("{whole}.{} {unit}", rest * 10 / 1_024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let columns = [Column::Text("queue"), Column::Number("ready")];
        let rows = [["mail", "7"], ["integrations", "12465"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec()).to_vec();

        assert_eq!(
            render(&columns, rows),
            " queue         ready\n mail              7\n integrations  12465"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        let hostile = "a\u{1b}[2J\u{9b}31m\rb\u{7}\u{7f}\u{202e}c\tö";
        let shown = r"a\u{1b}[2J\u{9b}31m\rb\u{7}\u{7f}\u{202e}c\tö";

        assert_eq!(printable(hostile), shown);
        let table = render(&[Column::Text("error")], vec![vec![format!("{hostile}\nroot")]]);
        assert_eq!(table, format!(" error\n {shown}\\nroot"));
        assert_eq!(one_line("a\u{1b}[2J\nb", 20), r"a\u{1b}[2J b");
        let json = json_text(&Value::from(hostile));
        assert!(!json.chars().any(may_harm), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), hostile);
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, text) in
            [(0, "0 B"), (1_023, "1023 B"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn long_texts_are_cut_and_put_on_one_line() {
        assert_eq!(one_line("a\n  b", 10), "a b");
        assert_eq!(one_line("ééééé", 4), "ééé…");
    }
}
