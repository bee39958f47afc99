//! The code map in `docs/architecture.md` names every module, and none that is not there.

use crate::files;

const CRATES: [&str; 4] = ["jobq-core", "jobq-redis", "jobq-worker", "jobq-scheduler"];

/// The modules of a crate that are more than its own tests.
fn modules(lib: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut before = "";
    for line in lib.lines() {
        let module = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ");
        if let Some(name) = module.and_then(|rest| rest.strip_suffix(';'))
            && before != "#[cfg(test)]"
        {
            found.push(name);
        }
        before = line;
    }
    found
}

/// What stands before the colon of each entry of a crate's part of the map, or after another entry in its line.
fn named<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let heading = format!("### `{name}`");
    let part = page.split(&heading).nth(1).unwrap_or_else(|| panic!("{name} is not on the map"));
    let part = part.split("\n## ").next().unwrap().split("\n### ").next().unwrap();
    let entries = part.split("\n- ").skip(1).filter_map(|entry| entry.split("\n\n").next());
    let words = entries.flat_map(|entry| entry.split('`').skip(1).step_by(2));
    words.filter(|word| !word.contains(['.', ' '])).map(|word| word.trim_end_matches('/')).collect()
}

#[test]
fn the_map_names_every_module_and_no_other() {
    let page = files::text("docs/architecture.md");
    let mut wrong = Vec::new();
    for name in CRATES {
        let lib = files::text(&format!("{name}/src/lib.rs"));
        let (modules, named) = (modules(&lib), named(&page, name));
        assert!(modules.len() > 10, "{name}: {modules:?}");
        for module in modules.iter().filter(|module| !named.contains(module)) {
            wrong.push(format!("{name}: `{module}` is not on the map"));
        }
        let is_folder = |word: &str| {
            [name.to_owned(), format!("{name}/src")]
                .iter()
                .any(|place| files::path(place).join(word).is_dir())
        };
        for word in named.iter().filter(|word| !modules.contains(word) && !is_folder(word)) {
            wrong.push(format!("{name}: there is no `{word}`"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
