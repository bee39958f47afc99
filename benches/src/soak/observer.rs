//! What handlers note of themselves, in a Redis of its own that nobody disturbs.
//!
//! Notes are what the soak is judged by: they must not depend on what is tested.

use std::collections::BTreeMap;

use jobq_core::{Clock, JobContext, JobId, SystemClock};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::crew::LEASE;
use super::limits::Hold;
use crate::AnyResult;

/// Notes of a job are kept that long: longer than any job lives.
const NOTES_KEPT_S: u64 = 3_600;
const VIOLATIONS: &str = "soak:violations";
const LANES_SEEN: &str = "soak:lanes";

/// The connection of one process to the notes.
#[derive(Clone)]
pub(crate) struct Observer(ConnectionManager);

/// What was noted of one job.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) starts: u64,
    pub(crate) ends: u64,
}

fn notes_of(id: impl std::fmt::Display) -> String {
    format!("soak:job:{id}")
}

fn leased_at(cx: &JobContext) -> u64 {
    cx.lease().expires_at.as_millis() - LEASE.as_millis() as u64
}

/// A connection that waits for a machine that is busy with other things.
pub(crate) async fn patient(url: &str) -> AnyResult<ConnectionManager> {
    let patience = Some(std::time::Duration::from_secs(60));
    let config = ConnectionManagerConfig::new();
    let config = config.set_response_timeout(patience).set_connection_timeout(patience);
    Ok(ConnectionManager::new_with_config(redis::Client::open(url)?, config).await?)
}

impl Observer {
    pub(crate) async fn connect(url: &str) -> AnyResult<Self> {
        Ok(Self(patient(url).await?))
    }

    /// Runs commands; a note that cannot be made ends the process, for the verdict would be wrong.
    async fn note<T: redis::FromRedisValue>(&self, notes: &redis::Pipeline) -> T {
        match notes.query_async(&mut self.0.clone()).await {
            Ok(value) => value,
            Err(error) => {
                eprintln!("soak: the notes cannot be kept: {error}");
                std::process::exit(70);
            }
        }
    }

    pub(crate) async fn violation(&self, what: String) {
        let () = self.note(redis::pipe().rpush(VIOLATIONS, what).ignore()).await;
    }

    pub(crate) async fn started(&self, cx: &JobContext) {
        let key = notes_of(cx.id());
        let mut notes = redis::pipe();
        notes.hincr(&key, "starts", 1).ignore().expire(&key, NOTES_KEPT_S as i64).ignore();
        let () = self.note(&notes).await;
    }

    /// A job ends well at most once for each crash it has survived.
    pub(crate) async fn ended(&self, cx: &JobContext) {
        let (key, after) = (notes_of(cx.id()), format!("ends after {} crashes", cx.crashes()));
        let mut notes = redis::pipe();
        notes.hincr(&key, "ends", 1).ignore().hincr(&key, &after, 1);
        notes.expire(&key, NOTES_KEPT_S as i64).ignore();
        let (times,): (u64,) = self.note(&notes).await;
        if times > 1 {
            let (id, attempt) = (cx.id(), cx.attempt());
            self.violation(format!("job {id} ended {times} times at {after}, attempt {attempt}"))
                .await;
        }
    }

    /// When it was leased, by the store's clock.
    pub(crate) async fn leased(&self, cx: &JobContext) {
        let list = format!("soak:leased:{}", cx.queue_name());
        let () = self.note(redis::pipe().rpush(list, leased_at(cx)).ignore()).await;
    }

    /// A handler of a lane comes to its end, whatever that is.
    pub(crate) async fn held(&self, cx: &JobContext) {
        let Some(lane) = cx.lane() else { return };
        let (from, now) = (leased_at(cx), SystemClock::default().now().as_millis());
        let hold = format!("{from} {}", now.min(from + LEASE.as_millis() as u64));
        let mut notes = redis::pipe();
        notes.rpush(format!("soak:held:{lane}"), hold).ignore();
        notes.cmd("SADD").arg(LANES_SEEN).arg(lane.to_string()).ignore();
        let () = self.note(&notes).await;
    }

    pub(crate) async fn leases(&self, queue: &str) -> Vec<u64> {
        let list = format!("soak:leased:{queue}");
        let (leases,): (Vec<u64>,) = self.note(redis::pipe().lrange(list, 0, -1)).await;
        leases
    }

