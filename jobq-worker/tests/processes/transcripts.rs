//! What every command prints, for people and for programs: `golden/COMMAND.txt` holds lines that begin with
//! `$ ` and are run one after the other on a server of their own, and below each what it must print.
//!
//! `[..]` stands for anything within a line, a line `...` for any number of lines; words are parted by one space,
//! and ids and instants are `ID` and `TIME`. In commands `{a}` is the id of the job with the key `a`, and
//! `{batch}` that of a batch that is there. Complaints begin with `! `, and an exit code that is not 0 stands
//! below. With `JOBQ_BLESS=1` the files are written anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use jobq_core::{JobId, Kind, Payload, Queue};
use serde_json::Value;

use crate::stage::{Stage, text};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/golden");

const CONFIG: &str = r#"
[queues.crm]
concurrency = 50
[scheduler]
group = "shop"
[schedules.nightly]
daily_at = "02:00"
timezone = "Europe/Warsaw"
kind = "prune_failed"
"#;

/// A command and what it must print.
#[derive(Debug)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), expected: Vec::new() });
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(line.to_owned());
        }
    }
    for step in &mut steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    steps
}

/// The words of a command, as a shell tells them apart by quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn filled(word: &str, batch: &str) -> String {
    let mut word = word.replace("{batch}", batch);
    for key in ["a", "b", "c"] {
        word = word.replace(&format!("{{{key}}}"), &JobId::from_key(key).to_string());
    }
    word
}

/// One line with ids and instants masked.
fn masked(line: &str) -> String {
    let flat = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut out, mut word) = (String::new(), String::new());
    for letter in flat.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | ':' | '.') {
            word.push(letter);
            continue;
        }
        // What ends a sentence is no part of a word.
        let core = word.trim_end_matches([':', '.']);
        out.push_str(masked_word(core));
        out.push_str(&word[core.len()..]);
        word.clear();
        out.push(letter);
    }
    out.trim_end().to_owned()
}

fn masked_word(word: &str) -> &str {
    let is_instant =
        word.len() == 24 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T');
    match word {
        _ if is_instant => "TIME",
        _ if word.len() == 36 && word.parse::<JobId>().is_ok() => "ID",
        _ => word,
    }
}

fn printed(output: &Output) -> Vec<String> {
    let mut lines: Vec<_> = text(&output.stdout).lines().map(masked).collect();
    lines.extend(text(&output.stderr).lines().map(|line| format!("! {}", masked(line))));
    if output.status.code() != Some(0) {
        lines.push(format!("[exit {}]", output.status.code().unwrap_or(-1)));
    }
    lines
}

fn is_like(expected: &str, line: &str) -> bool {
    let Some((first, rest)) = expected.split_once("[..]") else { return expected == line };
    let Some(line) = line.strip_prefix(first) else { return false };
    line.char_indices().map(|(at, _)| at).chain([line.len()]).any(|at| is_like(rest, &line[at..]))
}

fn are_like(expected: &[String], lines: &[String]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((any, rest)), _) if any == "..." => {
            (0..=lines.len()).any(|skipped| are_like(rest, &lines[skipped..]))
        }
        (Some((one, expected)), Some((line, lines))) => {
            is_like(one, line) && are_like(expected, lines)
        }
        _ => false,
    }
}

/// A batch of two jobs in queue `import`, that is closed.
async fn batch(stage: &Stage) -> String {
    let batch = stage.backend.batch("price list").on("import").open().await.unwrap();
    for _ in 0..2 {
        let kind = Kind::new("import.row").unwrap();
        let payload = Payload::from_json("{}").unwrap();
        let id = JobId::generate(&jobq_core::SystemClock::default());
        let queue = jobq_core::QueueName::new("import").unwrap();
        let mut record = jobq_core::JobRecord::new(id, queue, kind, payload);
        record.batch = Some(batch.reference().clone());
        let job = jobq_core::NewJob::new(record, jobq_core::When::Now);
        jobq_core::Backend::enqueue_jobs(&stage.backend, &[job]).await.unwrap();
    }
    batch.reference().id.to_string()
}

