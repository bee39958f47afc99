//! Dead jobs are shown, and put back into their queues.

use std::fs;

use crate::stage::{Stage, text};

#[tokio::test]
async fn dead_jobs_are_shown_and_retried() {
    let stage = Stage::set().await;
    let good = stage.path("good");
    let script = format!("[ -e {} ] || {{ echo no luck; exit 3; }}", good.display());
    let id = stage.enqueue(&script, &["--max-attempts", "1"]);
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));

    let failed = text(&stage.run(&["failed"]).stdout);
    assert!(failed.contains(&id.to_string()) && failed.contains("command"), "{failed}");
    let json: serde_json::Value =
        serde_json::from_slice(&stage.run(&["failed", "--json"]).stdout).unwrap();
    assert_eq!(
        (json["jobs"].as_array().map(Vec::len), &json["total"]),
        (Some(1), &1.into()),
        "{json}"
    );
    let queues = text(&stage.run(&["queues"]).stdout);
    assert!(queues.contains("default"), "{queues}");

    fs::write(&good, "").unwrap();
    let retried = stage.run(&["retry", &id.to_string()]);
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    let stats = stage.stats().await;
    assert_eq!((stats.ready, stats.dead), (0, 0));
}

#[tokio::test]
async fn retry_all_brings_every_dead_job_back() {
    let stage = Stage::set().await;
    for _ in 0..20 {
        stage.enqueue("exit 1", &["--max-attempts", "1"]);
    }
    assert_eq!(stage.work(&["--stop-when-empty"]).end().0, Some(0));
    assert_eq!(stage.stats().await.dead, 20);

    let retried = stage.run(&["retry", "all"]);

    assert!(retried.status.success(), "{retried:?}");
    assert!(text(&retried.stdout).contains("20"), "{retried:?}");
    assert_eq!(stage.stats().await.ready, 20);
}

#[tokio::test]
async fn the_dead_of_many_queues_are_one_list_from_the_newest_on() {
    let stage = Stage::set().await;
    let mut ids = Vec::new();
    for queue in ["c", "a", "b", "a"] {
        let script = ["--max-attempts", "1", "--queue", queue];
        ids.push(stage.enqueue("exit 1", &script).to_string());
        let work = ["--quiet", "--stop-when-empty", "--queue", queue];
        assert_eq!(stage.work(&work).end().0, Some(0));
    }
    let page = |options: &[&str]| -> serde_json::Value {
        let output = stage.run(&[&["failed", "--json"], options].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let shown = |page: &serde_json::Value| {
        let jobs = page["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let first = page(&["--limit", "3"]);
    assert_eq!(shown(&first), [&*ids[3], &*ids[2], &*ids[1]]);
    assert_eq!((&first["total"], &first["next_offset"]), (&4.into(), &3.into()));
    let second = page(&["--limit", "3", "--offset", "3"]);
    assert_eq!(shown(&second), [&*ids[0]]);
    assert!(second["next_offset"].is_null(), "{second}");
    let of_a = page(&["--queue", "a", "--limit", "1", "--offset", "1"]);
    assert_eq!(shown(&of_a), [&*ids[1]]);

    let table = stage.run(&["failed", "--limit", "1"]);
    assert_eq!(text(&table.stdout).lines().count(), 2, "{table:?}");
    assert_eq!(text(&table.stderr), "and 3 more: --offset 1\n");
    let past = stage.run(&["failed", "--offset", "9"]);
    assert_eq!(text(&past.stdout), "no more than 4 dead jobs\n");
    let far = stage.run(&["failed", "--offset", "2001"]);
    assert_eq!(far.status.code(), Some(2));
    assert!(text(&far.stderr).contains("2000 at most, or name one by --queue"), "{far:?}");
}
