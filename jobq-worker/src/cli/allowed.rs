//! Which programs jobs of kind `command` may run, and with what around them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The programs that a worker allows, each with the file that it was when the worker started.
///
/// A job names a program; what runs is that file. A job cannot have another one run in its place by its
/// environment or directory.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedPrograms(BTreeMap<String, PathBuf>);

impl AllowedPrograms {
    /// Adds a program, which is found by its path or in `PATH`.
    ///
    /// # Errors
    ///
    /// For a program that is not there: it says which.
    pub(super) fn add(&mut self, name: &str) -> Result<(), String> {
        let file = file_of(name).ok_or_else(|| format!("{name:?}: there is no such program"))?;
        self.0.insert(name.to_owned(), file);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The file to run for a program; `None` if it is not allowed.
    pub(super) fn file(&self, program: &str) -> Option<&Path> {
        self.0.get(program).map(PathBuf::as_path)
    }
}

fn file_of(name: &str) -> Option<PathBuf> {
    let found = if name.contains('/') {
        PathBuf::from(name)
    } else {
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders)
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())?
    };
    // Absolute, whatever directory a job asks for; not followed, for programs that go by their name.
    let absolute = std::path::absolute(found).ok()?;
    absolute.is_file().then_some(absolute)
}

/// Whether a job may set this environment variable: not those that decide what code a program runs.
pub(super) fn may_set(variable: &str) -> bool {
    const PREFIXES: [&str; 2] = ["LD_", "DYLD_"];
    const NAMES: [&str; 4] = ["PATH", "BASH_ENV", "ENV", "IFS"];
    !NAMES.contains(&variable) && !PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// Whether a variable of the worker stays with it: where its jobs are, and with what password, is no
/// business of what it runs, and neither is it to tell systemd how the worker is.
pub(super) fn is_private(variable: &str) -> bool {
    const NAMES: [&str; 4] = ["REDIS_URL", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];
    NAMES.contains(&variable) || variable.starts_with("JOBQ_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_once_and_for_all() {
        let mut allowed = AllowedPrograms::default();
        allowed.add("sh").unwrap();

        assert!(allowed.file("sh").unwrap().is_absolute());
        assert_eq!(allowed.file("/bin/sh"), None);
        assert_eq!(allowed.file("./sh"), None);
        assert_eq!(
            allowed.add("no-such-program").unwrap_err(),
            "\"no-such-program\": there is no such program"
        );
    }

    #[test]
    fn what_decides_what_code_runs_cannot_be_set() {
        for variable in
            ["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "BASH_ENV"]
        {
            assert!(!may_set(variable), "{variable}");
        }
        assert!(may_set("GREETING"));
    }
}
