//! The program as it is run: once, in a loop, with limits, and stopped.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use crm_relay::db::Store;
use crm_relay::message::{NewInbox, NewOutbox};
use crm_relay::stub::{Answer, Server, StubReceiver};
use fixtures::{Background, Ended, Place, eventually};
use serde_json::json;

use support::steps::contact;
use support::{PROGRAM, SECRET, TOKEN, receiver};

struct Scene {
    store: Store,
    db: String,
    receiver: StubReceiver,
    _server: Server,
    _place: Place,
}

impl Scene {
    async fn set() -> Self {
        let place = Place::new();
        let db = place.sqlite();
        let store = Store::open(&db).await.unwrap();
        let (receiver, server) = receiver().await;
        store.add_integration("shop", &server.url("shop"), SECRET).await.unwrap();
        Self { store, db, receiver, _server: server, _place: place }
    }

    async fn send(&self, messages: u32) {
        for _ in 0..messages {
            let new = NewOutbox::new("shop", "contact.updated", &contact("c-1"), None).unwrap();
            self.store.enqueue(new).await.unwrap();
        }
    }

    async fn receive(&self, messages: u32) {
        for n in 0..messages {
            let (id, data) = (format!("m-{n}"), contact("c-1"));
            let new = NewInbox::new("shop", &id, "contact.updated", &data).unwrap();
            self.store.receive(new).await.unwrap();
        }
    }

