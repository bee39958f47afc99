//! Links between the pages, and to files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files;

/// All pages of a folder and of those below it.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(pages(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            all.push(path);
        }
    }
    all
}

/// The names by which the headings of a page are linked.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// What the links of a page lead to.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let here = |target: &&str| !target.contains("://") && !target.contains(char::is_whitespace);
    targets.filter(here).map(str::to_owned).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut all = pages(&files::path("docs"));
    // Not of the folders that are built.
    for folder in
        ["examples", "benches", "jobq-core", "jobq-redis", "jobq-worker", "jobq-scheduler"]
    {
        all.extend(pages(&files::path(folder)));
    }
    all.push(files::path("README.md"));
    all.push(files::path("CHANGELOG.md"));
    let mut broken = Vec::new();
    for page in all {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let leads = if anchor.is_empty() {
                target.exists()
            } else {
                fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).iter().any(|known| known == anchor))
            };
            if !leads {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
