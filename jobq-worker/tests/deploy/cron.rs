//! The crontab.

use jobq_core::Timestamp;
use jobq_scheduler::Schedule;

use crate::files;

/// The lines that run something: when, and what.
fn lines() -> Vec<(String, String)> {
    let text = files::text("docs/deploy/cron/crontab");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = |line: &str| {
        let fields: Vec<_> = line.splitn(6, ' ').collect();
        (fields[..5].join(" "), fields[5].to_owned())
    };
    lines.filter(|line| !line.starts_with("MAILTO=")).map(line).collect()
}

#[test]
fn every_line_says_when() {
    let now = Timestamp::from_millis(1_795_321_507_042);
    let lines = lines();
    assert!(lines.len() >= 5, "{lines:?}");
    for (when, what) in lines {
        let timing = Schedule::cron(&when).timing();
        let timing = timing.unwrap_or_else(|error| panic!("{when:?}, {what}: {error}"));
        let next = timing.next_after(now).unwrap_or_else(|| panic!("{when} never comes"));
        assert!(next.as_millis() - now.as_millis() <= 24 * 60 * 60 * 1_000, "{when}: {next}");
    }
}

#[test]
fn every_line_ends_by_itself_and_knows_the_server() {
    for (when, what) in lines() {
        assert!(what.starts_with(". \"$HOME/.jobq.env\" && "), "{when}: {what}");
        if what.contains("jobq work") {
            let ends = ["--once", "--stop-when-empty"].iter().any(|flag| what.contains(flag));
            assert!(ends, "{when}: {what}");
        }
        // cron takes a percent sign for the end of the line.
        assert!(!what.replace("\\%", "").contains('%'), "{when}: {what}");
    }
}