    /// Who held a place in each lane, and when.
    pub(crate) async fn holds(&self) -> BTreeMap<String, Vec<Hold>> {
        let (lanes,): (Vec<String>,) = self.note(redis::pipe().smembers(LANES_SEEN)).await;
        let mut holds = BTreeMap::new();
        for lane in lanes {
            let list = format!("soak:held:{lane}");
            let (lines,): (Vec<String>,) = self.note(redis::pipe().lrange(list, 0, -1)).await;
            let hold = |line: &String| {
                let (from, until) = line.split_once(' ')?;
                Some(Hold { from: from.parse().ok()?, until: until.parse().ok()? })
            };
            holds.insert(lane, lines.iter().filter_map(hold).collect());
        }
        holds
    }

    pub(crate) async fn look_at_parents(&self, cx: &JobContext, parents: &[String]) {
        for parent in parents {
            let (ends,): (Option<u64>,) =
                self.note(redis::pipe().hget(notes_of(parent), "ends")).await;
            if ends.unwrap_or(0) == 0 {
                let id = cx.id();
                self.violation(format!("job {id} started before its parent {parent} ended")).await;
            }
        }
    }

    /// Of the jobs with one unique key, no other may start before the one that started has ended.
    pub(crate) async fn hold(&self, cx: &JobContext, key: u32) {
        let (name, id) = (format!("soak:unique:{key}"), cx.id().to_string());
        let mut notes = redis::pipe();
        notes.cmd("SET").arg(&name).arg(&id).arg("GET");
        let (holder,): (Option<String>,) = self.note(&notes).await;
        if holder.as_ref().is_some_and(|holder| *holder != id) {
            let holder = holder.unwrap_or_default();
            self.violation(format!("jobs {holder} and {id} hold the unique key {key} at once"))
                .await;
        }
    }

    pub(crate) async fn let_go(&self, cx: &JobContext, key: u32) {
        let name = format!("soak:unique:{key}");
        let (holder,): (Option<String>,) = self.note(redis::pipe().get(&name)).await;
        // Another one may hold it by now: this one is a ghost then, and its settlement changes nothing.
        if holder.is_some_and(|holder| holder == cx.id().to_string()) {
            let () = self.note(redis::pipe().del(&name).ignore()).await;
        }
    }

    pub(crate) async fn is_first_snooze(&self, cx: &JobContext) -> bool {
        let mut notes = redis::pipe();
        notes.hset_nx(notes_of(cx.id()), "snoozed", 1);
        let (is_first,): (bool,) = self.note(&notes).await;
        is_first
    }

    /// Each tick of a schedule is one job: it runs once for each crash, and once more.
    pub(crate) async fn ticked(&self, cx: &JobContext) {
        let fact = |name: &str| cx.metadata().get(name).unwrap_or("?").to_owned();
        let (schedule, tick) = (format!("soak:ticks:{}", fact("schedule")), fact("tick"));
        let after = format!("soak:tick:{}:{tick}", fact("schedule"));
        let mut notes = redis::pipe();
        notes.hincr(&schedule, &tick, 1).ignore();
        notes.hincr(&after, cx.crashes(), 1).expire(&after, NOTES_KEPT_S as i64).ignore();
        let (times,): (u64,) = self.note(&notes).await;
        if times > 1 {
            let (schedule, crashes) = (fact("schedule"), cx.crashes());
            self.violation(format!("{schedule} ran {times} times for {tick}, {crashes} crashes"))
                .await;
        }
    }

    pub(crate) async fn notes(&self, id: JobId) -> Notes {
        let (pair,): ((Option<u64>, Option<u64>),) =
            self.note(redis::pipe().hmget(notes_of(id), &["starts", "ends"])).await;
        Notes { starts: pair.0.unwrap_or(0), ends: pair.1.unwrap_or(0) }
    }

    /// The ticks of a schedule that ran, and how often each did.
    pub(crate) async fn ticks(&self, schedule: &str) -> BTreeMap<String, u64> {
        let key = format!("soak:ticks:{schedule}");
        let (ticks,): (BTreeMap<String, u64>,) = self.note(redis::pipe().hgetall(key)).await;
        ticks
    }

    pub(crate) async fn violations(&self) -> Vec<String> {
        let (found,): (Vec<String>,) = self.note(redis::pipe().lrange(VIOLATIONS, 0, -1)).await;
        found
    }
}
