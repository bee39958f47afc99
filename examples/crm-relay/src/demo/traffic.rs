//! What people do in the demonstration.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use jobq_core::{Clock, SystemClock};
use program::Failure;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::LOOK_EVERY;
use super::stage::{CLOSED, LATE, SHOP, Scene};
use crate::signature::{KEY_HEADER, SIGNATURE_HEADER, sign};

/// How many requests are under way at once.
const PEOPLE: usize = 16;
/// Each so manieth message is sent twice.
const TWICE: u32 = 4;
/// Each so manieth message that comes in is about something nobody knows.
const UNKNOWN: u32 = 25;
/// How many contacts the messages are about.
const CONTACTS: u32 = 20;
/// Each so manieth message goes to the webhook that comes late, and to the one that is closed.
const ELSEWHERE: u32 = 20;

/// What was done, as those who did it remember it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Messages that were sent to us, without repeats.
    pub(super) came: u64,
    /// Those of them that nobody can process.
    pub(super) unknown: u64,
    /// How many messages were about each contact.
    pub(super) contacts: BTreeMap<String, u64>,
    /// The outbox's messages, by number: where each goes.
    pub(super) went: BTreeMap<i64, &'static str>,
    /// How often somebody sent the same again.
    pub(super) repeats: u64,
    /// How long each request took to be answered.
    pub(super) answers: Vec<Duration>,
}

/// What one message has told.
struct Done {
    came: Option<Option<String>>,
    went: Option<(i64, &'static str)>,
    answers: Vec<Duration>,
}

impl Traffic {
    pub(super) async fn play(scene: &Scene, messages: u32) -> Result<Self, Failure> {
        let person = Person { scene, client: Client::new() };
        let person = &person;
        let acts = (0..2 * messages).map(async |n| match n % 2 {
            0 => person.tell(n / 2).await,
            _ => person.ask(n / 2).await,
        });
        let acting = stream::iter(acts).buffer_unordered(PEOPLE).try_collect::<Vec<_>>();
        let (done, ()) = tokio::try_join!(acting, person.remember_late())?;
        let mut traffic = Self::default();
        for one in done {
            traffic.repeats += one.answers.len() as u64 - 1;
            traffic.answers.extend(one.answers);
            traffic.went.extend(one.went);
            if let Some(contact) = one.came {
                traffic.came += 1;
                match contact {
                    Some(contact) => *traffic.contacts.entry(contact).or_default() += 1,
                    None => traffic.unknown += 1,
                }
            }
        }
        Ok(traffic)
    }
}

struct Person<'a> {
    scene: &'a Scene,
    client: Client,
}

impl Person<'_> {
    /// The CRM tells of a contact: signed each other time, by token else.
    async fn tell(&self, n: u32) -> Result<Done, Failure> {
        let is_unknown = n.is_multiple_of(UNKNOWN);
        let contact = format!("c-{}", n % CONTACTS);
        let body = json!({
            "source": SHOP,
            "message_id": format!("in-{n}"),
            "event": if is_unknown { "moon.rose" } else { "contact.updated" },
            "data": {"external_id": contact, "name": format!("Contact {n}"), "email": "a@b.example"},
        })
        .to_string();
        let request = || {
            let post = self.client.post(format!("{}/api/crm/inbox", self.scene.url));
            let post = if n.is_multiple_of(2) {
                let (key, now) = (format!("in-{n}"), SystemClock::default().now());
                let secrets = [&self.scene.secret];
                let signature = sign(&secrets, &key, now.as_millis() / 1_000, body.as_bytes());
                post.header(KEY_HEADER, key).header(SIGNATURE_HEADER, signature)
            } else {
                post.bearer_auth(&self.scene.token)
            };
            post.body(body.clone())
        };
        let (_, answers) = self.send(n, request).await?;
        Ok(Done { came: Some((!is_unknown).then_some(contact)), went: None, answers })
    }

    /// A program has something to say.
    async fn ask(&self, n: u32) -> Result<Done, Failure> {
        let destination = match n % ELSEWHERE {
            3 => LATE,
            7 => CLOSED,
            _ => SHOP,
        };
        let body = json!({
            "destination": destination,
            "event": "contact.updated",
            "data": {"external_id": format!("c-{}", n % CONTACTS), "name": format!("Contact {n}")},
        })
        .to_string();
        let request = || {
            self.client
                .post(format!("{}/api/crm/outbox", self.scene.url))
                .bearer_auth(&self.scene.token)
                .header(KEY_HEADER, format!("out-{n}"))
                .body(body.clone())
        };
        let (stored, answers) = self.send(n, request).await?;
        let id = stored["id"].as_i64();
        let id = id.ok_or_else(|| Failure::new(format!("no id in the answer: {stored}")))?;
        Ok(Done { came: None, went: Some((id, destination)), answers })
    }

    /// Somebody notices that messages to the late webhook go nowhere, and says where it is.
    async fn remember_late(&self) -> Result<(), Failure> {
        loop {
            let errors = self.scene.store.metrics().await?.last_errors;
            if errors.iter().any(|error| error.party == LATE) {
                let Scene { store, late_url, secret, .. } = self.scene;
                store.add_integration(LATE, late_url, secret).await?;
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn send(
        &self,
        n: u32,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<(Value, Vec<Duration>), Failure> {
        let failed = |error: reqwest::Error| Failure::failed(&error);
        let times = if n.is_multiple_of(TWICE) { 2 } else { 1 };
        let (mut first, mut answers) = (Value::Null, Vec::new());
        for time in 1..=times {
            let began = Instant::now();
            let answer = request().send().await.map_err(failed)?;
            let status = answer.status();
            let text = answer.text().await.map_err(failed)?;
            answers.push(began.elapsed());
            if !status.is_success() {
                return Err(Failure::new(format!("HTTP {status}: {text}")));
            }
            let told: Value =
                serde_json::from_str(&text).map_err(|error| Failure::failed(&error))?;
            if time == 1 {
                first = told;
            } else if told["duplicate"] != true || told["id"] != first["id"] {
                return Err(Failure::new(format!("a repeat was taken for a new message: {told}")));
            }
        }
        Ok((first, answers))
    }
}
