//! What is looked at when all is over.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jobq_core::{
    Backend, Inspect, JobState, LimitScope, LimitSource, Limits, QueueName, Timestamp,
};
use redis::aio::ConnectionManager;
use serde::Serialize;

use super::crew::{Post, Role, SCHEDULES};
use super::job::{LANES, QUEUES, RATED};
use super::ledger::Counts;
use super::limits::{more_at_once_than, more_within_than};
use super::observer::patient;
use super::{LANE_LIMIT, Plan, RATED_A_SECOND, Stage};
use crate::AnyResult;

/// What an emptied server may have more than an empty one: scripts, buffers, and what queues keep.
const SERVER_MAY_KEEP: u64 = 8 << 20;
/// What a worker may have grown by since its first minute, beside half of what it had.
const WORKER_MAY_GROW: u64 = 32 << 20;

/// A lane is remembered for a minute after its last job, so that it does not go first again; half as much
/// again for the maintenance.
const LANES_ARE_FORGOTTEN_AFTER: Duration = Duration::from_secs(90);

/// How long a schedule may rest while schedulers are killed and frozen.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(90);

/// A connection that asks the server about itself.
pub(crate) struct Control(ConnectionManager);

impl Control {
    pub(crate) async fn connect(url: &str) -> AnyResult<Self> {
        Ok(Self(patient(url).await?))
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> AnyResult<T> {
        let mut last = None;
        // The server may have been restarted since it was last asked.
        for _ in 0..20 {
            match command.query_async(&mut self.0.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(last.map_or_else(|| "no answer".into(), Into::into))
    }

    pub(crate) async fn used_memory(&self) -> AnyResult<u64> {
        let info: String = self.ask(redis::cmd("INFO").arg("memory")).await?;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        Ok(line.ok_or("the server does not tell its memory")?.trim().parse()?)
    }

    /// The keys that are left, each with the number of its entries.
    async fn keys(&self) -> AnyResult<BTreeMap<String, u64>> {
        let names: Vec<String> = self.ask(redis::cmd("KEYS").arg("*")).await?;
        let mut sizes = BTreeMap::new();
        for name in names {
            let kind: String = self.ask(redis::cmd("TYPE").arg(&name)).await?;
            let size = match kind.as_str() {
                "hash" => "HLEN",
                "zset" => "ZCARD",
                "set" => "SCARD",
                "list" => "LLEN",
                _ => "STRLEN",
            };
            let size = self.ask(redis::cmd(size).arg(&name)).await?;
            sizes.insert(name, size);
        }
        Ok(sizes)
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Memory {
    pub(crate) server_first: u64,
    pub(crate) server_last: u64,
    /// After a minute.
    pub(crate) worker_first: u64,
    pub(crate) worker_last: u64,
}

pub(crate) fn steady_memory(posts: &[Post]) -> u64 {
    posts.iter().find(|post| post.role == Role::Steady).map_or(0, Post::memory)
}

/// The accounts, printed as one line of JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    ok: bool,
    seed: u64,
    minutes: f64,
    jobs: Counts,
    ticks: BTreeMap<&'static str, usize>,
    faults: BTreeMap<&'static str, u64>,
    #[serde(serialize_with = "seconds")]
    pub(crate) drained_after: Duration,
    pub(crate) memory: Memory,
    /// Jobs of lanes that came to their end, and lanes that ran as many at once as they may.
    held: usize,
    held_up_lanes: usize,
    /// Leases of the queue with a rate.
    rated: usize,
    #[serde(skip)]
    since: Timestamp,
    /// When the schedulers were told to end.
    #[serde(skip)]
    pub(crate) schedulers_until: Timestamp,
    violations: Vec<String>,
}

fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

impl Verdict {
    pub(crate) fn new(plan: Plan, server_first: u64, memory: Memory, since: Timestamp) -> Self {
        Self {
            ok: false,
            seed: plan.seed,
            minutes: plan.minutes,
            jobs: Counts::default(),
            ticks: BTreeMap::new(),
            faults: BTreeMap::new(),
            drained_after: Duration::ZERO,
            memory: Memory { server_first, ..memory },
            held: 0,
            held_up_lanes: 0,
            rated: 0,
            since,
            schedulers_until: since,
            violations: Vec::new(),
        }
    }

    /// Prints it; whether nothing was found.
    pub(crate) fn pronounce(mut self) -> bool {
        self.ok = self.violations.is_empty();
        for violation in self.violations.iter().take(50) {
            eprintln!("soak: violation: {violation}");
        }
        match serde_json::to_string(&self) {
            #[expect(clippy::print_stdout, reason = "the result of a program")]
            Ok(line) => println!("{line}"),
            Err(error) => eprintln!("soak: {error}"),
        }
        self.ok
    }
}

impl Stage {
    /// Everybody has gone home; what is left, and does it add up?
    pub(crate) async fn judge(&self, verdict: &mut Verdict) -> AnyResult {
        verdict.jobs = self.ledger.total();
        verdict.faults = self.faults();
        let mut found = self.observer.violations().await;
        found.extend(self.fates.failures());
        let jobs = verdict.jobs;
        let ended = jobs.completed + jobs.dead + jobs.cancelled;
        if ended != jobs.acknowledged {
            found.push(format!(
                "{} jobs were acknowledged, and {ended} have ended",
                jobs.acknowledged
            ));
        }
        self.judge_limits(verdict, &mut found).await;
        self.judge_ticks(verdict, &mut found).await?;
        self.clear(&mut found).await?;
        for (key, size) in self.leftovers().await? {
            found.push(format!("{key} is left, with {size} entries"));
        }
        verdict.memory.server_last = self.control.used_memory().await?;
        let memory = verdict.memory;
        if memory.server_last > memory.server_first + SERVER_MAY_KEEP {
            found.push(format!("the server has grown: {memory:?}"));
        }
        if memory.worker_last > memory.worker_first + memory.worker_first / 2 + WORKER_MAY_GROW {
            found.push(format!("a worker has grown: {memory:?}"));
        }
        verdict.violations = found;
        Ok(())
    }

    fn faults(&self) -> BTreeMap<&'static str, u64> {
        let counts = [
            ("kills", &self.fates.kills),
            ("stops", &self.fates.stops),
            ("terminations", &self.fates.terminations),
            ("aborts", &self.fates.aborts),
            ("server_kills", &self.done.server_kills),
            ("freezes", &self.done.freezes),
            ("delays", &self.done.delays),
            ("cuts", &self.done.cuts),
            ("pauses", &self.done.pauses),
        ];
        counts.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed))).collect()
    }

