//! Processes killed with SIGKILL, on whatever database and queue.

use std::collections::BTreeMap;
use std::time::Duration;

use crm_relay::db::Store;
use crm_relay::message::OutboxStatus;
use crm_relay::signature::KEY_HEADER;
use crm_relay::stub::{Answer, Chances, Server, StubReceiver};
use fixtures::{Background, Place, anywhere, eventually};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{PROGRAM, SECRET, TOKEN};

/// A database and a queue, and somebody who receives.
pub(crate) struct Kills {
    pub(crate) db: String,
    queue: String,
    pub(crate) store: Store,
    pub(crate) receiver: StubReceiver,
    _server: Server,
    _place: Place,
}

/// How many messages of each sort are sent while processes are killed.
const MESSAGES: u32 = 60;

impl Kills {
    pub(crate) async fn on_sqlite() -> Self {
        let place = Place::new();
        let db = place.sqlite();
        Self::on(place, db, "memory:".to_owned()).await
    }

    pub(crate) async fn on(place: Place, db: String, queue: String) -> Self {
        let store = Store::open(&db).await.unwrap();
        let receiver = StubReceiver::new([SECRET], Chances::default());
        let server = Server::start(receiver.clone(), anywhere()).await.unwrap();
        store.add_integration("shop", &server.url("shop"), SECRET).await.unwrap();
        Self { db, queue, store, receiver, _server: server, _place: place }
    }

    fn places(&self) -> [&str; 4] {
        ["--database", &self.db, "--queue", &self.queue]
    }

    /// The API, with no worker.
    pub(crate) fn api(&self) -> (Background, String) {
        let args = ["serve", "--no-worker", "--listen", "127.0.0.1:0"];
        PROGRAM.listening(&[&args[..], &self.places()].concat())
    }

    /// Whose messages are worked on elsewhere a second after it has died.
    pub(crate) fn worker(&self) -> Background {
        let args = ["work", "--loop", "--lease", "1s", "--first-wait", "10ms"];
        PROGRAM.start(&[&args[..], &self.places()].concat())
    }

    /// What one pass of cron prints.
    pub(crate) fn pass(&self) -> String {
        PROGRAM.done(&[&["work", "--once"][..], &self.places()].concat()).stdout
    }

    async fn row(&self, id: i64) -> crm_relay::message::OutboxMessage {
        self.store.outbox_message(id).await.unwrap().unwrap()
    }

    /// Killed after the answer, before anybody has looked at the message: it is done all the same.
    pub(crate) async fn after_the_answer(&self) {
        let before = self.receiver.effects().len();
        let (api, url) = self.api();
        let client = Client::new();
        assert_eq!(post(&client, &url, &outbox(1)).await, Some(202));
        assert_eq!(post(&client, &url, &inbox(1)).await, Some(202));
        api.kill();

        let told = self.pass();

        assert_eq!(told, "processed 1, sent 1, failed 0\n");
        assert_eq!(self.receiver.effects().len(), before + 1);
    }

    /// Killed while the receiver has the message and has not answered: it sees a repeat with the same key, and
    /// the row says `sent`.
    pub(crate) async fn during_a_delivery(&self) {
        let before = self.receiver.deliveries().len();
        self.receiver.plan("shop", [Answer::Hold]);
        let (api, url) = self.api();
        assert_eq!(post(&Client::new(), &url, &outbox(2)).await, Some(202));
        drop(api);
        let worker = self.worker();
        self.receiver.came(before + 1).await;
        let key = self.receiver.deliveries().pop().unwrap().key;
        let id = self.store.metrics().await.unwrap().outbox.by_status["sending"];
        assert_eq!(id, 1, "one is under way");

        worker.kill();
        let second = self.worker();
        self.receiver.came(before + 2).await;

        let repeat = self.receiver.deliveries().pop().unwrap();
        assert_eq!((repeat.key, repeat.is_repeat), (key.clone(), true));
        let row = eventually("the row to say so", async || {
            for id in 1..1_000 {
                let Some(row) = self.store.outbox_message(id).await.unwrap() else { continue };
                if row.message_id == key {
                    return (row.status == OutboxStatus::Sent).then_some(row);
                }
            }
            None
        })
        .await;
        assert_eq!((row.attempts, row.last_error), (1, None), "a kill uses no attempt up");
        assert_eq!(self.receiver.effects()[&key], 1);
        second.terminate();
        assert_eq!(second.wait().0, Some(0));
        assert_eq!(self.receiver.deliveries().len(), before + 2);
        assert_eq!(self.row(row.id).await.status, OutboxStatus::Sent);
    }

