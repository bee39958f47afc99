//! Whether it is meant: what destroys asks before.

use std::io::{self, BufRead, IsTerminal, Write};

use super::exit::Failure;

/// What most of these commands do.
pub(super) const TAKES_JOBS: &str = "takes jobs away";

/// How a command that destroys is told that it is meant.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Consent {
    /// Change nothing: only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

impl Consent {
    pub(super) const fn is_dry_run(self) -> bool {
        self.dry_run
    }

    /// Refuses what could not be asked: nobody is there to answer. `does` is what would be done, such as
    /// [`TAKES_JOBS`].
    pub(super) fn check(self, does: &str) -> Result<(), Failure> {
        if self.dry_run || self.yes || somebody_is_there() {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "this {does}, and there is no terminal to ask: say --yes, or --dry-run to see what it would do"
        )))
    }

    /// Asks, unless that is settled: says whether to go on. The question says what is lost, and where.
    pub(super) fn ask(self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        let mut out = io::stderr().lock();
        write!(out, "{question} [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if is_yes(&answer) { Ok(()) } else { Err(Failure::failed("nothing was changed")) }
    }
}

fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for answer in ["y\n", "Y\n", " yes \n", "YES"] {
            assert!(is_yes(answer), "{answer:?}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "yes please\n"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
