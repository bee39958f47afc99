//! The pages' snippets of Rust, compiled: each block of the pages stands in one of the files beside this one,
//! among what it needs around it. The README's first program is the example `quickstart`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "most of it is only compiled")]

mod health;
mod outbox;
mod readme;

const COMPILED: [&str; 4] = [
    include_str!("readme.rs"),
    include_str!("outbox.rs"),
    include_str!("health.rs"),
    include_str!("../../../examples/quickstart/src/main.rs"),
];

const PAGES: [(&str, &str, usize); 3] = [
    ("README.md", include_str!("../../../README.md"), 6),
    ("docs/outbox.md", include_str!("../../../docs/outbox.md"), 6),
    ("docs/health.md", include_str!("../../../docs/health.md"), 1),
];

/// A text without what rustfmt decides: spaces, line ends, and commas before a bracket that closes.
fn bare(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    bare.replace(",}", "}").replace(",)", ")")
}

#[test]
fn every_snippet_of_the_pages_is_compiled() {
    let compiled = COMPILED.map(bare);
    for (name, page, count) in PAGES {
        let blocks: Vec<&str> = page.split("\n```rust").skip(1).collect();
        assert_eq!(blocks.len(), count, "{name}: so many snippets");
        for block in blocks {
            let (_, code) = block.split_once('\n').unwrap();
            let code = code.split("\n```").next().unwrap();
            let is_compiled = compiled.iter().any(|file| file.contains(&bare(code)));
            assert!(is_compiled, "{name}: nowhere in tests/documented is\n{code}");
        }
    }
}
