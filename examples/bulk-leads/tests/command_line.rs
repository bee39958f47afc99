//! The program as a whole: what it prints, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use bulk_leads::client::Client;
use bulk_leads::receiver::{Receiver, Reception};
use fixtures::{Background, Ended, Place, anywhere, eventually};
use serde_json::{Value, json};

use support::PROGRAM;
use support::steps::ids;
use support::tables::{count, execute, leads, rows};

/// Runs it to its end with these variables.
fn run_with(variables: &[(&str, &str)], args: &[&str]) -> Ended {
    Ended::of(PROGRAM.command(args).envs(variables.iter().copied()))
}

fn assert_refused(ended: &Ended, message: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
}

#[test]
fn the_demonstration_ends_with_4998_and_2() {
    let ended = PROGRAM.run(&["demo", "--leads", "5000", "--bad", "2", "--json"]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
    let line = ended.json();
    assert_eq!(
        (&line["total"], &line["ok"], &line["failed"]),
        (&json!(5000), &json!(4998), &json!(2))
    );
    assert!(line["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!((&line["status"], &line["webhook"]), (&json!("completed"), &json!("verified")));
    let reasons: Vec<&Value> =
        line["failed_leads"].as_array().unwrap().iter().map(|lead| &lead["reason"]).collect();
    assert_eq!(reasons, ["lead 4999 was deleted", "there is no lead 9000000000"]);
    let start = r#"{"total":5000,"ok":4998,"failed":2,"seconds":"#;
    assert!(ended.stdout.starts_with(start), "{}", ended.stdout);
}

#[test]
fn the_demonstration_shows_people_how_far_it_is() {
    let ended = PROGRAM.run(&["demo", "--leads", "2000", "--bad", "3"]);

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().last(), Some("2000 of 2000 leads"));
    for line in
        ["job             completed", "  changed           1,997", "webhook         verified"]
    {
        assert!(ended.stdout.contains(line), "{}", ended.stdout);
    }
    assert!(ended.stdout.contains("a lead that is won cannot become contacted"));
}

#[test]
fn a_demonstration_may_be_all_bad_or_very_small() {
    for (leads, bad) in [("1", "0"), ("1", "1"), ("7", "7")] {
        let ended = PROGRAM.run(&["demo", "--leads", leads, "--bad", bad, "--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.json()["failed"].to_string(), bad);
    }
}

#[test]
fn bad_usage_is_told() {
    for (args, message) in [
        (&["demo", "--leads", "2", "--bad", "3"][..], "--bad cannot be more than --leads"),
        (&["demo", "--leads", "0"], "invalid value '0'"),
        (&["demo", "--concurrency", "0"], "at least 1"),
        (&["serve", "--database", "postgres://localhost/x"], "the database must be"),
        (&["demo", "--queue", "amqp://localhost"], "the queue must be"),
        (&["work", "--queue", "memory:"], "add --queue redis://"),
        (&["work"], "--queue"),
        (&["serve", "--listen", "here"], "invalid value 'here'"),
        (&["keys", "add", "--user", "0"], "invalid value '0'"),
        (&["keys", "add", "--user", "1", "--webhook", "ftp://x/"], "http://"),
        (&["keys", "add", "--user", "1", "--max-pending-jobs", "-1"], "'-1'"),
        (&["prune", "--completed", "soon"], "invalid value 'soon'"),
        (&["serve", "--job-timeout", "0s"], "from 1s to 30days"),
        (&["serve", "--job-timeout", "584000000000y"], "from 1s to 30days"),
        (&["keys", "add", "--user", "1", "--min-seconds-between-jobs", "86401"], "86401"),
        (&["monitor", "--stuck-after", "-5m"], "-5"),
        (&[], "Usage"),
    ] {
        assert_refused(&PROGRAM.run(args), message);
    }
}

#[test]
fn what_cannot_be_reached_is_told_without_its_password() {
    let place = Place::new();
    let nowhere = place.path("no/such/directory/bulk.db");
    for (args, message) in [
        (["monitor", "--database", "mysql://app:hunter2@127.0.0.1:1/crm"], "127.0.0.1:1/crm"),
        (["monitor", "--database", &format!("sqlite://{}", nowhere.display())], "cannot open"),
        (["demo", "--queue", "redis://:hunter2@127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let ended = PROGRAM.run(&args);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
}

/// However the address is written: what is no address at all may have a password in it, too.
#[test]
fn a_password_is_never_shown() {
    for database in [
        "mysql:app:hunter2@127.0.0.1:1/crm",
        "mariadb:app:hunter2@127.0.0.1:1/crm",
        "mysql:/app:hunter2@127.0.0.1:1/crm",
        "mysql://app:hunter2/crm",
        "mysql://app:1/hunter2@127.0.0.1/crm",
        "postgres://app:hunter2@127.0.0.1/crm",
        "mysql://app@127.0.0.1:1/crm?password=hunter2",
    ] {
        let ended = PROGRAM.run(&["monitor", "--database", database]);
        assert_ne!(ended.code, Some(0), "{database}");
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

/// Whoever has `DATABASE_URL` set for other commands means nothing by it here.
#[tokio::test]
async fn leads_that_are_there_are_not_overwritten_unasked() {
    let place = Place::new();
    let db = place.sqlite();
    assert_eq!(PROGRAM.run(&["seed", "--leads", "3", "--database", &db]).code, Some(0));
    execute(&db, "UPDATE crm_leads SET status = 'won'").await;
    let mine = leads(&db).await;
    let servers = [("DATABASE_URL", db.as_str()), ("REDIS_URL", "redis://127.0.0.1:1")];

    let elsewhere = run_with(&servers, &["demo", "--leads", "5", "--bad", "0", "--json"]);
    assert_eq!(elsewhere.code, Some(0), "{}", elsewhere.stderr);
    assert_eq!(leads(&db).await, mine);
    run_with(&servers, &["bench", "--requests", "1", "--rounds", "1", "--json"]).json();
    assert_eq!(leads(&db).await, mine);
    for args in [&["demo"][..], &["bench"], &["seed"]] {
        let refused = PROGRAM.run(&[args, &["--database", &db]].concat());
        assert_refused(&refused, "--overwrite");
        assert_eq!(leads(&db).await, mine);
    }
    assert_refused(&run_with(&servers, &["seed"]), "--overwrite");

    let small = ["demo", "--leads", "5", "--bad", "0", "--database", &db, "--overwrite"];
    assert_eq!(PROGRAM.run(&small).code, Some(0));
    assert_eq!(leads(&db).await.iter().filter(|lead| lead[1] == "contacted").count(), 5);
}

#[cfg(unix)]
#[test]
fn a_new_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();

    let seeded = Ended::of(PROGRAM.command(&["seed", "--leads", "1"]).current_dir(place.path("")));

    assert_eq!(seeded.code, Some(0), "{}", seeded.stderr);
    let mode = std::fs::metadata(place.path("bulk-leads.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn keys_are_made_listed_limited_and_revoked() {
    let place = Place::new();
    let db = place.sqlite();
    let keys = |args: &[&str]| PROGRAM.run(&[&["keys"], args, &["--database", &db]].concat());

    let added = keys(&[
        "add",
        "--user",
        "7",
        "--premium",
        "--webhook",
        "https://ada:hunter2@example.com/hook",
        "--max-leads-per-job",
        "20000",
        "--name",
        "Ada",
        "--json",
    ]);
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    let added = added.json();
    let id = added["id"].as_str().unwrap();
    assert!(added["key"].as_str().unwrap().starts_with(&format!("blk_{id}_")));
    assert_eq!(added["webhook_secret"].as_str().unwrap().len(), 64);

    let limited = keys(&["limit", id, "--min-seconds-between-jobs", "5"]);
    assert!(limited.stdout.contains("20,000 leads a job"), "{}", limited.stdout);
    assert!(limited.stdout.contains("5 s between jobs"), "{}", limited.stdout);
    let listed = keys(&["list", "--json"]);
    let line = listed.json();
    assert_eq!(
        (&line["user"], &line["premium"], &line["name"]),
        (&json!(7), &json!(true), &json!("Ada"))
    );
    assert_eq!(line["limits"]["max_leads_per_job"], 20_000);
    assert!(!listed.stdout.contains(added["key"].as_str().unwrap().rsplit('_').next().unwrap()));
    assert!(!listed.stdout.contains(added["webhook_secret"].as_str().unwrap()));
    assert_eq!(line["webhook"], "https://example.com/hook", "without what may be a password");
    let reset = keys(&["limit", id, "--reset", "--max-pending-jobs", "3"]);
    assert!(
        reset.stdout.contains("3 pending, 100 jobs a day, 10,000 leads a job"),
        "{}",
        reset.stdout
    );

    assert_eq!(keys(&["revoke", id]).code, Some(0));
    assert!(keys(&["list"]).stdout.contains("REVOKED"));
    for unknown in [keys(&["revoke", "nobody"]), keys(&["limit", "nobody"])] {
        assert_refused(&unknown, "there is no key \"nobody\"");
    }
}

/// The server as somebody runs it who has read the first lines of the description.
#[tokio::test]
async fn a_server_is_run_watched_and_stopped() {
    let place = Place::new();
    let db = place.sqlite();
    assert_eq!(PROGRAM.run(&["seed", "--leads", "1200", "--database", &db]).code, Some(0));
    let added = PROGRAM.run(&["keys", "add", "--user", "7", "--database", &db, "--json"]).json();
    let (server, url) = PROGRAM.listening(&["serve", "--listen", "127.0.0.1:0", "--database", &db]);
    let client = Client::new(url, added["key"].as_str().unwrap()).unwrap();

    let accepted = client.change(&ids(1, 1_200), "contacted").await.unwrap();
    let end = client.follow(accepted.text("job_id"), |_| {}).await.unwrap();
    assert_eq!((&end["status"], &end["successes"]), (&json!("completed"), &json!(1200)));
    let healthy = PROGRAM.run(&["monitor", "--database", &db, "--json"]);
    assert_eq!((healthy.code, &healthy.json()["pending"]), (Some(0), &json!(0)));

    server.terminate();
    assert_eq!(server.wait().0, Some(0));

    // Two of its jobs are left behind by a worker that has died.
    execute(&db, "UPDATE crm_bulk_jobs SET state = 'pending', moved_at = 0, ended_at = NULL").await;
    let stuck = PROGRAM.run(&["monitor", "--database", &db]);
    assert_eq!(stuck.code, Some(1));
    assert!(
        stuck.stdout.contains(&format!("stuck: {}", accepted.text("job_id"))),
        "{}",
        stuck.stdout
    );
    execute(&db, "UPDATE crm_bulk_jobs SET state = 'processing', successes = 0, deadline_at = 1")
        .await;
    let late = PROGRAM.run(&["monitor", "--database", &db, "--json"]);
    assert_eq!((late.code, &late.json()["timed_out"]), (Some(0), &json!(1)));

    execute(&db, "UPDATE crm_bulk_jobs SET created_at = 1, ended_at = 1").await;
    let pruned = PROGRAM.run(&["prune", "--database", &db]);
    assert_eq!((pruned.code, pruned.stdout.trim()), (Some(0), "1 jobs forgotten"));
    assert_eq!(count(&db, "SELECT COUNT(*) FROM crm_bulk_jobs").await, 0);
}

/// The queue is in the memory of the process that is killed: all there is left is the tables.
#[tokio::test]
async fn a_server_that_is_killed_again_and_again_updates_no_lead_twice() {
    const LEADS: usize = 4_000;
    let place = Place::new();
    let db = place.sqlite();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--chunk-leads", "20", "--database", &db];
    assert_eq!(PROGRAM.run(&["seed", "--leads", "4000", "--database", &db]).code, Some(0));
    execute(&db, "UPDATE crm_leads SET deleted_at = 1 WHERE id IN (777, 3000)").await;
    execute(&db, "CREATE TABLE updates (lead_id INTEGER NOT NULL)").await;
    let note = "CREATE TRIGGER note AFTER UPDATE OF status ON crm_leads
                BEGIN INSERT INTO updates VALUES (new.id); END";
    execute(&db, note).await;
    let added = PROGRAM.run(&["keys", "add", "--user", "7", "--database", &db, "--json"]).json();
    let done_chunks = async || count(&db, "SELECT COUNT(*) FROM crm_bulk_chunks").await;

    let (mut server, url) = PROGRAM.listening(&serve);
    let client = Client::new(url, added["key"].as_str().unwrap()).unwrap();
    let accepted = client.change(&ids(1, LEADS), "contacted").await.unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.body);
    // Before anything is done, it may be, and at some points in the middle.
    for some in [0, 1, 20, 21, 60, 120] {
        eventually("some chunks", async || (done_chunks().await >= some).then_some(())).await;
        server.kill();
        assert!(done_chunks().await < 200, "all chunks were done before the kill");
        server = PROGRAM.listening(&serve).0;
    }
    server.kill();
    let (_server, url) = PROGRAM.listening(&serve);
    let client = Client::new(url, added["key"].as_str().unwrap()).unwrap();
    let end = client.follow(accepted.text("job_id"), |_| {}).await.unwrap();

    assert_eq!((&end["status"], &end["successes"]), (&json!("completed"), &json!(3_998)));
    let job = client.get(accepted.text("check_status_url")).await.unwrap().body;
    let failed: Vec<_> =
        job["failed_leads"].as_array().unwrap().iter().map(|lead| &lead["lead_id"]).collect();
    assert_eq!(failed, [777, 3_000]);
    let updates = rows(&db, "SELECT COUNT(*), COUNT(DISTINCT lead_id) FROM updates").await;
    assert_eq!(updates, [["3998", "3998"]]);
    assert_eq!(count(&db, "SELECT COUNT(*) FROM crm_lead_history").await, 3_998);
    assert_eq!(done_chunks().await, 200);
}

#[tokio::test]
async fn a_stuck_job_is_told_in_the_log() {
    let place = Place::new();
    let db = place.sqlite();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--concurrency", "0", "--database", &db];
    assert_eq!(PROGRAM.run(&["seed", "--leads", "10", "--database", &db]).code, Some(0));
    let added = PROGRAM.run(&["keys", "add", "--user", "7", "--database", &db, "--json"]).json();
    let (server, url) = PROGRAM.listening(&serve);
    let client = Client::new(url, added["key"].as_str().unwrap()).unwrap();
    let accepted = client.change(&ids(1, 10), "contacted").await.unwrap();
    server.kill();
    execute(&db, "UPDATE crm_bulk_jobs SET moved_at = moved_at - 300001").await;

    let told = format!("bulk job {} is stuck", accepted.text("job_id"));
    Background::until_it_logs(&mut PROGRAM.command(&serve), &told).kill();
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let place = Place::new();
    let taken = Receiver::start(Reception::new(anywhere(), "s")).await.unwrap();
    let address = taken.url().trim_start_matches("http://").split('/').next().unwrap().to_owned();

    let ended = PROGRAM.run(&["serve", "--listen", &address, "--database", &place.sqlite()]);

    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("cannot listen on {address}")), "{}", ended.stderr);
}

/// Small, so that it is the program that is tested and not the machine.
#[test]
fn the_benchmark_says_what_it_has_measured() {
    let ended = PROGRAM.run(&["bench", "--requests", "5", "--rounds", "1", "--json"]);

    let line = ended.json();
    assert_eq!(
        (&line["async_10k"]["requests"], &line["async_10k_busy"]["requests"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(line["five_clients"]["leads"], 4_600);
    let p99 = line["async_10k"]["p99_ms"].as_f64().unwrap();
    let together = &line["five_clients"];
    let busy = line["async_10k_busy"]["p99_ms"].as_f64().unwrap();
    let met = p99 <= 10.0
        && busy <= 10.0
        && together["answered_ms"].as_f64().unwrap() < 250.0
        && together["done_seconds"].as_f64().unwrap() <= 2.0;
    assert_eq!(line["met"], met);
    assert_eq!(ended.code, Some(if met { 0 } else { 1 }), "{}", ended.stderr);
}
