//! Hostile files: whatever `jobq.toml` says, it is read, or refused in one line that names it.

use jobq_core::fuzz::Fuzz;

use super::Config;
use crate::registry::Registry;

#[test]
fn a_file_is_read_or_refused_in_one_line() {
    let words = [
        "[queues.",
        "[schedules.",
        "]",
        "\"\"\"",
        "=",
        "\n",
        "{",
        "}",
        "rate",
        "cron = ",
        "1979-05-27",
        "nan",
    ];
    let corpus = format!("{}/tests/fuzz/corpus/config", env!("CARGO_MANIFEST_DIR"));
    Fuzz::corpus(corpus).words(words).run_text(|text| {
        let Err(told) = Config::parse("jobq.toml", text, &Registry::new()) else { return };

        assert!(told.starts_with("jobq.toml"), "{told:?}");
        assert!(!told.contains('\n'), "{told:?}");
        assert!(told.len() < 3 * text.len() + 2_000, "{} bytes for {}", told.len(), text.len());
    });
}
