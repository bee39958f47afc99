//! The README's commands for people without Rust, and those of the page on the built-in kinds, as they stand.

use std::fs;
use std::path::Path;

use crate::stage::{Stage, text};

const README: &str = include_str!("../../../README.md");
const KINDS: &str = include_str!("../../../docs/built-in-kinds.md");

/// The blocks of a page that are in this language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The block that a worker runs programs by.
fn programs(page: &'static str) -> &'static str {
    let mut found =
        blocks(page, "sh").into_iter().filter(|block| block.contains("enqueue command"));
    let block = found.next().unwrap();
    assert_eq!(found.next(), None, "two blocks");
    block
}

#[tokio::test]
async fn the_blocks_run_as_they_stand() {
    let folder = Path::new(env!("CARGO_BIN_EXE_jobq")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    for page in [README, KINDS] {
        let stage = Stage::set().await;
        let script = programs(page);

        let mut shell = stage.other("sh");
        let output = shell.args(["-euc", script]).env("PATH", &path).output().unwrap();

        let said = text(&output.stdout);
        assert!(output.status.success(), "{script}{said}{}", text(&output.stderr));
        let listed = said.lines().last().unwrap();
        assert!(listed.contains("completed") && listed.contains("command"), "{said}");
    }
}

#[tokio::test]
async fn the_readmes_file_is_one_that_a_worker_starts_with() {
    let stage = Stage::set().await;
    let files = blocks(README, "toml");
    let file = files.into_iter().find(|block| block.starts_with("backend =")).unwrap();
    fs::write(stage.path("jobq.toml"), file).unwrap();

    let mut worker = stage.jobq();
    let output = worker.current_dir(stage.path("")).args(["work", "--stop-when-empty"]).output();

    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
