//! What the chapters share: the files, programs that may be there, and how long a worker takes to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use jobq_core::duration;

/// How long a worker may take to end beyond its grace: to cancel, settle and give back.
pub(crate) const BEYOND_GRACE: Duration = Duration::from_secs(5);

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name)
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of the files in a folder of `docs/deploy`.
pub(crate) fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(path("docs/deploy").join(folder)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether there is such a program here.
#[expect(clippy::print_stdout, reason = "who looks should see what was not tried")]
pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = command.status().is_ok();
    if !is_there {
        println!("not tried: there is no {program} here");
    }
    is_there
}

/// The grace of a worker with these arguments; that of the program itself unless they say otherwise.
pub(crate) fn grace<S: AsRef<str>>(arguments: &[S]) -> Duration {
    let given = arguments.iter().position(|word| word.as_ref() == "--grace");
    given.map_or_else(default_grace, |at| duration::parse(arguments[at + 1].as_ref()).unwrap())
}

fn default_grace() -> Duration {
    let help = Command::new(env!("CARGO_BIN_EXE_jobq")).args(["work", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, grace) = help.split_once("--grace").unwrap();
    let (told, _) = grace.split_once(" by default").unwrap();
    duration::parse(told.split_whitespace().last().unwrap()).unwrap()
}

/// A time-out such as `75s`.
pub(crate) fn seconds(text: &str) -> Duration {
    duration::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

#[test]
fn the_grace_is_known() {
    assert_eq!(grace::<&str>(&[]), Duration::from_secs(25));
    assert_eq!(grace(&["jobq", "work", "--grace", "2m"]), Duration::from_secs(120));
}
