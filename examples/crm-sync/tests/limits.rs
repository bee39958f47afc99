//! The limits, with real workers, real requests and the machine's clock, counted from the CRM's own log.
//! SQLite and a queue in memory. Windows are two seconds long, in place of a minute.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use crm_sync::stub::{Chances, Crm, Fault, Plan, Request, Server};
use crm_sync::window::Windows;
use fixtures::{Background, Place, eventually};
use jobq_core::{Clock, SystemClock, Timestamp};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use support::{PROGRAM, client, stub};

/// `crm-sync serve` with two stores, and their CRM.
struct Served {
    crm: Crm,
    url: String,
    client: Client,
    _process: Background,
    _server: Server,
    _place: Place,
}

impl Served {
    async fn start(more: &[&str]) -> Self {
        let (crm, server) = stub(Chances::default());
        let place = Place::new();
        let (db, at) = (place.sqlite(), server.url());
        PROGRAM.done(&[
            "seed",
            "--stores",
            "2",
            "--customers",
            "500",
            "--database",
            &db,
            "--crm",
            &at,
        ]);
        let args = [&["serve", "--listen", "127.0.0.1:0", "--database", &db], more].concat();
        let (process, url) = PROGRAM.listening(&args);
        Self { crm, url, client: client(), _process: process, _server: server, _place: place }
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    fn of_store(&self, store: u32) -> Vec<Request> {
        self.crm.requests().into_iter().filter(|request| request.store == store).collect()
    }

    async fn until_requests(&self, store: u32, count: usize) -> Vec<Request> {
        eventually("requests", async || {
            let requests = self.of_store(store);
            (requests.len() >= count).then_some(requests)
        })
        .await
    }
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

/// How many requests came in the fullest window.
fn most(windows: Windows, requests: &[Request]) -> usize {
    let numbers: Vec<u64> = requests.iter().map(|request| windows.number(request.at)).collect();
    let count = |number| numbers.iter().filter(|other| *other == number).count();
    numbers.iter().map(count).max().unwrap_or(0)
}

#[test]
fn the_demo_fills_windows_and_overfills_none() {
    let ended =
        PROGRAM.done(&["demo", "--stores", "3", "--rate", "20/2s", "--seconds", "9", "--json"]);

    let shown = ended.json();
    assert_eq!(shown["duplicates"], 0);
    assert_eq!(shown["faults"], json!({"fail": 6, "slow": 3, "throttle": 0, "cut": 6}));
    let stores = shown["stores"].as_array().unwrap();
    assert_eq!(stores.len(), 3);
    for (store, provider) in stores.iter().zip(["tide", "harbor", "tide"]) {
        assert_eq!(store["provider"], provider);
        assert_eq!(store["max_in_window"], 20, "{shown}");
        let full = store["full_windows"].as_array().unwrap();
        // All of them, unless the machine has more to do than it can.
        assert!(full.iter().filter(|count| **count == 20).count() >= 2, "{shown}");
    }
}

#[tokio::test]
async fn stores_do_not_delay_one_another_and_a_rate_changes_while_they_run() {
    let served = Served::start(&["--rate", "20/2s"]).await;
    let windows = Windows::of("20/2s".parse().unwrap()).unwrap();
    let full_sync = json!({"entity": "customer", "store": 1});
    served.send(Method::POST, "/full-sync", full_sync).await;
    served.until_requests(1, 30).await;

    // Store 1 has hundreds of jobs waiting; those of store 2 don't wait for them.
    let asked_at = now();
    for record in 1..=5 {
        let body = json!({"store": 2, "entity": "product", "record": record});
        served.send(Method::POST, "/sync", body).await;
    }
    let second = served.until_requests(2, 5).await;
    for request in &second {
        assert!(windows.number(request.at) <= windows.number(asked_at) + 1, "{request:?}");
    }

    let before = served.of_store(1);
    assert!(most(windows, &before) <= 20);
    served.send(Method::PUT, "/rate", json!({"store": 1, "rate": "60/2s"})).await;
    served.send(Method::POST, "/full-sync", json!({"entity": "customer", "store": 2})).await;
    let (first, second) =
        tokio::join!(served.until_requests(1, before.len() + 150), served.until_requests(2, 40));

    let (first, second) = (most(windows, &first), most(windows, &second));
    assert!((21..=60).contains(&first), "{first}");
    assert!(second <= 20, "{second}");
}

#[tokio::test]
async fn a_crm_that_asks_for_a_rest_is_left_alone_and_others_go_on() {
    let served = Served::start(&["--rate", "1000/s", "--store-concurrency", "1"]).await;
    served.crm.plan(Plan::next(Fault::Throttle, 1).to(1));
    served.send(Method::POST, "/full-sync", json!({"entity": "customer"})).await;

    let first = served.until_requests(1, 20).await;
    served.until_requests(2, 20).await;

    assert_eq!(first[0].status, Some(429));
    let rest = first[1].at.since(first[0].at);
    assert!(rest >= Duration::from_secs(1), "only {rest:?}");
    let meanwhile = served.of_store(2);
    let meanwhile = meanwhile.iter().filter(|request| request.at < first[1].at).count();
    assert!(meanwhile > 0, "store 2 has waited too");
    let numbers = served.send(Method::GET, "/status", Value::Null).await;
    assert_eq!(numbers["errors_24h"], 0, "a rest is no error: {numbers}");
}
