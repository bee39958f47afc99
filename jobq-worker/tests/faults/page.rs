//! `docs/faults.md` names every test of the suite, and no other.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn the_page_and_the_suite_name_the_same_tests() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(2);
    let in_page: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(
                cells.len(),
                4,
                "a row has a fault, a promise, what was seen, and tests: {row}"
            );
            cells[3]
        })
        .flat_map(|tests| tests.split(", ").map(|test| test.trim_matches('`').to_owned()))
        .collect();
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let in_suite: BTreeSet<_> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|test| !test.starts_with("page::") && !test.starts_with("program::"))
        .map(str::to_owned)
        .collect();

    assert!(in_suite.len() > 15, "{in_suite:?}");
    assert_eq!(in_page.iter().cloned().collect::<BTreeSet<_>>(), in_suite);
    assert_eq!(in_page.len(), in_suite.len(), "a test is named twice");
}