/// What each key of all JSON means: one idea, one name, one type.
#[derive(Debug, Default)]
struct Vocabulary {
    /// The type of each key, and the command that first printed it.
    types: BTreeMap<String, (&'static str, String)>,
    wrong: Vec<String>,
}

impl Vocabulary {
    fn learn(&mut self, command: &str, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(command, item)),
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| self.learn_key(command, key, value));
            }
            _ => {}
        }
    }

    fn learn_key(&mut self, command: &str, key: &str, value: &Value) {
        // These are the user's own.
        if ["payload", "result"].contains(&key) {
            return;
        }
        let is_snake = |word: &str| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        };
        let is_word = ["outcome", "state", "code", "verdict", "reason"].contains(&key);
        if !is_snake(key) || (is_word && value.as_str().is_some_and(|word| !is_snake(word))) {
            self.wrong.push(format!("{command}: {key:?}: {value} is not in snake_case"));
        }
        let kind = match value {
            Value::Null => return,
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let (known, first) =
            self.types.entry(key.to_owned()).or_insert_with(|| (kind, command.to_owned()));
        if *known != kind {
            let told = format!("{key:?} is a {kind} of `{command}`, and a {known} of `{first}`");
            self.wrong.push(told);
        }
        self.learn(command, value);
    }
}

async fn play(file: &Path, vocabulary: &mut Vocabulary) -> Result<(), String> {
    let stage = Stage::set().await;
    let needs_batch = fs::read_to_string(file).unwrap();
    let batch = if needs_batch.contains("{batch}") { batch(&stage).await } else { String::new() };
    fs::write(stage.path("shop.toml"), CONFIG).unwrap();
    let (mut wrong, mut anew) = (String::new(), String::new());
    for step in steps(&fs::read_to_string(file).unwrap()) {
        let words: Vec<_> = words(&step.command).iter().map(|word| filled(word, &batch)).collect();
        let mut command = stage.jobq();
        command.args(&words[1..]).current_dir(stage.path("")).env("NO_COLOR", "1");
        let output = command.output().unwrap();
        if let (true, Ok(value)) =
            (step.command.contains("--json"), serde_json::from_slice(&output.stdout))
        {
            vocabulary.learn(&step.command, &value);
        }
        let lines = printed(&output);
        let is_well = are_like(&step.expected, &lines);
        if !is_well {
            let (expected, found) = (step.expected.join("\n"), lines.join("\n"));
            wrong.push_str(&format!("$ {}\n{found}\n-- but expected:\n{expected}\n", step.command));
        }
        let lines = if is_well { &step.expected } else { &lines };
        anew.push_str(&format!("$ {}\n", step.command));
        lines.iter().for_each(|line| anew.push_str(&format!("{line}\n")));
        anew.push('\n');
    }
    if std::env::var_os("JOBQ_BLESS").is_some() {
        fs::write(file, anew.trim_end().to_owned() + "\n").unwrap();
        return Ok(());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}:\n{wrong}", file.display())) }
}

#[tokio::test]
async fn every_command_prints_what_it_should() {
    let mut files: Vec<PathBuf> =
        fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut wrong, mut vocabulary) = (Vec::new(), Vocabulary::default());
    for file in &files {
        wrong.extend(play(file, &mut vocabulary).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(vocabulary.wrong.is_empty(), "{}", vocabulary.wrong.join("\n"));
    assert!(vocabulary.types.len() > 100, "{:?}", vocabulary.types.keys());
    assert!(files.len() > 35, "{}", files.len());
}

#[test]
fn a_name_with_two_meanings_is_told() {
    let mut vocabulary = Vocabulary::default();
    for json in [r#"{"left":1,"outcome":"left_out"}"#, r#"[{"left":[],"outcome":"left out"}]"#] {
        vocabulary.learn("x", &serde_json::from_str(json).unwrap());
    }
    assert_eq!(vocabulary.wrong.len(), 2, "{vocabulary:?}");
    vocabulary.learn("y", &serde_json::from_str(r#"{"left":null,"payload":{"left":""}}"#).unwrap());
    assert_eq!(vocabulary.wrong.len(), 2, "{vocabulary:?}");
}

#[test]
fn wildcards_stand_for_anything_and_nothing_else() {
    assert!(is_like("up for [..], [..] in use", "up for 1s, 2 KiB in use"));
    assert!(!is_like("up for [..]", "down for 1s"));
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(are_like(&lines("a\n...\nd"), &lines("a\nb\nc\nd")));
    assert!(!are_like(&lines("a\n...\nd"), &lines("a\nb\nc")));
    assert_eq!(masked("{\"at\":\"2026-01-02T03:04:05.678Z\"}"), "{\"at\":\"TIME\"}");
}