    /// Never more jobs of a lane at once, and never more leases in any second, than the limits say.
    async fn judge_limits(&self, verdict: &mut Verdict, found: &mut Vec<String>) {
        for (lane, holds) in self.observer.holds().await {
            verdict.held += holds.len();
            verdict.held_up_lanes +=
                usize::from(more_at_once_than(LANE_LIMIT - 1, &holds).is_some());
            if let Some(moment) = more_at_once_than(LANE_LIMIT, &holds) {
                found.push(format!("lane {lane} ran more than {LANE_LIMIT} at once, at {moment}"));
            }
        }
        let mut leases = self.observer.leases(RATED).await;
        let second = Duration::from_secs(1);
        if let Some(moment) = more_within_than(RATED_A_SECOND, second, &mut leases) {
            found.push(format!("more than {RATED_A_SECOND} leases in a second, from {moment} on"));
        }
        verdict.rated = leases.len();
        // What never reaches a limit shows nothing of it.
        if verdict.held_up_lanes == 0
            || more_within_than(RATED_A_SECOND - 1, second, &mut leases).is_none()
        {
            found.push("no limit was ever reached".to_owned());
        }
    }

    /// From the first tick of a schedule to the last none is missing, and they reach from begin to end.
    async fn judge_ticks(&self, verdict: &mut Verdict, found: &mut Vec<String>) -> AnyResult {
        for (name, every_ms) in SCHEDULES {
            let ticks = self.observer.ticks(&format!("soak/{name}")).await;
            let times = ticks.keys().map(|tick| jobq_scheduler::instant::parse(tick));
            let mut times = times.collect::<jobq_core::Result<Vec<_>>>()?;
            times.sort_unstable();
            for pair in times.windows(2) {
                let distance = pair[1].as_millis() - pair[0].as_millis();
                if distance != every_ms {
                    found.push(format!("{name} did not run between {} and {}", pair[0], pair[1]));
                }
            }
            let is_whole = times.first().zip(times.last()).is_some_and(|(first, last)| {
                first.since(verdict.since) < TAKEN_OVER_WITHIN
                    && verdict.schedulers_until.since(*last) < TAKEN_OVER_WITHIN
            });
            if !is_whole {
                let (first, last) = (times.first(), times.last());
                found.push(format!("{name} ran from {first:?} to {last:?} only"));
            }
            verdict.ticks.insert(name, times.len());
        }
        Ok(())
    }

