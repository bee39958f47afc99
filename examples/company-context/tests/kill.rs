//! Processes killed with SIGKILL, and servers that go away: every customer ends with what the model made of
//! its newest text.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::path::Path;
use std::process::Stdio;

use company_context::customer::CustomerId;
use company_context::db::{Counts, Store};
use company_context::stub::{Chances, Fault, Plan, Server, StubModel, condensed};
use fixtures::{Background, MariaDb, Place, eventually};
use jobq_redis::TestServer;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use support::{PROGRAM, client, stub};

/// MariaDB, Redis, and a model.
struct Stage {
    database: MariaDb,
    redis: TestServer,
    model: StubModel,
    store: Store,
    client: Client,
    server: Server,
}

impl Stage {
    async fn set(chances: Chances) -> Self {
        let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
        let (model, server) = stub(chances);
        let store = Store::open(&database.url()).await.unwrap();
        Self { database, redis, model, store, client: client(), server }
    }

    /// A worker whose jobs run elsewhere a second after it has died.
    fn worker(&self) -> Background {
        let (db, queue, model) = (self.database.url(), self.redis.url(), self.server.endpoint());
        let args =
            ["work", "--lease", "1", "--database", &db, "--redis", &queue, "--model", &model];
        PROGRAM.start(&args)
    }

    /// The API, with no worker.
    fn serve(&self) -> (Background, String) {
        let (db, queue, model) = (self.database.url(), self.redis.url(), self.server.endpoint());
        PROGRAM.listening(&[
            "serve",
            "--no-worker",
            "--listen",
            "127.0.0.1:0",
            "--driver",
            "redis",
            "--database",
            &db,
            "--redis",
            &queue,
            "--model",
            &model,
        ])
    }
}

