//! How waiting for an import ends when the import cannot, or when somebody does not want to wait.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(unix)]

mod support;

use std::process::{Child, Command, Stdio};

use fixtures::{Place, eventually, sqlite_url};
use jobq_core::{Inspect, JobId, JobState, QueueName};
use jobq_redis::RedisBackend;
use tokio::net::TcpListener;

use support::PROGRAM;
use support::servers::Redis;

const HEADER: &str = "sku,ean,stock_quantity,delivery_days,purchase_price\n";

fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A worker on the wrong database makes chunks die without a word to the import.
#[tokio::test]
async fn waiting_for_an_import_ends_when_one_of_its_jobs_is_dead() {
    let (place, redis) = (Place::new(), Redis::start());
    let list = place.file("list.csv", format!("{HEADER}{}", "X-1,,1,1,1.00\n".repeat(1_000)));
    let (db, queue) = (place.sqlite(), redis.url());
    let wrong = sqlite_url(&place.path("wrong.db"));
    let intruder =
        PROGRAM.start(&["work", "--queue", "import", "--db", &wrong, "--backend", &queue]);
    let backend = RedisBackend::connect(&queue).await.unwrap();
    eventually("the worker", async || (!backend.workers().await.unwrap().is_empty()).then_some(()))
        .await;

    let list = list.to_str().unwrap();
    let ended = PROGRAM.run(&[
        "import",
        list,
        "--db",
        &db,
        "--queue",
        &queue,
        "--chunk-rows",
        "1",
        "--json",
    ]);
    intruder.kill();

    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("cannot end"), "{}", ended.stderr);
    let (_, retry) = ended.stderr.split_once("`jobq retry ").unwrap();
    let named: JobId = retry.split('`').next().unwrap().parse().unwrap();
    let chunks = QueueName::new("import").unwrap();
    let dead = backend.jobs(&chunks, JobState::Dead, 0, 1_000).await.unwrap();
    let dead: Vec<JobId> = dead.iter().map(|job| job.record.id).collect();
    assert!(dead.contains(&named), "{named} is not dead");

    backend.requeue(&chunks, &dead).await.unwrap();
    let (_, id) = ended.stderr.split_once("import ").unwrap();
    let id = id.split(' ').next().unwrap();
    let rest = PROGRAM.run(&["work", "--db", &db, "--backend", &queue, "--stop-when-empty"]);
    assert_eq!(rest.code, Some(0), "{}", rest.stderr);
    let summary = PROGRAM.run(&["summary", id, "--db", &db, "--json"]);
    assert_eq!(summary.json()["rows_read"], 1_000);
    assert_eq!(summary.json()["status"], "completed");
}

/// A server that says nothing keeps a job running for its whole time-out, and the worker's grace.
#[tokio::test]
async fn a_second_interrupt_ends_an_import_at_once() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/list.csv", silent.local_addr().unwrap());
    let args = ["import", &url, "--db", &place.sqlite(), "--http-timeout", "600"];
    let mut import = PROGRAM.command(&args).stderr(Stdio::null()).spawn().unwrap();
    let _connection = silent.accept().await.unwrap();

    let began = std::time::Instant::now();
    let status = eventually("the import to end", async || {
        signal("-INT", &import);
        import.try_wait().unwrap()
    })
    .await;

    assert_eq!(status.code(), Some(1));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_demonstration_that_is_stopped_leaves_nothing_behind() {
    let place = Place::new();
    let left = || std::fs::read_dir(place.path("")).unwrap().count();
    let mut demo = PROGRAM
        .command(&["--rows", "100000"])
        .env("TMPDIR", place.path(""))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("its files", async || (left() > 0).then_some(())).await;

    signal("-TERM", &demo);
    let status = eventually("the demonstration to end", async || demo.try_wait().unwrap()).await;

    assert_eq!(status.code(), Some(1));
    assert_eq!(left(), 0);
}
