//! The tree of commands as it is read and shown: with examples, and with the name of the program.

use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::{Cli, called};

/// What the help of the program ends with.
const EXIT_CODES: &str = "Exit codes:
  0  all went well
  1  something failed: the server, a part of what was asked for, a check of `doctor` or `monitor`
  2  the command was wrong, or names a queue that never had a job or a schedule that is not there,
     and nothing was done
`work` ends with 0 whatever became of its jobs: what failed is in its summary, and in `jobq failed`.
With --once or --stop-when-empty it ends with 1 if nothing is left but in a queue that the server
refuses to serve.

Where the jobs are, and what is set for all commands, flags say before the environment (REDIS_URL,
JOBQ_…), that before jobq.toml, and that before the defaults. An empty variable is as good as none.";

/// Examples of each command, by its path. They are commands that can be run as they stand, but for IDs and
/// names.
pub(super) const EXAMPLES: [(&str, &[&str]); 42] = [
    (
        "work",
        &[
            "jobq work --queue integrations,import,default --allow-command /usr/local/bin/report",
            "jobq work --queue import=3,default=1 --concurrency 20 --tries 3 --timeout 60s",
            "jobq work --stop-when-empty --max-time 55s --json",
        ],
    ),
    (
        "enqueue",
        &[
            "jobq enqueue command --json '{\"program\": \"report\", \"args\": [\"--daily\"]}'",
            "jobq enqueue http --json '{\"url\": \"https://api.example.com/hooks/7\"}' --after 10m",
            "cat order.json | jobq enqueue order.ship --json - --queue orders --key order-4711",
        ],
    ),
    ("queues", &["jobq queues", "jobq queues --json"]),
    ("stats", &["jobq stats"]),
    ("doctor", &["jobq doctor", "jobq --backend redis://10.0.0.1:6379 doctor --json"]),
    ("monitor", &["jobq monitor default,import --max 100 --max-age 5m"]),
    ("failed", &["jobq failed --offset 50", "jobq failed --queue import --limit 10 --json"]),
    ("retry", &["jobq retry ID", "jobq retry all --queue import --dry-run", "jobq retry all"]),
    (
        "jobs list",
        &["jobq jobs list import", "jobq jobs list import --state ready,scheduled --offset 50"],
    ),
    ("jobs show", &["jobq jobs show ID", "jobq jobs show import/ID --json"]),
    ("jobs cancel", &["jobq jobs cancel ID", "jobq jobs cancel ID ID --dry-run"]),
    ("jobs delete", &["jobq jobs delete ID --dry-run", "jobq jobs delete import/ID --yes"]),
    ("forget", &["jobq forget ID --yes"]),
    ("flush", &["jobq flush --dry-run", "jobq flush --queue import --yes"]),
    ("prune", &["jobq prune --hours 168 --yes"]),
    ("clear", &["jobq clear import --dry-run", "jobq clear import --state scheduled --yes"]),
    ("restart", &["jobq restart --dry-run", "jobq restart"]),
    ("explain", &["jobq explain ID", "jobq explain import/ID --json"]),
    ("pause", &["jobq pause import", "jobq pause crm --lane 7"]),
    ("resume", &["jobq resume import", "jobq resume crm --lane 7"]),
    ("cancel", &["jobq cancel ID", "jobq cancel ID ID --yes"]),
    ("lanes", &["jobq lanes crm", "jobq lanes crm --limit 10 --after 7"]),
    ("limits", &["jobq limits", "jobq limits crm --lane 7 --json"]),
    (
        "limits set",
        &[
            "jobq limits set crm --concurrency 50",
            "jobq limits set crm --each-lane --rate 100/min --breaker 5/30s",
            "jobq limits set --shared-limit crm-api --rate 1000/h",
        ],
    ),
    ("limits clear", &["jobq limits clear crm --lane 7 --rate", "jobq limits clear crm"]),
    (
        "limits apply",
        &[
            "jobq --config /etc/jobq.toml limits apply --dry-run",
            "jobq --config /etc/jobq.toml limits apply --yes",
        ],
    ),
    ("unique", &["jobq unique KEY", "jobq unique --kind crm.sync --fields '[7, \"customer\"]'"]),
    ("schedule list", &["jobq schedule list", "jobq schedule list --group orders --json"]),
    ("schedule next", &["jobq schedule next nightly -n 10"]),
    ("schedule run", &["jobq schedule run nightly"]),
    ("schedule pause", &["jobq schedule pause nightly"]),
    ("schedule resume", &["jobq schedule resume nightly"]),
    (
        "schedule add",
        &[
            "jobq schedule add nightly --daily-at 02:00 --timezone Europe/Warsaw prune_failed",
            "jobq schedule add sync --every 30m --overlap skip shop.sync --json '{\"store\": 7}'",
        ],
    ),
    ("schedule change", &["jobq schedule change nightly --cron '0 3 * * *' prune_failed"]),
    ("schedule remove", &["jobq schedule remove nightly --yes"]),
    ("scheduler", &["jobq scheduler --group shop", "jobq scheduler --once"]),
    ("batches", &["jobq batches import --limit 10"]),
    ("batch", &["jobq batch ID", "jobq batch ID retry", "jobq batch ID call-off --dry-run"]),
    ("completions", &["jobq completions bash > /etc/bash_completion.d/jobq"]),
    ("man", &["jobq man | man -l -", "jobq man --out /usr/local/share/man/man1"]),
    ("jobs", &["jobq jobs list import", "jobq jobs show ID"]),
    ("schedule", &["jobq schedule list", "jobq schedule add sync --every 30m shop.sync"]),
];

