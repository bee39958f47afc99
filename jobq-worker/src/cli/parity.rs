//! `docs/coming-from.md` has a row for each command that people of other systems know. That what stands on its right
//! can be read is looked at by `documented`, as of every page.

use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/coming-from.md");

/// What people type there, by section.
const THERE: [(&str, &[&str]); 4] = [
    (
        "Laravel",
        &[
            "queue:work",
            "--queue=",
            "--once",
            "--stop-when-empty",
            "--max-jobs",
            "--max-time",
            "--memory",
            "--name",
            "--sleep",
            "--rest",
            "--tries",
            "--timeout",
            "--backoff",
            "--force",
            "queue:listen",
            "queue:restart",
            "queue:failed",
            "queue:retry",
            "queue:forget",
            "queue:flush",
            "queue:prune-failed",
            "queue:clear",
            "queue:monitor",
            "queue:pause",
            "queue:resume",
            "queue:retry-batch",
            "queue:prune-batches",
            "queue:table",
            "queue:failed-table",
            "queue:batches-table",
            "make:job",
            "schedule:run",
            "schedule:work",
            "schedule:list",
            "schedule:test",
            "schedule:interrupt",
            "schedule:clear-cache",
            "horizon",
            "horizon:status",
            "horizon:list",
            "horizon:supervisors",
            "horizon:snapshot",
            "horizon:pause",
            "horizon:continue",
            "horizon:terminate",
            "horizon:clear",
            "horizon:forget",
            "horizon:purge",
        ],
    ),
    (
        "Sidekiq",
        &[
            "sidekiq -q",
            "-c 10",
            "-t 25",
            "-C ",
            "-r ",
            "-e ",
            "-v",
            "TSTP",
            "TERM",
            "TTIN",
            "sidekiqswarm",
            "sidekiqmon",
            "Web UI",
            ".size",
            ".latency",
            "Queue#pause!",
            "Queue#clear",
            "RetrySet",
            "ScheduledSet",
            "DeadSet#retry_all",
            "DeadSet#clear",
            "job.delete",
            "ProcessSet",
            "Workers",
            "Stats",
            "sidekiq-cron",
        ],
    ),
    (
        "BullMQ",
        &[
            "new Queue",
            "new Worker",
            "queue.add",
            "addBulk",
            "queue.pause",
            "resume",
            "worker.pause",
            "worker.close",
            "getJobCounts",
            "getFailed",
            "job.retry",
            "retryJobs",
            "getWaiting",
            "getDelayed",
            "getActive",
            "getCompleted",
            "drain",
            "clean",
            "obliterate",
            "job.remove",
            "getState",
            "getJob(",
            "getWorkers",
            "getMetrics",
            "promote",
            "upsertJobScheduler",
            "removeJobScheduler",
            "getJobSchedulers",
            "setGlobalConcurrency",
            "Bull Board",
        ],
    ),
    (
        "Celery",
        &[
            "worker",
            "-Q",
            "-c ",
            "-n ",
            "-l ",
            "--max-tasks-per-child",
            "--max-memory-per-child",
            "--autoscale",
            "--time-limit",
            "-B",
            "celery beat",
            "celery call",
            "celery result",
            "celery status",
            "inspect ping",
            "inspect active",
            "reserved",
            "scheduled",
            "inspect stats",
            "inspect registered",
            "active_queues",
            "inspect revoked",
            "control revoke",
            "control rate_limit",
            "control time_limit",
            "control shutdown",
            "celery purge",
            "celery events",
            "Flower",
            "celery multi",
            "celery report",
            "celery list",
            "celery shell",
            "celery migrate",
        ],
    ),
];

/// The rows of all tables of a section: what stands on the left, and on the right.
fn rows(page: &str, section: &str) -> Vec<(String, String)> {
    let title = format!("\n## {section}\n");
    let (_, rest) = page.split_once(&title).unwrap_or_else(|| panic!("no section {section}"));
    let text = rest.split("\n## ").next().unwrap_or_default();
    let cells = |line: &str| {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (left, right) = line.split_once(" | ")?;
        (left != "there" && !left.starts_with("---")).then(|| (left.to_owned(), right.to_owned()))
    };
    text.lines().filter_map(cells).collect()
}

#[test]
fn every_usual_command_of_other_systems_has_its_row() {
    let page = fs::read_to_string(PAGE).unwrap();
    let mut missing = Vec::new();
    for (section, commands) in THERE {
        let rows = rows(&page, section);
        assert!(rows.len() > 20, "{section}: {rows:?}");
        for (left, right) in &rows {
            assert!(!right.trim().is_empty(), "{section}: {left} has nothing on its right");
        }
        for command in commands {
            if !rows.iter().any(|(left, _)| left.contains(command)) {
                missing.push(format!("{section}: {command}"));
            }
        }
    }
    assert!(missing.is_empty(), "no row for:\n{}", missing.join("\n"));
}
