//! Every command line in the documentation and in the deployment files is read by the real command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::Cli;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A program of one's own has the same command line.
const PROGRAMS: [&str; 2] = ["jobq", "shop"];

/// What stands for something in the documentation.
const PLACEHOLDERS: [(&str, &str); 7] = [
    ("ID", "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"),
    ("KEY", "0192f3c17b1e7c3a9d2e5b6f7a8c9d0e"),
    ("QUEUE", "import"),
    ("LANE", "7"),
    ("KIND", "command"),
    ("JSON", "{}"),
    ("NAME", "nightly"),
];

/// A command line, and the file it is in.
#[derive(Debug)]
struct Found {
    file: PathBuf,
    arguments: Vec<String>,
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// The words of a line as a shell would tell them apart, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, _) if letter.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(letters.next()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The arguments of each of our programs in a line of words.
fn calls(words: &[String]) -> Vec<Vec<String>> {
    let is_end = |word: &str| matches!(word, "|" | "||" | "&" | "&&" | ";" | ">" | "<" | "2>&1");
    let program = |word: &str| PROGRAMS.contains(&word.rsplit(['/', '=']).next().unwrap_or(word));
    let mut found = Vec::new();
    for (position, _) in words.iter().enumerate().filter(|(_, word)| program(word)) {
        let rest = words[position + 1..].iter().take_while(|word| !is_end(word));
        let arguments: Vec<String> = rest.map(|word| filled(word)).collect();
        // The program's name alone, or a sketch of a command.
        if !arguments.is_empty() && !arguments.iter().any(|word| word.contains('…')) {
            found.push(arguments);
        }
    }
    found
}

/// A word with something in place of what stands for it.
fn filled(word: &str) -> String {
    let word = word.replace("%i", "import").replace("${CONCURRENCY}", "10");
    let part = |part: &str| {
        let known = PLACEHOLDERS.iter().find(|(name, _)| *name == part);
        known.map_or_else(|| part.to_owned(), |(_, value)| (*value).to_owned())
    };
    word.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What is between backticks and begins with one of our programs.
fn in_backticks(text: &str) -> Vec<Vec<String>> {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let mut found = Vec::new();
    for paragraph in paragraphs {
        for span in paragraph.split('`').skip(1).step_by(2) {
            let words = words(span);
            if words.first().is_some_and(|first| PROGRAMS.contains(&first.as_str())) {
                found.extend(calls(&words));
            }
        }
    }
    found
}

fn in_markdown(text: &str) -> Vec<Vec<String>> {
    let (mut found, mut prose, mut fence) = (Vec::new(), String::new(), None);
    for line in text.lines() {
        match (fence, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => fence = Some(language),
            (Some(_), Some(_)) => fence = None,
            (Some("sh" | "console" | "cron"), None) => found.extend(calls(&words(line))),
            (Some(_), None) => {}
            (None, None) => {
                // A row of a table is a paragraph of its own.
                let end = if line.starts_with('|') { "\n\n" } else { "\n" };
                prose.push_str(line);
                prose.push_str(end);
            }
        }
    }
    found.extend(in_backticks(&prose));
    found
}

/// A file that is no text for people: in its comments what is between backticks, elsewhere what it runs.
fn in_other(text: &str, line_calls: impl Fn(&str) -> Vec<Vec<String>>) -> Vec<Vec<String>> {
    let is_comment = |line: &&str| line.trim_start().starts_with(['#', ';']);
    let comments: Vec<_> = text.lines().filter(is_comment).collect();
    let mut found = in_backticks(&comments.join("\n"));
    text.lines().filter(|line| !is_comment(line)).for_each(|line| found.extend(line_calls(line)));
    found
}

/// What systemd and supervisor run.
fn of_supervisors(line: &str) -> Vec<Vec<String>> {
    let is_command = ["ExecStart=", "command="].iter().any(|key| line.starts_with(key));
    if is_command { calls(&words(line)) } else { Vec::new() }
}

/// What stands as a list of words in brackets: in YAML, and in a Dockerfile.
fn in_brackets(line: &str) -> Vec<Vec<String>> {
    let list = line.find('[').zip(line.rfind(']')).and_then(|(from, to)| line.get(from..=to));
    let words = list.and_then(|list| serde_json::from_str::<Vec<String>>(list).ok());
    words.map_or_else(Vec::new, |words| calls(&words))
}

fn all() -> Vec<Found> {
    let mut paths = files(&Path::new(ROOT).join("docs"));
    paths.push(Path::new(ROOT).join("README.md"));
    let mut found = Vec::new();
    for file in paths {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let lines = match name.rsplit('.').next().unwrap() {
            "md" => in_markdown(&text),
            "service" | "conf" => in_other(&text, of_supervisors),
            "crontab" => in_other(&text, |line| calls(&words(&line.replace("\\%", "%")))),
            "yaml" | "yml" | "Dockerfile" => in_other(&text, in_brackets),
            _ => in_other(&text, |_| Vec::new()),
        };
        found.extend(lines.into_iter().map(|arguments| Found { file: file.clone(), arguments }));
    }
    found
}

fn read(arguments: &[String]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("jobq").chain(arguments.iter().map(String::as_str)))
}

/// Whether they only name a command, as prose does that speaks of `jobq schedule add`.
fn is_name(arguments: &[String]) -> bool {
    let is_word = |word: &String| word.bytes().all(|byte| byte.is_ascii_lowercase());
    arguments.iter().all(is_word)
}

fn lacks_something(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    )
}