async fn send(client: &Client, method: Method, url: String, body: Value) -> Value {
    let answer = client.request(method, url).body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn create(client: &Client, url: &str, text: &str) -> CustomerId {
    let body = json!({"name": "Ada", "text": text});
    let customer = send(client, Method::POST, format!("{url}/customers"), body).await;
    assert_eq!(customer["company_context"], text);
    CustomerId::new(customer["id"].as_i64().unwrap()).unwrap()
}

async fn all_condensed(store: &Store) {
    eventually("all customers", async || {
        let counts = store.counts().await.unwrap();
        (counts.pending == 0 && counts != Counts::default()).then_some(())
    })
    .await;
}

async fn assert_condensed(store: &Store, id: CustomerId, text: &str) {
    let customer = store.customer(id).await.unwrap().unwrap();
    assert_eq!(customer.original_text, text);
    assert_eq!(customer.company_context, condensed(text));
}

#[tokio::test]
async fn workers_killed_at_any_moment_lose_nothing() {
    const CUSTOMERS: usize = 40;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let delays = std::time::Duration::from_millis(50)..std::time::Duration::from_millis(150);
    let chances =
        Chances { seed, least_delay: delays.start, most_delay: delays.end, ..Chances::default() };
    let stage = Stage::set(chances).await;
    let (_api, url) = stage.serve();
    let mut workers: Vec<Background> = (0..2).map(|_| stage.worker()).collect();
    let mut ids = Vec::new();
    for number in 1..=CUSTOMERS {
        ids.push(create(&stage.client, &url, &format!("story {number}")).await);
    }

    for kill in 1..=4 {
        // Somewhere in the middle of things.
        let some = kill * 7 + chance.usize(0..7);
        eventually("some requests", async || (stage.model.calls().len() >= some).then_some(()))
            .await;
        workers.swap_remove(chance.usize(..workers.len())).kill();
        workers.push(stage.worker());
    }
    all_condensed(&stage.store).await;

    for (number, id) in (1..).zip(ids) {
        assert_condensed(&stage.store, id, &format!("story {number}")).await;
    }
}

#[tokio::test]
async fn a_worker_killed_while_the_model_thinks_is_replaced_and_an_edit_meanwhile_wins() {
    let stage = Stage::set(Chances::default()).await;
    stage.model.plan(Plan::next(Fault::Hold, 1));
    let (_api, url) = stage.serve();
    let first = stage.worker();
    let ada = create(&stage.client, &url, "the older story").await;
    let asked = async |text: &str, times| {
        eventually("the model", async || (stage.model.asked(text) >= times).then_some(())).await;
    };
    asked("the older story", 1).await;
    first.kill();
    let customer = stage.store.customer(ada).await.unwrap().unwrap();
    assert_eq!(customer.company_context, "the older story");

    // The next worker asks again, and is held in turn while the text is edited.
    stage.model.plan(Plan::next(Fault::Hold, 1).about("the older story"));
    let _second = stage.worker();
    asked("the older story", 2).await;
    let edit = json!({"text": "the newer story"});
    send(&stage.client, Method::PATCH, format!("{url}/customers/{ada}"), edit).await;
    stage.model.release("the older story");

    all_condensed(&stage.store).await;
    assert_condensed(&stage.store, ada, "the newer story").await;
}

/// The request for a text that nobody wants any more does not hold up the newer one until it times out.
#[tokio::test]
async fn a_hanging_request_for_an_older_text_is_called_off() {
    let stage = Stage::set(Chances::default()).await;
    stage.model.plan(Plan::next(Fault::Hang, 1));
    let (_api, url) = stage.serve();
    let _worker = stage.worker();
    let ada = create(&stage.client, &url, "the older story").await;
    eventually("the model", async || (stage.model.asked("the older story") > 0).then_some(()))
        .await;
    let began = std::time::Instant::now();

    let edit = json!({"text": "the newer story"});
    send(&stage.client, Method::PATCH, format!("{url}/customers/{ada}"), edit).await;
    all_condensed(&stage.store).await;

    assert_condensed(&stage.store, ada, "the newer story").await;
    assert!(began.elapsed().as_secs() < 40, "it took its 45 seconds: {:?}", began.elapsed());
}

/// The queue in memory dies with the process; the texts do not, nor what is to be done with them.
#[tokio::test]
async fn a_server_with_its_queue_in_memory_is_killed_and_started_again() {
    for driver in ["memory", "sync"] {
        let place = Place::new();
        let (model, server) = stub(Chances::default());
        let (db, endpoint, client) = (place.sqlite(), server.endpoint(), client());
        let serve = || {
            PROGRAM.listening(&[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--driver",
                driver,
                "--concurrency",
                "2",
                "--database",
                &db,
                "--model",
                &endpoint,
            ])
        };
        model.plan(Plan::next(Fault::Hang, 5));
        let (first, url) = serve();
        let texts: Vec<String> = (1..=5).map(|number| format!("story {number}")).collect();
        let creating = texts.iter().map(|text| {
            let body = json!({"name": "Ada", "text": text}).to_string();
            let request = client.post(format!("{url}/customers")).body(body);
            tokio::spawn(request.send())
        });
        let creating: Vec<_> = creating.collect();
        let store = Store::open(&db).await.unwrap();
        eventually("five stored, some asked for", async || {
            let is_stored = store.counts().await.unwrap().pending == 5;
            (is_stored && !model.calls().is_empty()).then_some(())
        })
        .await;
        first.kill();
        drop(creating);
        // What was planned and not used up by then does not hang the second one.
        model.forget_plans();

        let _second = serve();
        all_condensed(&store).await;

        for number in 1..=5 {
            let id = CustomerId::new(number).unwrap();
            let customer = store.customer(id).await.unwrap().unwrap();
            assert_eq!(customer.company_context, condensed(&customer.original_text), "{driver}");
        }
    }
}

/// A customer is stored and answered although the queue is away, and condensed when it is back.
#[tokio::test]
async fn customers_are_taken_while_redis_is_away() {
    let mut stage = Stage::set(Chances::default()).await;
    let (api, url) = stage.serve();
    stage.redis.kill();

    let ada = create(&stage.client, &url, "the story").await;
    let edit = json!({"text": "the newer story"});
    send(&stage.client, Method::PATCH, format!("{url}/customers/{ada}"), edit).await;
    stage.redis.restart().unwrap();
    // As if a minute had passed: whoever starts looks at once.
    api.kill();
    let (db, queue) = (stage.database.url(), stage.redis.url());
    let model = stage.server.endpoint();
    let with = ["--database", &db, "--redis", &queue, "--model", &model];
    let worked =
        PROGRAM.done(&[&["work", "--stop-when-empty", "--json"][..], &with].concat()).json();

    assert_eq!(worked["completed"], 1, "{worked}");
    assert_condensed(&stage.store, ada, "the newer story").await;
}

/// A database that dies fails the attempt, and is asked again later; the API says that it is away.
#[tokio::test]
async fn a_database_that_is_away_is_said_so() {
    let stage = Stage::set(Chances::default()).await;
    let (_api, url) = stage.serve();
    create(&stage.client, &url, "the story").await;
    let Stage { database, client, .. } = stage;
    drop(database);

    let body = json!({"name": "Bob", "text": "another"}).to_string();
    let answer = client.post(format!("{url}/customers")).body(body).send().await.unwrap();

    assert_eq!(answer.status(), 503);
    let said: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(said["error"]["code"], "unavailable");
    assert!(!said.to_string().contains("secret"), "{said}");
}

#[tokio::test]
async fn the_demo_keeps_its_promises_with_every_driver() {
    let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
    let (db, queue) = (database.url(), redis.url());
    let demo = ["demo", "--customers", "30", "--json"];
    for (more, names) in [
        (vec![], ("memory", "sqlite")),
        (vec!["--driver", "sync"], ("sync", "sqlite")),
        (vec!["--driver", "redis", "--redis", &queue, "--database", &db], ("redis", "mysql")),
    ] {
        let shown = PROGRAM.done(&[&demo[..], &more].concat()).json();

        assert_eq!((&shown["driver"], &shown["database"]), (&json!(names.0), &json!(names.1)));
        assert_eq!((&shown["customers"], &shown["edits"]), (&json!(30), &json!(12)), "{shown}");
        for none in ["originals_lost", "stale_overwrites", "wrong_contexts", "pending"] {
            assert_eq!(shown[none], 0, "{none}: {shown}");
        }
        assert_eq!(shown["stale_answers"], 6, "{shown}");
        let kept = shown["originals_kept"].as_u64().unwrap();
        assert!(kept >= 3, "those the model never condenses: {shown}");
        assert_eq!(shown["condensed"].as_u64().unwrap() + kept, 30, "{shown}");
    }
    let with = ["--database", &db, "--redis", &queue];
    let monitor = PROGRAM.done(&[&["monitor", "--json"][..], &with].concat()).json();
    assert_eq!(monitor["queue"]["failed"], 0, "it has tidied up: {monitor}");
    assert_eq!(monitor["customers"]["pending"], 0);
}

/// Characters and ids are logged; texts, keys, passwords and the words of servers are not.
#[tokio::test]
async fn the_log_tells_of_each_text_and_none_of_its_words() {
    let place = Place::new();
    let (model, server) = stub(Chances::default());
    let log = place.path("log");
    let endpoint = server.endpoint().replace("://", "://user:hunter2@");
    let db = place.sqlite();
    let mut serve = PROGRAM.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        &db,
        "--model",
        &endpoint,
    ]);
    serve.env("MODEL_KEY", "hunter3").stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    model.plan(Plan::next(Fault::Fail, 1));
    let (_served, url) = Background::listening(&mut serve);
    create(&client(), &url, "a confidential story").await;
    let store = Store::open(&db).await.unwrap();
    all_condensed(&store).await;
    let read = |log: &Path| std::fs::read_to_string(log).unwrap();
    eventually("the last line", async || read(&log).contains("condensing ended").then_some(()))
        .await;

    let log = read(&log);

    for line in [
        "dispatched customer=1 revision=1 chars=20",
        "condensing begins customer=1 revision=1 attempt=1 chars_in=20",
        "condensing failed, to be tried again customer=1 revision=1 attempt=1",
        "condensing begins customer=1 revision=1 attempt=2 chars_in=20",
        "condensing ended customer=1 revision=1 attempt=2 chars_out=",
    ] {
        assert!(log.contains(line), "{line}:\n{log}");
    }
    for word in ["confidential", "hunter2", "hunter3"] {
        assert!(!log.contains(word), "{word}:\n{log}");
    }
}
