//! `jobq completions` and `jobq man`: what shells and `man` know of the command line.

use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::exit::Failure;
use super::{output, tree};

/// What `completions` takes.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// What `man` takes.
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this folder, such as `jobq-work.1`; by default the page of the
    /// program itself is printed.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut command = tree::command();
    let name = command.get_name().to_owned();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(Failure::Usage(format!(
            "no shell completes a program of the name {name:?}: call it by one of letters, digits, '.', '_' and '-'"
        )));
    }
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::bytes(&script)?;
    Ok(())
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let command = tree::command();
    match &args.out {
        Some(folder) => write_pages(folder, command),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::bytes(&page)?;
            Ok(())
        }
    }
}

fn write_pages(folder: &Path, command: clap::Command) -> Result<(), Failure> {
    let told = |error| Failure::failed(format!("cannot write to {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(told)?;
    clap_mangen::generate_to(command, folder).map_err(told)?;
    output::note(&format!("pages written to {}", folder.display()))?;
    Ok(())
}