#[test]
fn every_documented_command_is_read() {
    let found = all();
    let mut wrong = Vec::new();
    for Found { file, arguments } in &found {
        if let Err(error) = read(arguments)
            && !(is_name(arguments) && lacks_something(&error))
        {
            let first = error.to_string();
            let first = first.lines().next().unwrap_or_default();
            wrong.push(format!("{}: jobq {}: {first}", file.display(), arguments.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    for file in [
        "README.md",
        "coming-from.md",
        "operations.md",
        "jobq-work@.service",
        "jobq-scheduler.service",
        "own-binary.conf",
        "jobq.conf",
        "crontab",
        "Dockerfile",
        "compose.yaml",
        "worker-integrations.yaml",
        "worker-import.yaml",
        "worker-default.yaml",
        "scheduler.yaml",
    ] {
        assert!(found.iter().any(|found| found.file.ends_with(file)), "none was found in {file}");
    }
}

#[test]
fn every_example_of_the_help_is_read() {
    for (path, lines) in super::tree::EXAMPLES {
        for line in lines {
            let calls = calls(&words(line));
            assert!(!calls.is_empty(), "{path}: {line}");
            for arguments in calls {
                if let Err(error) = read(&arguments) {
                    panic!("{line}: {error}");
                }
            }
        }
    }
}

#[test]
fn command_lines_are_found_as_a_shell_reads_them() {
    let of = |line: &str| calls(&words(line));
    assert_eq!(of("jobq work --queue a  # or b's"), [["work", "--queue", "a"]]);
    assert_eq!(
        of("ExecStart=/usr/local/bin/jobq work --queue %i"),
        [["work", "--queue", "import"]]
    );
    assert_eq!(
        of(r#"0 2 * * * . "$HOME/.jobq.env" && jobq enqueue x --json '{"a":"b c"}' | cat"#),
        [["enqueue", "x", "--json", r#"{"a":"b c"}"#]]
    );
    assert_eq!(
        of("jobq retry QUEUE/ID"),
        [["retry", "import/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"]]
    );
    assert_eq!(of("user=jobq"), [] as [Vec<String>; 0]);
    assert_eq!(in_brackets(r#"command: ["jobq", "queues"]"#), [["queues"]]);
    assert_eq!(in_markdown("It is\n`jobq\nqueues`, `jobq limits …` or `jobq`."), [["queues"]]);
}
