//! Those who create and edit customers.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use program::Failure;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::stage::Stage;
use crate::customer::{ContextStatus, CustomerId};
use crate::stub::{Fault, Plan};

/// How many people there are.
const PEOPLE: usize = 8;
/// Of so many customers one is edited while its older text is condensed.
const EACH: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What people have done.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) customers: Vec<Written>,
    /// How long each creation took to be answered.
    pub(super) answers: Vec<Duration>,
}

/// A customer as those who wrote it remember it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: CustomerId,
    /// All its texts, the newest last.
    pub(super) texts: Vec<String>,
    /// The text that was being condensed when the newest came.
    pub(super) overtaken: Option<String>,
}

impl Traffic {
    pub(super) async fn play(stage: &Stage, customers: u32) -> Result<Self, Failure> {
        let person = Person { stage, client: Client::new() };
        let done: Vec<_> = stream::iter(1..=customers)
            .map(|number| person.write(number))
            .buffer_unordered(PEOPLE)
            .try_collect()
            .await?;
        let (customers, answers) = done.into_iter().unzip();
        Ok(Self { customers, answers })
    }
}

struct Person<'a> {
    stage: &'a Stage,
    client: Client,
}

impl Person<'_> {
    async fn write(&self, number: u32) -> Result<(Written, Duration), Failure> {
        let text = text(number, "written first");
        let began = Instant::now();
        let name = format!("Customer {number}");
        let created = self.send(Method::POST, "/customers", json!({"name": name, "text": text}));
        let created = created.await?;
        let answered_in = began.elapsed();
        let id = created["id"].as_i64().and_then(CustomerId::new);
        let id = id.ok_or_else(|| Failure::new(format!("no id in the answer: {created}")))?;
        let mut written = Written { id, texts: vec![text], overtaken: None };
        if number.is_multiple_of(EACH) {
            self.edit_meanwhile(number, &mut written).await?;
        }
        Ok((written, answered_in))
    }

    /// Writes a text, waits until the model condenses it, writes another one, and only then lets the
    /// model answer the first.
    async fn edit_meanwhile(&self, number: u32, written: &mut Written) -> Result<(), Failure> {
        let (older, newer) = (text(number, "edited once"), text(number, "edited twice"));
        let (model, path) = (&self.stage.model, format!("/customers/{}", written.id));
        model.plan(Plan::next(Fault::Hold, 1).about(&older));
        if number.is_multiple_of(2 * EACH) {
            // The model never condenses the newer text: whatever else is in its place is seen at the end.
            model.plan(Plan::next(Fault::Fail, u32::MAX).about(&newer));
        }
        let edit = |text: &str| self.send(Method::PATCH, &path, json!({"text": text}));
        let meanwhile = async {
            while !self.is_asked(written.id, &older).await? {
                sleep(LOOK_EVERY).await;
            }
            let stored = async {
                loop {
                    let now = self.stage.store.customer(written.id).await?;
                    if now.is_some_and(|customer| customer.original_text == newer) {
                        model.release(&older);
                        return Ok::<_, Failure>(());
                    }
                    sleep(LOOK_EVERY).await;
                }
            };
            tokio::try_join!(edit(&newer), stored)
        };
        tokio::try_join!(edit(&older), meanwhile)?;
        written.overtaken = Some(older.clone());
        written.texts.extend([older, newer]);
        Ok(())
    }

    /// Whether the model has been asked for a text. It must have been, if the text waits no more.
    async fn is_asked(&self, id: CustomerId, text: &str) -> Result<bool, Failure> {
        let now = self.stage.store.customer(id).await?;
        if self.stage.model.asked(text) > 0 {
            return Ok(true);
        }
        let is_over = now.is_some_and(|customer| {
            customer.original_text == text && customer.context_status != ContextStatus::Pending
        });
        if is_over {
            let message = format!("customer {id} has a context that the model was not asked for");
            return Err(Failure::new(message));
        }
        Ok(false)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| Failure::failed(&error);
        let request = self.client.request(method, format!("{}{path}", self.stage.url));
        let answer = request.body(body.to_string()).send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if !status.is_success() {
            return Err(Failure::new(format!("HTTP {status}: {text}")));
        }
        serde_json::from_str(&text).map_err(|error| Failure::failed(&error))
    }
}

/// A long text, like no other.
fn text(number: u32, when: &str) -> String {
    let start = format!("Company {number}, {when}. ");
    start
        + &"It makes parts for machines, sells them in the north, and pays late in summer. "
            .repeat(40)
}