    /// A server that takes and delivers messages is killed again and again, at any moment, while somebody sends
    /// each message until it is acknowledged.
    pub(crate) async fn at_any_moment(&self, kills: u32, seed: u64) {
        eprintln!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let before = self.receiver.effects().len();
        let port = {
            let probe = std::net::TcpListener::bind(anywhere()).unwrap();
            probe.local_addr().unwrap().to_string()
        };
        let url = format!("http://{port}");
        let here = Handle::current();
        // On a thread of its own: it goes on while servers are started and killed.
        let sending = tokio::task::spawn_blocking({
            let url = url.clone();
            move || here.block_on(send_all(&url))
        });
        let args = [
            "serve",
            "--listen",
            &port,
            "--lease",
            "1s",
            "--first-wait",
            "10ms",
            "--longest-wait",
            "100ms",
        ];
        let args = [&args[..], &self.places()].concat();
        let mut killed = 0;
        while !sending.is_finished() || killed < kills {
            let (server, _) = PROGRAM.listening(&args);
            if killed >= kills {
                sending.await.unwrap();
                server.terminate();
                server.wait();
                break;
            }
            // That time passes is the point: the kill must not follow any event of a delivery.
            tokio::time::sleep(Duration::from_millis(random.u64(0..150))).await;
            server.kill();
            killed += 1;
        }

        let left = async || {
            let metrics = self.store.metrics().await.unwrap();
            let (inbox, outbox) = (metrics.inbox.by_status, metrics.outbox.by_status);
            let left =
                inbox["pending"] + inbox["processing"] + outbox["pending"] + outbox["sending"];
            (left == 0).then_some((inbox, outbox))
        };
        let worker = self.worker();
        let (inbox, outbox) = eventually("all to be done", left).await;
        worker.terminate();
        worker.wait();

        // Those of before had their own numbers.
        assert_eq!((inbox["failed"], outbox["failed"]), (0, 0));
        assert!(outbox["sent"] >= u64::from(MESSAGES));
        let effects: BTreeMap<String, u64> = self.receiver.effects();
        assert_eq!(effects.len() - before, MESSAGES as usize, "each message was taken");
        assert!(effects.values().all(|times| *times == 1));
        let (messages, _) = self.store.contact("shop", "c-many").await.unwrap().unwrap();
        assert_eq!(messages, u64::from(MESSAGES), "each message was processed once");
    }
}

/// What is posted, where, and under which key.
pub(crate) struct Posted {
    path: &'static str,
    key: String,
    body: Value,
}

pub(crate) fn outbox(n: u32) -> Posted {
    let body = json!({"destination": "shop", "event": "a", "data": {"n": n}});
    Posted { path: "/api/crm/outbox", key: format!("out-{n}"), body }
}

pub(crate) fn inbox(n: u32) -> Posted {
    inbox_of(n, "c-1")
}

fn inbox_of(n: u32, contact: &str) -> Posted {
    let data = json!({"external_id": contact, "name": "Ada"});
    let body = json!({"source": "shop", "event": "contact.updated", "data": data});
    Posted { path: "/api/crm/inbox", key: format!("in-{n}"), body }
}

/// The status; `None` if there was no answer.
pub(crate) async fn post(client: &Client, url: &str, posted: &Posted) -> Option<u16> {
    let Posted { path, key, body } = posted;
    let request = client.post(format!("{url}{path}")).bearer_auth(TOKEN).header(KEY_HEADER, key);
    let answer = request.body(body.to_string()).send().await.ok()?;
    Some(answer.status().as_u16())
}

/// Sends each message until it is acknowledged.
async fn send_all(url: &str) {
    let client = Client::new();
    for n in 0..MESSAGES {
        for posted in [outbox(1_000 + n), inbox_of(1_000 + n, "c-many")] {
            eventually("a message to be taken", async || {
                match post(&client, url, &posted).await {
                    Some(200 | 202) => Some(()),
                    // Nobody answers while there is no server.
                    None | Some(503) => None,
                    Some(status) => panic!("{status}"),
                }
            })
            .await;
        }
    }
}