/// What the long help of `enqueue` ends with.
const BUILT_IN: &str = "Kinds that need no Rust, each only what the worker allows:
  command  runs a program: program, args, env, cwd, stdin, timeout_s
           exit code 0 completes it, 75 puts it off for a minute, anything else is tried again;
           the last lines of output are kept in its log, or with --retention in its result
  http     makes a request: url, method, headers, body, timeout_s
           2xx completes it; 408, 425, 429 and 5xx are tried again, after Retry-After if the server
           says it; any other answer ends it
What no worker could run is refused at once. More of both: docs/built-in-kinds.md.";

/// The commands as people see them.
pub(super) fn command() -> Command {
    let command = Cli::command().after_help(EXIT_CODES).name(called::name());
    named(with_examples(command, ""))
}

/// Reads the command line of this process. A variable of the environment that is empty is as good as none.
pub(super) fn read() -> Result<Cli, clap::Error> {
    let mut command = without_empty_variables(command());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command));
    cli.map(|mut cli| {
        cli.address.given_by(&matches);
        cli
    })
}

/// The short help of the command that words are meant for.
pub(super) fn help(words: impl IntoIterator<Item = String>) -> StyledStr {
    let mut at = command();
    at.build();
    for word in words {
        if let Some(child) = at.find_subcommand(&word).cloned() {
            at = child;
        }
    }
    at.render_help()
}

/// The command that words are meant for, as far as they can be told: `jobq jobs list`.
pub(super) fn meant(words: impl IntoIterator<Item = String>) -> String {
    let tree = Cli::command();
    let (mut at, mut path) = (&tree, called::name().to_owned());
    for word in words {
        if let Some(child) = at.find_subcommand(&word) {
            (at, path) = (child, format!("{path} {word}"));
        }
    }
    path
}

fn with_examples(command: Command, path: &str) -> Command {
    let name = called::name();
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path);
    let command = match examples {
        None => command,
        Some((_, lines)) => {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| line.replacen("jobq ", &format!("{name} "), 1))
                .map(|line| line.replace("completion.d/jobq", &format!("completion.d/{name}")))
                .map(|line| format!("  {line}"))
                .collect();
            let examples = format!("Examples:\n{}", lines.join("\n"));
            match path {
                "enqueue" => command.after_long_help(format!("{examples}\n\n{BUILT_IN}")),
                _ => command,
            }
            .after_help(examples)
        }
    };
    let below = |child: &Command| format!("{path} {}", child.get_name()).trim_start().to_owned();
    command.mut_subcommands(|child| {
        let path = below(&child);
        with_examples(child, &path)
    })
}

