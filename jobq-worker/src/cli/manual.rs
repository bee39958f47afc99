//! `jobq completions` and `jobq man`: what shells and `man` know of the command line.

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Failure;
use super::{Cli, output};

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
    let mut command = Cli::command();
    let name = called(&command);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::bytes(&script)?;
    Ok(())
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let command = Cli::command();
    let name = called(&command);
    match &args.out {
        Some(folder) => write_pages(folder, command.name(name)),
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command.name(name)).render(&mut page)?;
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

/// The name by which this program was called: that of the user's own binary, where it is not `jobq`.
fn called(command: &clap::Command) -> &'static str {
    let file = std::env::args_os().next().map(PathBuf::from);
    let name = file.as_deref().and_then(Path::file_stem).and_then(|name| name.to_str());
    // clap keeps names for as long as the process lives, which is about to end.
    name.unwrap_or_else(|| command.get_name()).to_owned().leak()
}
