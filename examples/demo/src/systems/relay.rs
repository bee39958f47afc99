//! CRM relay: messages that come in are processed, and messages that go out are delivered, signed, to a webhook
//! that goes wrong now and then.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use crm_relay::db::{Metrics, Store};
use crm_relay::message::{NewInbox, NewOutbox};
use crm_relay::stub::{Chances, Server, StubReceiver};
use crm_relay::{App, OpenQueue, Policy, Service, Setup, Tally, WorkSetup};
use jobq_core::Backoff;
use jobq_worker::Worker;
use serde_json::json;
use tokio::time::interval;

use crate::system::{Promise, Result, System};

/// How long an answer is waited for here, where a webhook that hangs must not take minutes.
const HTTP_TIMEOUT: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(10);
const CONCURRENCY: usize = 8;
const WRITE_EVERY: Duration = Duration::from_millis(100);
const SHOP: &str = "shop";
/// What messages are signed with here, where receiver and sender are one.
const SECRET: &str = "between this program and itself";

pub(super) struct Relay {
    store: Store,
    queue: OpenQueue,
    app: App,
    receiver: StubReceiver,
    service: Service,
    _server: Server,
}

impl Relay {
    pub(super) async fn set_up(queue: OpenQueue, folder: &Path) -> Result<Self> {
        let file = folder.join("crm-relay.db");
        let store = Store::open(&format!("sqlite://{}", file.display())).await?;
        let chances = Chances { seed: 1, fail: 100, lose: 50, busy: 30, hang: 5, refuse: 10 };
        let receiver = StubReceiver::new([SECRET], chances);
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Server::start(receiver.clone(), free).await?;
        store.add_integration(SHOP, &server.url(SHOP), SECRET).await?;
        let policy = Policy {
            timeout: HTTP_TIMEOUT,
            backoff: Backoff::exponential(Duration::from_millis(200), Duration::from_secs(2)),
            ..Policy::default()
        };
        let app = App::new(store.clone(), policy, Tally::new(None))?;
        // The messages are worked on with the others.
        let work = Some(WorkSetup { concurrency: 0, policy, ..WorkSetup::default() });
        let setup = Setup { store: store.clone(), queue: queue.clone(), api: None, work };
        let service = Service::start(setup).await?;
        Ok(Self { store, queue, app, receiver, service, _server: server })
    }
}

fn count(metrics: &Metrics, word: &str) -> u64 {
    let of = |numbers: &crm_relay::db::Numbers| numbers.by_status.get(word).copied();
    of(&metrics.inbox).or_else(|| of(&metrics.outbox)).unwrap_or_default()
}

#[async_trait]
impl System for Relay {
    fn name(&self) -> &'static str {
        "crm-relay"
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        Ok(vec![self.queue.message_worker(self.app.clone(), CONCURRENCY, LEASE)])
    }

    async fn play(&self) -> Result<()> {
        let mut every = interval(WRITE_EVERY);
        for number in 1_u64.. {
            every.tick().await;
            let data = json!({
                "external_id": format!("c-{}", number % 20), "name": format!("Contact {number}")
            });
            let (id, event) = (format!("m-{number}"), "contact.updated");
            // The CRM sends each message twice, as who has lost an answer does.
            for _ in 0..2 {
                self.store.receive(NewInbox::new(SHOP, &id, event, &data)?).await?;
            }
            self.store.enqueue(NewOutbox::new(SHOP, event, &data, Some(&id))?).await?;
            self.service.nudge();
        }
        Ok(())
    }

    async fn look(&self) -> Result<String> {
        let metrics = self.store.metrics().await?;
        let deliveries = self.receiver.deliveries();
        let repeats = deliveries.iter().filter(|delivery| delivery.is_repeat).count();
        Ok(format!(
            "{} messages processed; {} sent in {} deliveries, {repeats} of them repeats that the receiver dropped; \
             {} refused",
            count(&metrics, "processed"),
            count(&metrics, "sent"),
            deliveries.len(),
            metrics.outbox.by_status["failed"]
        ))
    }

    async fn is_at_rest(&self) -> Result<bool> {
        let metrics = self.store.metrics().await?;
        let open = ["pending", "processing", "sending"];
        let left = |numbers: &crm_relay::db::Numbers| {
            open.iter().filter_map(|word| numbers.by_status.get(word)).sum::<u64>()
        };
        Ok(left(&metrics.inbox) + left(&metrics.outbox) == 0)
    }

    async fn promises(&self) -> Result<Vec<Promise>> {
        let metrics = self.store.metrics().await?;
        let (processed, sent) = (count(&metrics, "processed"), count(&metrics, "sent"));
        let mut told = 0;
        for contact in 0..20 {
            let contact = self.store.contact(SHOP, &format!("c-{contact}")).await?;
            told += contact.map_or(0, |(messages, _)| messages);
        }
        let effects = self.receiver.effects();
        let (taken, twice) = (effects.len() as u64, self.receiver.under_other_keys());
        let deliveries = self.receiver.deliveries();
        let untrusted = deliveries.iter().filter(|delivery| delivery.checked.is_err()).count();
        Ok(vec![
            Promise::new(
                processed == told,
                format!("{processed} messages processed, with {told} effects"),
            ),
            Promise::new(
                taken >= sent && twice == 0,
                format!(
                    "{sent} messages sent, {taken} taken by the receiver, {twice} under another key"
                ),
            ),
            Promise::new(untrusted == 0, format!("{untrusted} deliveries with a wrong signature")),
        ])
    }
}