    /// Takes away what was set up, and what only looks like a leak: jobs that nobody was told of.
    async fn clear(&self, found: &mut Vec<String>) -> AnyResult {
        let lanes = LimitScope::Lanes(QueueName::new(LANES)?);
        let rated = LimitScope::Queue(QueueName::new(RATED)?);
        for scope in [lanes, rated] {
            self.store.set_limits(&scope, LimitSource::Code, &Limits::new()).await?;
        }
        for name in QUEUES {
            let queue = QueueName::new(name)?;
            for state in [JobState::Completed, JobState::Dead, JobState::Cancelled] {
                loop {
                    let jobs = self.store.jobs(&queue, state, 0, 100).await?;
                    if jobs.is_empty() {
                        break;
                    }
                    let ids: Vec<_> = jobs.iter().map(|job| job.record.id).collect();
                    eprintln!("soak: {} {state} jobs of {name} were never acknowledged", ids.len());
                    self.store.delete(&queue, state, &ids).await?;
                }
            }
            let stats = self.store.queue(&queue).await?;
            let live = stats.waiting + stats.ready + stats.scheduled + stats.leased;
            if live + stats.completed + stats.dead + stats.cancelled > 0 {
                found.push(format!("counts of an empty queue: {stats:?}"));
            }
        }
        Ok(())
    }

    /// The keys that should not be there, when everything has had the time to be forgotten.
    async fn leftovers(&self) -> AnyResult<BTreeMap<String, u64>> {
        let started = Instant::now();
        loop {
            for name in QUEUES {
                self.store.maintain(&QueueName::new(name)?, 1_000).await?;
            }
            let mut keys = self.control.keys().await?;
            keys.retain(|key, size| !may_stay(key, *size));
            if keys.is_empty() || started.elapsed() > LANES_ARE_FORGOTTEN_AFTER {
                return Ok(keys);
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

/// What `docs/guarantees.md` says that a queue keeps.
fn may_stay(key: &str, size: u64) -> bool {
    let (tag, part) = key.rsplit_once("}:").unwrap_or(("", key));
    if !tag.contains(':') {
        return match part {
            "queues" => size <= QUEUES.len() as u64,
            // The group and the greatest revision of any; its schedules and what was deployed last; and schedulers
            // that were killed, until the next one that attends forgets them.
            "groups" => size <= 2,
            "entries:soak" => size <= SCHEDULES.len() as u64 + 1,
            "attending:soak" => size <= 2,
            // Workers that were killed since the living last swept the list.
            "workers" => size <= 16,
            _ => false,
        };
    }
    match part {
        "leased" | "wake" => size <= 1,
        "meta" | "levels" | "flow" | "inbox" | "ticks" => true,
        _ => false,
    }
}
