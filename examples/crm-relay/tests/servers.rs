//! The same on servers: MariaDB and Redis.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use crm_relay::db::{Received, Store};
use crm_relay::message::{InboxStatus, NewInbox};
use crm_relay::{OpenQueue, Service, Setup, WorkSetup};
use fixtures::{Background, MariaDb, Place, eventually};
use jobq_core::MemoryBackend;
use jobq_redis::TestServer;
use reqwest::Client;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use support::PROGRAM;
use support::answers::every_answer;
use support::kills::{Kills, Posted, inbox, outbox, post};
use support::steps::{SHOP, Steps, contact};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_keeps_its_promises_on_mariadb() {
    let server = MariaDb::start().await;

    let steps = Steps::over(Place::new(), server.url()).await;
    every_answer(&steps).await;

    let steps = Steps::over(Place::new(), server.another("inbox").await).await;
    let id = steps.receive("m-1", "contact.updated", &contact("c-1")).await;
    for n in 2..=9 {
        steps.receive(&format!("m-{n}"), "contact.updated", &contact("c-1")).await;
    }
    steps.receive("m-0", "moon.rose", &contact("c-1")).await;
    assert_eq!(steps.pass().await.to_string(), "processed 9, sent 0, failed 1");
    assert_eq!(steps.store().contact(SHOP, "c-1").await.unwrap(), Some((9, "Ada".to_owned())));
    let again = NewInbox::new(SHOP, "m-1", "contact.updated", &contact("c-1")).unwrap();
    let again = steps.store().receive(again).await.unwrap();
    assert_eq!(again, Received::Repeated(id, InboxStatus::Processed));

    everything_at_once(&server).await;
}

/// Two that store the same message at the same time store one.
async fn everything_at_once(server: &MariaDb) {
    let store = Store::open(&server.another("moment").await).await.unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..120 {
        let store = store.clone();
        asking.spawn(async move {
            let id = format!("m-{}", n % 20);
            let new = NewInbox::new(SHOP, &id, "contact.updated", &contact("c-1")).unwrap();
            store.receive(new).await.unwrap()
        });
    }
    let answers = asking.join_all().await;
    let new = answers.iter().filter(|answer| matches!(answer, Received::New(_))).count();
    assert_eq!(new, 20);
    assert!(!answers.contains(&Received::Different));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_keeps_every_promise_on_mariadb_and_redis() {
    let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
    let (db, queue) = (database.url(), redis.url());

    let args = ["demo", "--messages", "100", "--json", "--database", &db, "--queue", &queue];
    let verdict = PROGRAM.done(&args).json();

    assert_eq!((&verdict["inbox"], &verdict["outbox"]), (&100.into(), &100.into()), "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_nothing_is_lost_on_mariadb_and_redis() {
    let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
    let kills = Kills::on(Place::new(), database.url(), redis.url()).await;
    between_the_message_and_its_job(&database, &kills).await;
    kills.after_the_answer().await;
    kills.during_a_delivery().await;
    kills.at_any_moment(8, 42).await;
}

/// Somebody holds a lock that the insert of the job has to wait for.
async fn between_the_message_and_its_job(database: &MariaDb, kills: &Kills) {
    for message in [outbox as fn(u32) -> Posted, inbox] {
        let (api, url) = kills.api();
        let mut holder = MySqlConnection::connect(&database.url()).await.unwrap();
        sqlx::raw_sql("LOCK TABLES jobq_outbox WRITE").execute(&mut holder).await.unwrap();
        let asked = tokio::spawn(async move { post(&Client::new(), &url, &message(7)).await });
        let mut root = database.root().await;
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist
                       WHERE info LIKE 'INSERT INTO jobq_outbox%' AND state LIKE 'Waiting for table%'";
        eventually("the process to be in between", async || {
            let waits: i64 = sqlx::query_scalar(waiting).fetch_one(&mut root).await.unwrap();
            (waits == 1).then_some(())
        })
        .await;

        api.kill();

        assert_eq!(asked.await.unwrap(), None, "there was no answer");
        sqlx::raw_sql("UNLOCK TABLES").execute(&mut holder).await.unwrap();
        // Whoever had no answer sends it again; it waits until the server has found out that nobody is there
        // any more, and undone what was there.
        let (api, url) = kills.api();
        assert_eq!(post(&Client::new(), &url, &message(7)).await, Some(202), "it is new");
        drop(api);
        let told = kills.pass();
        assert!(
            told.contains("processed 1, sent 0") || told.contains("processed 0, sent 1"),
            "{told}"
        );
    }
}

/// A worker that waits is woken by whoever stores a message elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_is_woken_by_another_process() {
    let redis = TestServer::start().unwrap();
    let place = Place::new();
    let db = place.sqlite();
    let kills = Kills::on(place, db, redis.url()).await;
    let worker = kills.worker();
    let (api, url) = kills.api();
    let client = Client::new();
    for n in 1..=10 {
        assert_eq!(post(&client, &url, &outbox(n)).await, Some(202));
        kills.receiver.came(n as usize).await;
    }
    let send: Background =
        PROGRAM.start(&["send", "shop", "a", "--database", &kills.db, "--queue", &redis.url()]);
    kills.receiver.came(11).await;
    assert_eq!(send.wait().0, Some(0));
    for process in [api, worker] {
        process.terminate();
        assert_eq!(process.wait().0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_of_the_one_worker_is_taken_again_or_the_work_ends() {
    let (server, _place) = (MariaDb::start().await, Place::new());
    let store = Store::open(&server.url()).await.unwrap();
    let queue = OpenQueue::memory(MemoryBackend::new());
    let work = Some(WorkSetup::default());
    let mut service = Service::start(Setup { store, queue, api: None, work }).await.unwrap();
    let mut other = MySqlConnection::connect(&server.url()).await.unwrap();
    let name = "CONCAT('crm-relay.', LEFT(DATABASE(), 50))";
    let holder = format!("SELECT CAST(IS_USED_LOCK({name}) AS SIGNED)");
    let holder = async |other: &mut MySqlConnection| -> Option<i64> {
        sqlx::query_scalar(AssertSqlSafe(holder.clone())).fetch_one(other).await.unwrap()
    };
    // As when the server is started anew.
    let first = holder(&mut other).await.unwrap();
    let kill = |id: i64| sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}")));
    kill(first).execute(&mut other).await.unwrap();
    let second = eventually("the lock to be taken again", async || {
        holder(&mut other).await.filter(|id| *id != first)
    })
    .await;

    kill(second).execute(&mut other).await.unwrap();
    let take = AssertSqlSafe(format!("SELECT GET_LOCK({name}, 10)"));
    let taken: Option<i64> = sqlx::query_scalar(take).fetch_one(&mut other).await.unwrap();

    assert_eq!(taken, Some(1));
    let failure = service.failed().await.to_string();
    assert!(failure.contains("another process has taken over"), "{failure}");
}
