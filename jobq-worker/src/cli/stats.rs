//! `jobq stats`: everything in a few lines: jobs, workers, server.

use jobq_core::backend::WorkerStatus;
use jobq_core::inspect::QueueStats;
use jobq_core::{JobState, Timestamp};
use jobq_redis::{RedisBackend, ServerFacts};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::count::count;
use super::exit::{self, Failure};
use super::known;
use super::output::{self, Column};

/// How many workers are shown.
const WORKERS: usize = 50;

/// What `stats` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let (store, redis) = address.connect_to_both().await?;
    let whole = Whole::see(&store, redis.as_ref()).await?;
    let is_whole = !known::tell_uncounted(&store, &whole.queues).await?;
    if args.json {
        output::json(&whole.as_json())?;
        return exit::whole(is_whole);
    }
    output::lines(&whole.lines())?;
    if !whole.workers.is_empty() {
        output::table(&COLUMNS, whole.rows())?;
    }
    if whole.workers.len() > WORKERS {
        output::note(&format!("and {} more: see --json", whole.workers.len() - WORKERS))?;
    }
    exit::whole(is_whole)
}

/// All that there is to see.
struct Whole {
    now: Timestamp,
    queues: Vec<QueueStats>,
    workers: Vec<WorkerStatus>,
    /// `None` for a store that is no server.
    server: Option<ServerFacts>,
}

impl Whole {
    async fn see(store: &Store, redis: Option<&RedisBackend>) -> Result<Self, Failure> {
        Ok(Self {
            queues: store.inspect.queues().await?,
            workers: store.inspect.workers().await?,
            server: match redis {
                Some(redis) => Some(redis.server_facts().await?),
                None => None,
            },
            now: store.backend.clock().now(),
        })
    }

    fn count(&self, state: JobState) -> u64 {
        self.queues.iter().map(|queue| queue.count(state)).sum()
    }

    fn paused(&self) -> usize {
        self.queues.iter().filter(|queue| queue.paused).count()
    }

    fn oldest(&self) -> Option<Timestamp> {
        self.queues.iter().filter_map(|queue| queue.oldest_ready_at).min()
    }

    fn lines(&self) -> Vec<String> {
        let jobs = JobState::ALL.map(|state| format!("{} {state}", self.count(state)));
        let mut jobs = format!("jobs     {}", jobs.join(", "));
        if let Some(oldest) = self.oldest() {
            jobs.push_str(&format!("; the oldest ready for {}", output::span(oldest, self.now)));
        }
        let places: usize = self.workers.iter().map(|worker| worker.concurrency).sum();
        let mut lines = vec![
            format!("queues   {}, {} of them paused", self.queues.len(), self.paused()),
            jobs,
            format!(
                "workers  {}, with {}, for {} leased",
                self.workers.len(),
                count(places as u64, "place"),
                count(self.count(JobState::Leased), "job")
            ),
        ];
        if let Some(server) = &self.server {
            let mut facts = vec![format!("{} {}", server.product, server.version)];
            facts.extend(server.used_memory.map(|used| format!("{} in use", output::size(used))));
            facts.extend(
                server.uptime.map(|up| format!("up for {}", jobq_core::duration::text(up))),
            );
            lines.push(format!("server   {}: {}", server.address, facts.join(", ")));
        }
        lines
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |worker: &WorkerStatus| {
            vec![
                output::one_line(&worker.name, 40),
                output::one_line(&worker.queues.join(","), 40),
                format!("{}/{}", worker.running, worker.concurrency),
                output::span(worker.started_at, self.now),
                if worker.draining { "stopping" } else { "" }.to_owned(),
            ]
        };
        self.workers.iter().take(WORKERS).map(row).collect()
    }

    fn as_json(&self) -> Value {
        let jobs: serde_json::Map<_, _> = JobState::ALL
            .into_iter()
            .map(|state| (state.as_str().to_owned(), self.count(state).into()))
            .collect();
        let workers = self.workers.iter().map(|worker| {
            json!({
                "id": worker.id.to_string(),
                "name": worker.name,
                "queues": worker.queues,
                "running": worker.running,
                "concurrency": worker.concurrency,
                "draining": worker.draining,
                "started_at": worker.started_at.to_string(),
            })
        });
        json!({
            "queue_count": self.queues.len(),
            "paused_queue_count": self.paused(),
            "job_counts": jobs,
            "oldest_ready_at": self.oldest().map(|at| at.to_string()),
            "workers": workers.collect::<Vec<_>>(),
            "server": self.server.as_ref().map(server_as_json),
        })
    }
}

/// What is known of a server, for programs.
pub(super) fn server_as_json(server: &ServerFacts) -> Value {
    json!({
        "address": server.address,
        "product": server.product,
        "version": server.version,
        "used_memory": server.used_memory,
        "max_memory": server.max_memory,
        "uptime_s": server.uptime.map(|uptime| uptime.as_secs()),
    })
}

const COLUMNS: [Column; 5] = [
    Column::Text("worker"),
    Column::Text("queues"),
    // It is what each said last: a busy one does every 5 seconds, an idle one every 20.
    Column::Number("running, up to 20s ago"),
    Column::Number("since"),
    Column::Text(""),
];

#[cfg(test)]
mod tests {
    use jobq_core::{QueueName, WorkerId};

    use super::*;

    fn whole() -> Whole {
        let queue = |name: &str, ready| {
            let mut queue = QueueStats::empty(QueueName::new(name).unwrap());
            (queue.ready, queue.dead) = (ready, 1);
            queue.oldest_ready_at = Some(Timestamp::from_millis(1_000));
            queue
        };
        let started_at = Timestamp::from_millis(2_000);
        let mut worker = WorkerStatus::new(WorkerId::from_u64(1), "host:12", started_at);
        worker.queues = vec!["mail".to_owned(), "crm".to_owned()];
        (worker.concurrency, worker.running) = (10, 3);
        let now = Timestamp::from_millis(62_000);
        let mut queues = vec![queue("crm", 2), queue("mail", 3)];
        queues[0].paused = true;
        Whole { now, queues, workers: vec![worker], server: None }
    }

    #[test]
    fn totals_and_workers_are_told() {
        assert_eq!(
            whole().lines(),
            [
                "queues   2, 1 of them paused",
                "jobs     0 waiting, 0 scheduled, 5 ready, 0 leased, 0 completed, 0 cancelled, 2 dead; \
                 the oldest ready for 1m1s",
                "workers  1, with 10 places, for 0 jobs leased",
            ]
        );
        assert_eq!(whole().rows(), [["host:12", "mail,crm", "3/10", "1m", ""]]);
        let json = whole().as_json();
        assert_eq!((&json["job_counts"]["ready"], &json["queue_count"]), (&json!(5), &json!(2)));
        assert_eq!(json["workers"][0]["name"], "host:12");
        assert_eq!(json["server"], Value::Null);
    }
}
