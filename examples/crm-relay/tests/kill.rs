//! Processes killed with SIGKILL, on SQLite and a queue in memory. The same on servers: `servers.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::eventually;
use reqwest::Client;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::str::FromStr;
use std::time::Duration;

use support::kills::{Kills, Posted, inbox, outbox, post};

async fn connect(db: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::from_str(db).unwrap().busy_timeout(Duration::ZERO);
    options.connect().await.unwrap()
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    eventually("the database", async || {
        sqlx::raw_sql(sql).execute(&mut *connection).await.is_ok().then_some(())
    })
    .await;
}

async fn count(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// The insert of a job takes for ever, so that the process is killed between the message and its job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_its_job_is_never_stored() {
    for (message, table) in [
        (outbox as fn(u32) -> Posted, "SELECT COUNT(*) FROM crm_outbox"),
        (inbox, "SELECT COUNT(*) FROM crm_inbox"),
    ] {
        let kills = Kills::on_sqlite().await;
        let mut connection = connect(&kills.db).await;
        run(
            &mut connection,
            "CREATE TABLE many (n INTEGER);
             INSERT INTO many SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9,10]');
             INSERT INTO many SELECT a.n FROM many a, many b, many c;
             CREATE TRIGGER hold BEFORE INSERT ON jobq_outbox BEGIN
                 SELECT COUNT(*) FROM many a, many b, many c, many d, many e;
             END",
        )
        .await;
        let (api, url) = kills.api();
        let asked = tokio::spawn(async move { post(&Client::new(), &url, &message(1)).await });
        let mut held = 0;
        eventually("the process to be in between", async || {
            let is_free = sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await;
            held = if is_free.is_ok() { 0 } else { held + 1 };
            (held == 100).then_some(())
        })
        .await;

        api.kill();

        assert_eq!(asked.await.unwrap(), None, "there was no answer");
        run(&mut connection, "DROP TRIGGER hold").await;
        assert_eq!(count(&mut connection, table).await, 0);
        assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM jobq_outbox").await, 0);
        connection.close().await.unwrap();
        // Whoever had no answer sends it again.
        let (api, url) = kills.api();
        assert_eq!(post(&Client::new(), &url, &message(1)).await, Some(202));
        drop(api);
        let told = kills.pass();
        assert!(
            told == "processed 1, sent 0, failed 0\n" || told == "processed 0, sent 1, failed 0\n"
        );
    }
}

/// jobq's relay claims a queue for some seconds on SQLite, and cannot give it back when it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_relay_had_claimed_is_done_by_the_next_pass() {
    let kills = Kills::on_sqlite().await;
    let (api, url) = kills.api();
    assert_eq!(post(&Client::new(), &url, &outbox(1)).await, Some(202));
    drop(api);
    let mut connection = connect(&kills.db).await;
    run(
        &mut connection,
        "INSERT INTO jobq_outbox_queues (queue, claimed_by, claimed_until_ms)
         VALUES ('crm-outbox', 'a relay that was killed', (unixepoch() + 3) * 1000)",
    )
    .await;

    assert_eq!(kills.pass(), "processed 0, sent 1, failed 0\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_done_although_the_process_is_killed() {
    Kills::on_sqlite().await.after_the_answer().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_was_cut_off_comes_again_with_the_same_key() {
    Kills::on_sqlite().await.during_a_delivery().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_at_any_moment_loses_nothing_and_does_nothing_twice() {
    Kills::on_sqlite().await.at_any_moment(12, 4_711).await;
}
