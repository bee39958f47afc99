//! A command line that cannot be read: what is wrong with it, in one line with a hint.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::exit::Failure;
use super::{output, tree};

/// Prints what was asked for, such as the help, or what is wrong; and gives the code.
pub(super) fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        // Without a command the whole help is the hint.
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // Whoever has read enough of it may go.
            if let Err(fault) = error.print()
                && fault.kind() != io::ErrorKind::BrokenPipe
            {
                return Failure::from(fault).report();
            }
            ExitCode::from(u8::from(error.use_stderr()) * 2)
        }
        // The same, where a variable of the environment has said something: that is not nothing to clap.
        ErrorKind::MissingSubcommand if words().all(|word| !word.starts_with('-')) => {
            let help = tree::help(words());
            output::aside(&match output::may_colour() {
                true => help.ansi().to_string(),
                false => help.to_string(),
            });
            ExitCode::from(2)
        }
        _ => Failure::Usage(one_line(&error.to_string(), &tree::meant(words()))).report(),
    }
}

/// What was typed behind the name of the program.
fn words() -> impl Iterator<Item = String> {
    std::env::args_os().skip(1).filter_map(|word| word.into_string().ok())
}

/// From several paragraphs: the first, then the tips, and where to read on.
fn one_line(text: &str, command: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        let flat = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        if parts.is_empty() {
            parts.push(flat.strip_prefix("error: ").unwrap_or(&flat).to_owned());
        } else if flat.starts_with("tip: to pass '-") {
            // It is advice for words, and a number below 0 is wrong wherever it stands.
        } else if let Some(tip) = flat.strip_prefix("tip: ") {
            parts.push(tip.replace(" tip: ", "; "));
        }
    }
    if parts.first().is_some_and(|fault| fault.ends_with("not provided: <ID|all>...")) {
        parts.push("`all` is all of the queue that --queue names, or of any".to_owned());
    }
    let foreign = text.lines().next().is_some_and(is_foreign);
    if foreign {
        // What is near in its letters is far in its meaning.
        parts.truncate(1);
    }
    let read = if foreign { " and docs/coming-from.md" } else { "" };
    format!("{} (see `{command} --help`{read})", without_secrets(&parts.join("; ")))
}

/// Whether it is about a word of Laravel, Sidekiq, BullMQ or Celery.
fn is_foreign(fault: &str) -> bool {
    const FLAGS: [&str; 6] =
        ["--backoff", "--sleep", "--rest", "--memory", "--max-tries", "--loglevel"];
    let word = fault.split('\'').nth(1).unwrap_or_default();
    let is_command = fault.contains("unrecognized subcommand");
    (is_command && (word.contains(':') || ["horizon", "sidekiq", "celery"].contains(&word)))
        || FLAGS.contains(&word.split('=').next().unwrap_or_default())
}

/// The same without what may be a password: all between `//` and `@` of a word.
fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        let (before, after) = rest.split_at(at + 2);
        let end = after.find([' ', '\'', '"']).unwrap_or(after.len());
        let secret = after[..end].rfind('@').unwrap_or(0);
        shown.push_str(before);
        if secret > 0 {
            shown.push('…');
        }
        rest = &after[secret..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_is_wrong_is_one_line_with_a_hint() {
        for (line, told) in [
            (
                "jobq queues --jsn",
                "unexpected argument '--jsn' found; a similar argument exists: '--json' (see `jobq queues \
                 --help`)",
            ),
            (
                "jobq schedule next",
                "the following required arguments were not provided: <NAME> (see `jobq schedule next --help`)",
            ),
            (
                "jobq enqueue sync --priority -1",
                "unexpected argument '-1' found (see `jobq enqueue --help`)",
            ),
            (
                "jobq doctr",
                "unrecognized subcommand 'doctr'; a similar subcommand exists: 'doctor' (see `jobq --help`)",
            ),
            (
                "jobq queues redis://:hunter2@h:1/0",
                "unexpected argument 'redis://…@h:1/0' found (see `jobq queues --help`)",
            ),
            (
                "jobq retry --queue=mail",
                "the following required arguments were not provided: <ID|all>...; `all` is all of the queue \
                 that --queue names, or of any (see `jobq retry --help`)",
            ),
            (
                "jobq monitor crm",
                "the following required arguments were not provided: <--max <N>|--max-age <DURATION>> (see \
                 `jobq monitor --help`)",
            ),
            (
                "jobq queue:work --sleep=3",
                "unrecognized subcommand 'queue:work' (see `jobq --help` and docs/coming-from.md)",
            ),
            (
                "jobq work --sleep=3",
                "unexpected argument '--sleep' found (see `jobq work --help` and docs/coming-from.md)",
            ),
            (
                "jobq jobs list mail --limit 0",
                "invalid value '0' for '--limit <N>': \"0\" is not a number from 1 to 1000 (see `jobq jobs list --help`)",
            ),
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            let words = line.split(' ').skip(1).map(str::to_owned);
            let command = tree::meant(words);
            let told = told.replacen("`jobq", &format!("`{}", tree::meant([])), 1);
            assert_eq!(one_line(&error.to_string(), &command), told);
        }
    }
}
