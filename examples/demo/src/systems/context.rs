//! Company context: long texts, condensed by a language model that goes wrong now and then.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use company_context::api::Api;
use company_context::customer::CustomerId;
use company_context::db::Store;
use company_context::dispatch::Dispatcher;
use company_context::model::Model;
use company_context::stub::{Chances, Server, StubModel, condensed};
use company_context::{App, Opened, worker};
use jobq_worker::Worker;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::interval;

use crate::system::{Promise, Result, System};

/// How long an answer is waited for here, where a model that hangs must not take minutes.
const HTTP_TIMEOUT: Duration = Duration::from_secs(2);
const LEASE: Duration = Duration::from_secs(10);
const CONCURRENCY: usize = 8;
const WRITE_EVERY: Duration = Duration::from_millis(400);
/// Each of so many customers is edited right after it was created.
const EDITED: u64 = 5;

pub(super) struct Context {
    store: Store,
    queue: Opened,
    app: App,
    model: StubModel,
    /// Where the API is.
    url: String,
    http: Client,
    /// What was written of each customer, the newest text last.
    written: Mutex<Vec<(CustomerId, Vec<String>)>>,
    _server: Server,
}

impl Context {
    pub(super) async fn set_up(queue: Opened, folder: &Path) -> Result<Self> {
        let file = folder.join("company-context.db");
        let store = Store::open(&format!("sqlite://{}", file.display())).await?;
        let model = StubModel::new(Chances {
            seed: 1,
            fail: 100,
            hang: 10,
            empty: 20,
            nonsense: 50,
            least_delay: Duration::from_millis(100),
            most_delay: Duration::from_millis(900),
        });
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(model.clone(), free)?;
        let app = App {
            store: store.clone(),
            model: Model::new(&server.endpoint(), None, HTTP_TIMEOUT)?,
        };
        let listener = TcpListener::bind(free).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let api = Api::new(store.clone(), Dispatcher::Queue(queue.clone())).router();
        // It ends with the process.
        tokio::spawn(async move { axum::serve(listener, api).await });
        let written = Mutex::default();
        Ok(Self { store, queue, app, model, url, http: Client::new(), written, _server: server })
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let answer = request.body(body.to_string()).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    async fn write(&self, number: u64) -> Result<()> {
        let first = text(number, "as it was written");
        let name = format!("Customer {number}");
        let body = json!({"name": name, "text": first});
        let created = self.send(Method::POST, "/customers", body).await?;
        let id =
            created["id"].as_i64().and_then(CustomerId::new).ok_or("a customer without an id")?;
        let mut texts = vec![first];
        if number.is_multiple_of(EDITED) {
            let second = text(number, "as it was edited");
            let body = json!({"text": second});
            self.send(Method::PATCH, &format!("/customers/{id}"), body).await?;
            texts.push(second);
        }
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push((id, texts));
        Ok(())
    }
}

#[async_trait]
impl System for Context {
    fn name(&self) -> &'static str {
        "company-context"
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        Ok(vec![worker(&self.queue, self.app.clone(), CONCURRENCY, LEASE)])
    }

    async fn play(&self) -> Result<()> {
        let mut every = interval(WRITE_EVERY);
        for number in 1.. {
            every.tick().await;
            self.write(number).await?;
        }
        Ok(())
    }

    async fn look(&self) -> Result<String> {
        let counts = self.store.counts().await?;
        let asked = self.model.summary();
        let faults: u64 = asked.faults.values().sum();
        Ok(format!(
            "{} customers: {} condensed, {} kept as they were, {} pending; the model was asked {} times and went \
             wrong {faults} times",
            counts.condensed + counts.kept + counts.pending,
            counts.condensed,
            counts.kept,
            counts.pending,
            asked.requests
        ))
    }

    async fn is_at_rest(&self) -> Result<bool> {
        Ok(self.store.counts().await?.pending == 0)
    }

    async fn promises(&self) -> Result<Vec<Promise>> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut lost, mut stale) = (0, 0);
        for (id, texts) in &written {
            let Some((newest, older)) = texts.split_last() else { continue };
            match self.store.customer(*id).await? {
                Some(customer) => {
                    let context = &customer.company_context;
                    lost += u64::from(customer.original_text != *newest);
                    stale += u64::from(
                        older.iter().any(|text| context == text || *context == condensed(text)),
                    );
                }
                None => lost += 1,
            }
        }
        let customers = written.len();
        Ok(vec![
            Promise::new(lost == 0, format!("{customers} original texts, {lost} of them lost")),
            Promise::new(
                stale == 0,
                format!("{stale} answers to an older text in a newer one's place"),
            ),
        ])
    }
}

/// A long text, like no other.
fn text(number: u64, when: &str) -> String {
    format!("Company {number}, {when}. ")
        + &"It makes parts for machines, sells them in the north, and pays late in summer. "
            .repeat(40)
}
