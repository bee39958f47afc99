//! The README shows this program as it is, and it does what the README says.

use std::process::Command;

const README: &str = include_str!("../../../README.md");
const PROGRAM: &str = include_str!("../src/main.rs");

#[test]
fn the_readme_shows_the_program_to_the_letter() {
    assert!(README.contains(PROGRAM), "README.md and examples/quickstart/src/main.rs differ");
    assert!(PROGRAM.lines().count() <= 25, "a quick start has at most 25 lines");
}

#[test]
fn the_program_prints_what_the_readme_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart")).output().unwrap();

    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "welcome, user 42 (attempt 1)\n1 done\n");
    assert!(README.contains(&printed));
}