/// With the commands of this program where the texts name those of `jobq`.
fn named(command: Command) -> Command {
    let in_words = |text: &StyledStr| called::in_words(&text.ansi().to_string()).into_owned();
    let (about, long) = (command.get_about().map(in_words), command.get_long_about().map(in_words));
    let after = command.get_after_help().map(in_words);
    let mut command = command;
    if let Some(about) = about {
        command = command.about(about);
    }
    if let Some(long) = long {
        command = command.long_about(long);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    let named_arg = |mut arg: Arg| {
        if let Some(help) = arg.get_help().map(in_words) {
            arg = arg.help(help);
        }
        match arg.get_long_help().map(in_words) {
            Some(help) => arg.long_help(help),
            None => arg,
        }
    };
    command.mut_args(named_arg).mut_subcommands(named)
}

fn without_empty_variables(command: Command) -> Command {
    let is_empty = |arg: &Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
    };
    let unset = |arg: Arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg };
    command.mut_args(unset).mut_subcommands(without_empty_variables)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    /// The path of each command that does something, such as `jobs list`, with the command.
    pub(in crate::cli) fn leaves() -> Vec<(String, Command)> {
        fn below(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
            for child in command.get_subcommands() {
                let path = format!("{path} {}", child.get_name()).trim_start().to_owned();
                if !child.is_subcommand_required_set() {
                    found.push((path.clone(), child.clone()));
                }
                below(child, &path, found);
            }
        }
        let mut command = Cli::command();
        command.build();
        let mut found = Vec::new();
        below(&command, "", &mut found);
        found.retain(|(path, _)| !path.ends_with("help") && !path.contains("help "));
        found
    }

    #[test]
    fn every_command_has_examples() {
        let leaves = leaves();
        assert!(leaves.len() > 35, "{}", leaves.len());
        for (path, _) in &leaves {
            assert!(EXAMPLES.iter().any(|(of, _)| of == path), "jobq {path} has no examples");
        }
        for (of, lines) in EXAMPLES {
            assert!(
                lines
                    .iter()
                    .all(|line| line.contains(&format!("jobq {of}")) || line.contains("--"))
            );
        }
    }

    #[test]
    fn every_command_prints_json() {
        // These print files.
        let files = ["completions", "man"];
        for (path, command) in leaves() {
            let flag = |name: &str| {
                let mut args = command.get_arguments();
                args.any(|arg| arg.get_long() == Some(name) && !arg.get_action().takes_values())
            };
            let prints = flag("json") || flag("json-output");
            assert!(prints || files.contains(&path.as_str()), "jobq {path} has no --json");
        }
    }

    #[test]
    fn every_command_has_a_golden_file_of_its_table_and_its_json() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/golden");
        for (path, _) in leaves() {
            let file = folder.join(path.replace(' ', "-")).with_extension("txt");
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("jobq {path}: {}: {error}", file.display()));
            let own: Vec<_> = text
                .lines()
                .filter(|line| line.starts_with("$ jobq ") && line.contains(&format!(" {path}")))
                .collect();
            let is_for_programs = |line: &&&str| {
                line.ends_with(" --json")
                    || line.contains(" --json ")
                    || line.contains("--json-output")
            };
            let with_json = own.iter().filter(is_for_programs).count();
            assert!(!own.is_empty(), "{}: no jobq {path}", file.display());
            if !["completions", "man"].contains(&path.as_str()) {
                assert!(with_json > 0, "{}: no JSON of jobq {path}", file.display());
                assert!(with_json < own.len(), "{}: no table of jobq {path}", file.display());
            }
        }
    }

    #[test]
    fn every_flag_says_what_it_is() {
        for (path, command) in leaves() {
            assert!(command.get_about().is_some(), "jobq {path}");
            for arg in command.get_arguments() {
                let said = arg.get_help().or(arg.get_long_help());
                assert!(said.is_some(), "jobq {path} {}", arg.get_id());
            }
        }
    }
}