    async fn sent(&self) -> u64 {
        self.store.metrics().await.unwrap().outbox.by_status["sent"]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_works_on_what_is_there_and_ends() {
    let scene = Scene::set().await;
    scene.send(5).await;
    scene.receive(3).await;
    scene.receiver.plan("shop", [Answer::Status(422)]);

    let first = PROGRAM.done(&["work", "--once", "--database", &scene.db]);
    let second = PROGRAM.done(&["work", "--once", "--json", "--database", &scene.db]);

    assert_eq!(first.stdout, "processed 3, sent 4, failed 1\n");
    assert_eq!(second.json(), json!({"processed": 0, "sent": 0, "failed": 0, "retried": 0}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_takes_no_more_than_its_limit_and_leaves_the_rest_to_the_next() {
    let scene = Scene::set().await;
    scene.send(7).await;

    let printed =
        |_| PROGRAM.done(&["work", "--once", "--limit", "3", "--database", &scene.db]).stdout;
    let lines: String = (0..4).map(printed).collect();

    let line = |sent| format!("processed 0, sent {sent}, failed 0\n");
    assert_eq!(lines, [3, 3, 1, 0].map(line).concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_pass_leaves_a_long_backlog_where_it_is() {
    let scene = Scene::set().await;
    scene.send(100).await;

    let ended =
        PROGRAM.done(&["work", "--once", "--limit", "5", "--json", "--database", &scene.db]);

    assert_eq!(ended.json()["sent"], 5);
    let left = scene.store.metrics().await.unwrap().relay.waiting;
    assert!((85..=95).contains(&left), "{left} left in the outbox");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_does_not_wait_for_what_is_not_due() {
    let scene = Scene::set().await;
    scene.send(1).await;
    scene.receiver.plan("shop", [Answer::RetryAfter(503, "3600".to_owned())]);

    for expected in [1, 0] {
        let ended = PROGRAM.done(&["work", "--once", "--json", "--database", &scene.db]);
        assert_eq!(
            (&ended.json()["retried"], &ended.json()["sent"]),
            (&expected.into(), &0.into())
        );
    }

    let row = scene.store.outbox_message(1).await.unwrap().unwrap();
    assert_eq!(row.attempts, 1);
    assert!(row.next_attempt_at > scene.store.now());
    assert_eq!(scene.receiver.deliveries().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_is_woken_prints_its_passes_and_stops_at_sigterm() {
    let scene = Scene::set().await;
    let args = ["work", "--loop", "--limit", "4", "--database", &scene.db];
    let mut daemon = PROGRAM.start(&args);
    scene.send(10).await;
    let mut lines = vec![daemon.line(), daemon.line()];
    eventually("all to be sent", async || (scene.sent().await == 10).then_some(())).await;

    daemon.terminate();
    let (code, rest) = daemon.wait();

    assert_eq!(code, Some(0));
    lines.extend(rest);
    let sent = |line: &String| {
        let (_, rest) = line.strip_prefix("processed 0, ").unwrap().split_once(' ').unwrap();
        rest.strip_suffix(", failed 0").unwrap().parse::<u64>().unwrap()
    };
    let passes: Vec<u64> = lines.iter().map(sent).collect();
    assert_eq!(passes.iter().sum::<u64>(), 10, "{lines:?}");
    assert!(passes.iter().all(|sent| *sent <= 4), "{lines:?}");
}

/// Each message is stored and delivered on its own, with nothing to wait for in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_woken_by_each_message() {
    let scene = Scene::set().await;
    let args = ["serve", "--listen", "127.0.0.1:0", "--database", &scene.db];
    let (server, url) = PROGRAM.listening(&args);
    let client = reqwest::Client::new();
    let body = json!({"destination": "shop", "event": "a", "data": {}}).to_string();
    let began = std::time::Instant::now();
    for n in 1..=20 {
        let post = client.post(format!("{url}/api/crm/outbox")).bearer_auth(TOKEN);
        assert_eq!(post.body(body.clone()).send().await.unwrap().status().as_u16(), 202);
        scene.receiver.came(n).await;
    }
    // Looked for once a second, they would have taken twenty.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());

    server.terminate();
    assert_eq!(server.wait().0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_under_way_ends_before_the_process_does() {
    let scene = Scene::set().await;
    scene.send(1).await;
    scene.receiver.plan("shop", [Answer::Hold]);
    let daemon = PROGRAM.start(&["work", "--loop", "--database", &scene.db]);
    scene.receiver.came(1).await;

    daemon.terminate();
    scene.receiver.release();
    let (code, lines) = daemon.wait();

    assert_eq!((code, lines), (Some(0), vec!["processed 0, sent 1, failed 0".to_owned()]));
    assert_eq!(scene.sent().await, 1);
    assert_eq!(scene.receiver.deliveries().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_cron_can_be_stopped_gracefully_too() {
    let scene = Scene::set().await;
    scene.send(30).await;
    scene.receiver.plan("shop", vec![Answer::Hold; 4]);
    let run = PROGRAM.start(&["work", "--once", "--database", &scene.db]);
    // As many as go to one destination at a time.
    scene.receiver.came(4).await;

    run.terminate();
    let letting_go = scene.receiver.clone();
    let letting_go = tokio::spawn(async move {
        loop {
            letting_go.release();
            tokio::task::yield_now().await;
        }
    });
    let (code, lines) = run.wait();
    letting_go.abort();

    let sent = scene.sent().await;
    assert_eq!((code, lines), (Some(0), vec![format!("processed 0, sent {sent}, failed 0")]));
    let metrics = scene.store.metrics().await.unwrap();
    assert_eq!(
        (metrics.outbox.by_status["sending"], scene.receiver.effects().len() as u64),
        (0, sent)
    );
    assert!(sent >= 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_queue_in_memory_one_process_works_at_a_time() {
    let scene = Scene::set().await;
    scene.send(1).await;
    scene.receiver.plan("shop", [Answer::Hold]);
    let first = PROGRAM.start(&["work", "--loop", "--database", &scene.db]);
    scene.receiver.came(1).await;

    let another_name = scene.db.replace("tables.db", "another.db");
    let path = |url: &str| url.strip_prefix("sqlite://").unwrap().to_owned();
    std::os::unix::fs::symlink(path(&scene.db), path(&another_name)).unwrap();
    let by_cron = PROGRAM.done(&["work", "--once", "--database", &another_name]);
    let daemon = PROGRAM.run(&["work", "--loop", "--database", &scene.db]);
    let api = ["serve", "--no-worker", "--listen", "127.0.0.1:0", "--database", &scene.db];
    let (api, _) = PROGRAM.listening(&api);

    assert_eq!(by_cron.stdout, "processed 0, sent 0, failed 0\n");
    assert_eq!(daemon.code, Some(1));
    assert!(daemon.stderr.contains("another process works on this database"), "{}", daemon.stderr);
    drop(api);
    // A process that was killed leaves no lock behind.
    first.kill();
    assert_eq!(
        PROGRAM.done(&["work", "--once", "--database", &scene.db]).stdout,
        "processed 0, sent 1, failed 0\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_sent_and_put_back_by_hand() {
    let scene = Scene::set().await;
    let send =
        ["send", "shop", "a", "--data", r#"{"n": 1}"#, "--key", "k-1", "--database", &scene.db];
    let (first, again) = (PROGRAM.done(&send).json(), PROGRAM.done(&send).json());
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&false.into(), &true.into()));
    scene.receiver.plan("shop", [Answer::Status(422)]);
    PROGRAM.done(&["work", "--once", "--database", &scene.db]);

    let retried = PROGRAM.done(&["retry", "all", "--database", &scene.db]);
    assert_eq!(retried.stdout, "1 put back\n");
    let left = PROGRAM.run(&["retry", "1", "--database", &scene.db]);
    assert_eq!((left.code, left.stdout.as_str()), (Some(1), "1  has not failed: left as it is\n"));
    let worked = PROGRAM.done(&["work", "--once", "--database", &scene.db]);
    assert_eq!(worked.stdout, "processed 0, sent 1, failed 0\n");
    let metrics = PROGRAM.done(&["metrics", "--database", &scene.db]).json();
    assert_eq!(metrics["outbox"]["by_status"]["sent"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn integrations_are_added_changed_and_listed_without_their_secrets() {
    let scene = Scene::set().await;
    let with_secret = |args: &[&str], secret: &str| {
        let mut command = PROGRAM.command(&[args, &["--database", &scene.db]].concat());
        Ended::of(command.env("WEBHOOK_SECRET", secret))
    };
    let db = ["--database", scene.db.as_str()];
    let run = |args: &[&str]| PROGRAM.run(&[args, &db].concat());

    let added = run(&["integrations", "add", "crm", "https://crm.example/hook"]);
    let secret = added.stdout.lines().next().unwrap().strip_prefix("secret: ").unwrap();
    assert_eq!(secret.len(), 48);
    // The old one may be in the environment: it is not taken for the new one.
    let made = with_secret(&["integrations", "rotate", "2"], secret).stdout;
    let (made, told) = made.split_once('\n').unwrap();
    assert!(made.starts_with("secret: ") && !made.contains(secret), "{made}");
    assert_eq!(told, "integration 2: signed with both secrets for 1d\n");
    let newest = made.strip_prefix("secret: ").unwrap();
    let same = run(&["integrations", "rotate", "2", "--secret", newest, "--force"]);
    assert!(same.code == Some(2) && same.stderr.contains("the secret it has"), "{}", same.stderr);
    let hasty = run(&["integrations", "rotate", "2"]);
    assert!(hasty.code == Some(2) && hasty.stderr.contains("--force"), "{}", hasty.stderr);
    assert_eq!(hasty.stdout, "");
    assert_eq!(run(&["integrations", "rotate", "2", "--force"]).code, Some(0));
    assert_eq!(run(&["integrations", "deactivate", "1"]).code, Some(0));
    let listed = run(&["integrations", "list"]).stdout;

    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("2  crm  active  https://crm.example/hook  signed with"),
        "{listed}"
    );
    assert!(lines[1].starts_with("1  shop  inactive  http://127.0.0.1:"), "{listed}");
    assert!(!listed.contains(secret) && !listed.contains(SECRET), "{listed}");
    for (args, code) in [
        (&["integrations", "activate", "99"][..], 2),
        (&["integrations", "add", "crm", "ftp://crm.example"], 2),
        (&["integrations", "add", "crm", "https://user:hunter2@crm.example"], 2),
        (&["integrations", "add", "Crm", "https://crm.example"], 2),
    ] {
        let refused = run(args);
        assert_eq!(refused.code, Some(code), "{args:?}");
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
    assert_eq!(run(&["integrations", "rotate", "2", "--secret", "short"]).code, Some(2));
    assert_eq!(
        with_secret(&["integrations", "add", "x", "https://x.example"], "short").code,
        Some(2)
    );
    // Nobody could ever read the secret.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let add = ["integrations", "add", "full", "https://crm.example"];
    let mut lost = PROGRAM.command(&[&add[..], &db].concat());
    let lost = lost.stdout(full).status().unwrap();
    assert_eq!(lost.code(), Some(1));
    assert!(!run(&["integrations", "list"]).stdout.contains("full"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_in_a_line() {
    let place = Place::new();
    let db = place.sqlite();
    let nowhere = format!("sqlite://{}", place.path("nowhere.db").display());
    for (args, code, says) in [
        (&["work", "--once", "--database", "postgres://x"][..], 2, "sqlite://FILE or mysql://"),
        (&["work", "--once", "--database", &db, "--queue", "amqp://x"], 2, "memory: or redis://"),
        (&["work", "--once", "--database", "sqlite:///nowhere/at/all.db"], 1, "cannot open"),
        (&["work", "--loop", "--database", &db, "--timezone", "Europe/Nowhere"], 2, "Nowhere"),
        (&["work", "--loop", "--database", &db, "--prune-at", "25:00"], 2, "25:00"),
        (&["serve", "--database", &db, "--token", "short"], 2, "openssl rand -hex 24"),
        (&["send", "shop", "a", "--data", "{", "--database", &db], 2, "no JSON"),
        (&["send", "Shop", "a", "--database", &db], 2, "is no destination"),
        (&["retry", "x", "--database", &db], 2, "no number of a message"),
        (&["retry", "99", "--database", &db, "--queue", "redis:/x"], 2, "memory: or redis://"),
        (
            &["send", "shop", "a", "--database", &db, "--queue", "amqp://x"],
            2,
            "memory: or redis://",
        ),
        (&["work", "--once"], 2, "DATABASE_URL"),
        (&["metrics"], 2, "DATABASE_URL"),
        (&["metrics", "--database", &nowhere], 2, "there is no database"),
        (&["work", "--once", "--database", "sqlite://"], 2, "keeps nothing"),
        (&["work", "--once", "--database", "sqlite://:memory:"], 2, "keeps nothing"),
        (&["work", "--once", "--database", "sqlite://x?mode=memory"], 2, "keeps nothing"),
        (&["work", "--once", "--database", &db, "--lease", "1ms"], 2, "100ms"),
        (&["work", "--once", "--database", &db, "--timezone", "Europe/Nowhere"], 2, "Nowhere"),
    ] {
        let ended = PROGRAM.run(args);
        assert_eq!(ended.code, Some(code), "{args:?} {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{args:?} {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }
    assert!(!place.path("nowhere.db").exists());
    let stored = PROGRAM.done(&["metrics", "--database", &db]).json();
    assert_eq!(stored["outbox"]["by_status"]["pending"], 0, "{stored}");
    let unknown = PROGRAM.run(&["retry", "99", "--database", &db]);
    assert_eq!(
        (unknown.code, unknown.stdout.as_str()),
        (Some(1), "99  there is no such message\n")
    );
    let away =
        PROGRAM.run(&["send", "shop", "a", "--database", &db, "--queue", "redis://127.0.0.1:1"]);
    assert_eq!(away.code, Some(0));
    assert!(away.stderr.starts_with("warning: stored, and not yet handed"), "{}", away.stderr);
}

#[test]
fn a_log_that_cannot_be_written_stops_nobody() {
    let place = Place::new();
    let db = place.sqlite();
    PROGRAM.done(&["send", "nobody", "a", "--database", &db]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let args = ["work", "--once", "--json", "--database", &db];
    let output = PROGRAM.command(&args).env("RUST_LOG", "debug").stderr(full).output().unwrap();
    assert!(output.status.success());
    let pass: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(pass["retried"], 1, "{pass}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stub_checks_signatures_and_drops_repeats() {
    let scene = Scene::set().await;
    let mut stub = PROGRAM.command(&["stub", "--listen", "127.0.0.1:0"]);
    stub.env("WEBHOOK_SECRET", SECRET);
    let (mut stub, url) = Background::listening(&mut stub);
    let url = url.replace("NAME", "crm");
    scene.store.add_integration("crm", &url, SECRET).await.unwrap();
    scene.store.add_integration("wrong", &url, "another secret").await.unwrap();
    for destination in ["crm", "wrong"] {
        PROGRAM.done(&["send", destination, "a", "--data", r#"{"n":1}"#, "--database", &scene.db]);
        let worked = PROGRAM.done(&["work", "--once", "--database", &scene.db]);
        let is_good = destination == "crm";
        let (sent, failed) = (u8::from(is_good), u8::from(!is_good));
        assert_eq!(worked.stdout, format!("processed 0, sent {sent}, failed {failed}\n"));
        let line = stub.line();
        let word = if is_good { " verified: " } else { " rejected, the signature is wrong: " };
        assert!(line.starts_with("crm ") && line.contains(word), "{line}");
    }
    let row = scene.store.outbox_message(2).await.unwrap().unwrap();
    assert!(row.last_error.unwrap().ends_with(": the signature is wrong"));
}

#[test]
fn the_demonstration_keeps_every_promise() {
    for args in [
        &["demo", "--messages", "60", "--json"][..],
        &["demo", "--messages", "60", "--seed", "7", "--json"],
    ] {
        let verdict = PROGRAM.done(args).json();
        assert_eq!(verdict["inbox"], 60, "{verdict}");
        assert_eq!(verdict["outbox"], 60, "{verdict}");
        for nothing in ["lost", "sent_for_nothing", "not_once", "unverified", "left_after_prune"] {
            assert_eq!(verdict[nothing], 0, "{verdict}");
        }
        assert_eq!(verdict["errors"]["connection_refused"], 3, "{verdict}");
    }
    let shown = PROGRAM.done(&["demo", "--messages", "60"]);
    assert!(shown.stdout.contains("processed "), "{}", shown.stdout);
    assert!(shown.stderr.is_empty(), "{}", shown.stderr);
}
