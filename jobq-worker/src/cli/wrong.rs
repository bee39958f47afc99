//! A command line that cannot be read: what is wrong with it, in one line with a hint.

use std::io;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::exit::Failure;
use super::tree;

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
        _ => {
            let words = std::env::args_os().skip(1).filter_map(|word| word.into_string().ok());
            Failure::Usage(one_line(&error.to_string(), &tree::meant(words))).report()
        }
    }
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
    format!("{} (see `{command} --help`)", parts.join("; "))
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
                "jobq jobs list mail --limit 0",
                "invalid value '0' for '--limit <N>': 0 is not in 1..=1000 (see `jobq jobs list --help`)",
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
