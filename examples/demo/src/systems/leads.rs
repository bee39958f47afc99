//! Bulk lead updates: thousands of leads by one request, with live progress and a signed message at the end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use bulk_leads::api_key::ApiKey;
use bulk_leads::client::Client;
use bulk_leads::db::{Bad, NewKey, Store};
use bulk_leads::jobs::ForgetEnded;
use bulk_leads::limits::LimitOverrides;
use bulk_leads::receiver::{Receiver, Reception};
use bulk_leads::{App, OpenQueue, Rounds, Rules, Service, Setup, lead_worker, webhook_worker};
use jobq_scheduler::{Schedule, TimeUnits};
use jobq_worker::Worker;
use tokio::time::interval;

use crate::system::{Promise, Result, System};

const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const LEADS: u64 = 20_000;
/// Leads of each request, and how many of them are deleted.
const A_REQUEST: i64 = 4_000;
const DELETED: u64 = 3;
const ASK_EVERY: Duration = Duration::from_secs(2);
/// What messages are signed with here, where receiver and sender are one.
const SECRET: &str = "between this program and itself";
const STATUSES: [&str; 2] = ["contacted", "qualified"];

pub(super) struct Leads {
    store: Store,
    app: App,
    queue: OpenQueue,
    client: Client,
    /// Messages that came, and whether they could be trusted.
    receiver: tokio::sync::Mutex<Receiver>,
    seen: Mutex<Seen>,
    _service: Service,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    asked: u64,
    refused: u64,
    /// Jobs that have ended: leads that were changed, and those that could not be.
    ended: u64,
    changed: u64,
    failed: u64,
    /// Messages with a good signature, and others.
    trusted: u64,
    untrusted: u64,
    /// Where the job that runs is.
    progress: f64,
}

impl Leads {
    pub(super) async fn set_up(queue: OpenQueue, folder: &Path) -> Result<Self> {
        let file = folder.join("bulk-leads.db");
        let store = Store::open(&format!("sqlite://{}", file.display())).await?;
        store.seed(LEADS, &[Bad::Deleted; DELETED as usize]).await?;
        let service = Service::start(Setup {
            store: store.clone(),
            queue: queue.clone(),
            listen: ANYWHERE,
            // They run with the others.
            concurrency: 0,
            rules: Rules::default(),
            rounds: Rounds::default(),
        })
        .await?;
        let receiver = Receiver::start(Reception::new(ANYWHERE, SECRET)).await?;
        let key = ApiKey::generate()?;
        store
            .add_key(&NewKey {
                key: &key,
                user_id: 1,
                name: "demo",
                is_premium: false,
                limits: LimitOverrides {
                    min_seconds_between_jobs: Some(3),
                    max_leads_per_day: Some(10_000_000),
                    ..LimitOverrides::default()
                },
                webhook: Some((receiver.url(), SECRET)),
            })
            .await?;
        let client = Client::new(service.url(), key.reveal())?;
        let app = App::new(store.clone())?;
        let (receiver, seen) = (tokio::sync::Mutex::new(receiver), Mutex::default());
        Ok(Self { store, app, queue, client, receiver, seen, _service: service })
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks every two seconds, which is more often than is allowed, and follows what was accepted.
    async fn ask(&self) -> Result<()> {
        let mut every = interval(ASK_EVERY);
        for number in 0_usize.. {
            every.tick().await;
            // The deleted ones are the last.
            let first = (number as i64 * A_REQUEST) % LEADS as i64;
            let ids: Vec<i64> = (first + 1..=first + A_REQUEST).collect();
            let answer = self.client.change(&ids, STATUSES[number % STATUSES.len()]).await?;
            if answer.status == 429 {
                self.note(|seen| seen.refused += 1);
                continue;
            }
            if answer.status != 202 {
                return Err(format!("a request was refused: {}", answer.body).into());
            }
            self.note(|seen| seen.asked += 1);
            let end = self
                .client
                .follow(answer.text("job_id"), |event| {
                    let percent = event["progress_percent"].as_f64().unwrap_or_default();
                    self.note(|seen| seen.progress = percent);
                })
                .await?;
            self.note(|seen| {
                seen.ended += 1;
                seen.changed += end["successes"].as_u64().unwrap_or_default();
                seen.failed += end["failures"].as_u64().unwrap_or_default();
            });
        }
        Ok(())
    }

    async fn receive(&self) -> Result<()> {
        let mut receiver = self.receiver.lock().await;
        while let Some(message) = receiver.next().await {
            self.note(|seen| match message.checked {
                Ok(()) => seen.trusted += 1,
                Err(_) => seen.untrusted += 1,
            });
        }
        Ok(())
    }
}

#[async_trait]
impl System for Leads {
    fn name(&self) -> &'static str {
        "bulk-leads"
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        let backend = || std::sync::Arc::clone(&self.queue.backend);
        Ok(vec![
            lead_worker(backend(), self.app.clone()).concurrency(2),
            webhook_worker(backend(), self.app.clone()),
        ])
    }

    fn schedules(&self) -> Vec<(&'static str, Schedule)> {
        let forget = Schedule::every(10.seconds()).without_overlapping();
        vec![("forget-ended", forget.job(ForgetEnded::default()))]
    }

    async fn play(&self) -> Result<()> {
        tokio::select! {
            ended = self.ask() => ended,
            ended = self.receive() => ended,
        }
    }

    async fn look(&self) -> Result<String> {
        let seen = self.seen();
        Ok(format!(
            "{} requests of {A_REQUEST} leads accepted, {} refused as too early; {} leads changed, {} not; \
             newest job at {:.0} %; {} signed messages",
            seen.asked, seen.refused, seen.changed, seen.failed, seen.progress, seen.trusted
        ))
    }

    async fn is_at_rest(&self) -> Result<bool> {
        let stats = self.store.stats(1, 2).await?;
        let ended = |day: &bulk_leads::db::DayStats| {
            day.completed + day.failed + day.cancelled + day.timed_out
        };
        Ok(stats.iter().all(|day| day.jobs == ended(day)))
    }

    async fn promises(&self) -> Result<Vec<Promise>> {
        let stats = self.store.stats(1, 2).await?;
        let (jobs, completed): (u64, u64) =
            stats.iter().fold((0, 0), |sum, day| (sum.0 + day.jobs, sum.1 + day.completed));
        let seen = self.seen();
        let accounted = seen.changed + seen.failed == seen.ended * A_REQUEST as u64;
        Ok(vec![
            Promise::new(jobs == completed, format!("{jobs} jobs accepted, {completed} completed")),
            Promise::new(
                accounted,
                format!(
                    "{} + {} leads of {} jobs accounted for",
                    seen.changed, seen.failed, seen.ended
                ),
            ),
            Promise::new(
                seen.untrusted == 0,
                format!("{} messages, {} with a wrong signature", seen.trusted, seen.untrusted),
            ),
        ])
    }
}
