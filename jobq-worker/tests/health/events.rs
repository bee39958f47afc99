//! The list of what is logged, in `docs/health.md`, against the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Level, message and fields of an event.
type Event = (String, String, BTreeSet<String>);

/// The table in the manual.
fn documented() -> Vec<Event> {
    let page = fs::read_to_string(format!("{ROOT}/docs/health.md")).unwrap();
    let (_, chapter) = page.split_once("\n## Log\n").unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let is_level = |cell: &str| ["debug", "info", "warn", "error"].contains(&cell);
    let rows = chapter.lines().filter(|line| line.starts_with("| "));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .filter(|cells| is_level(cells[0]))
        .map(|cells| {
            let fields = cells[2].split(", ").map(|field| field.trim_matches('`').to_owned());
            let fields = fields.filter(|field| !field.is_empty()).collect();
            (cells[0].to_owned(), cells[1].trim_matches('`').to_owned(), fields)
        })
        .collect()
}

/// The sources of the libraries; what the program `jobq` says of its own command line is its own affair.
fn sources() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["core", "redis", "scheduler", "worker"]
        .map(|name| format!("{ROOT}/jobq-{name}/src").into())
        .into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("jobq-worker/src/cli") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// The events that a source can tell of.
fn events_of(path: &Path) -> Vec<Event> {
    let source = fs::read_to_string(path).unwrap();
    let mut events = Vec::new();
    for level in ["debug", "info", "warn", "error"] {
        let call = format!("{level}!(");
        for (at, _) in source.match_indices(&call) {
            let is_word =
                source[..at].ends_with(|before: char| before == '_' || before.is_alphanumeric());
            if !is_word {
                events.push(event(level, arguments(&source[at + call.len()..]), path));
            }
        }
    }
    events
}

fn event(level: &str, arguments: Vec<String>, path: &Path) -> Event {
    let (mut message, mut fields, mut is_ours) = (None, BTreeSet::new(), false);
    for argument in &arguments {
        if let Some(target) = argument.strip_prefix("target: ") {
            is_ours = ["TARGET", "\"jobq\""].contains(&target);
        } else if argument.starts_with('"') {
            let lines = argument.trim_matches('"').split("\\\n").map(str::trim_start);
            message = Some(lines.collect::<String>());
        } else {
            let name = argument.split(['=', ':']).next().unwrap();
            fields.insert(name.trim_matches(['%', '?', ' ']).to_owned());
        }
    }
    assert!(is_ours, "not of the target jobq: {arguments:?} in {path:?}");
    let message = message.unwrap_or_else(|| panic!("no words: {arguments:?} in {path:?}"));
    assert!(!message.contains('{'), "not the same words each time: {message:?} in {path:?}");
    (level.to_owned(), message, fields)
}

/// What is between here and the parenthesis that closes, parted at its commas.
fn arguments(source: &str) -> Vec<String> {
    let (mut arguments, mut argument, mut depth) = (Vec::new(), String::new(), 0);
    let (mut is_text, mut before) = (false, ' ');
    for c in source.chars() {
        match c {
            '"' if before != '\\' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                arguments.push(std::mem::take(&mut argument));
                continue;
            }
            _ => {}
        }
        argument.push(c);
        before = c;
    }
    arguments.push(argument);
    let arguments = arguments.iter().map(|argument| argument.trim().to_owned());
    arguments.filter(|argument| !argument.is_empty()).collect()
}

#[test]
fn the_manual_lists_what_is_logged_and_nothing_else() {
    let listed: BTreeSet<Event> = documented().into_iter().collect();
    let known: BTreeSet<Event> = sources().iter().flat_map(|path| events_of(path)).collect();

    assert!(known.len() > 20, "{known:?}");
    let unlisted: Vec<_> = known.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&known).collect();
    assert!(
        unlisted.is_empty() && unknown.is_empty(),
        "unlisted: {unlisted:#?}\nunknown: {unknown:#?}"
    );
}
