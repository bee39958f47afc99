//! `jobq doctor`: whether the server is fit for jobs, and what to do if not.

use std::borrow::Cow;
use std::time::Duration;

use jobq_redis::{RedisBackend, Rights, ServerFacts};
use serde_json::{Value, json};

use super::connect::{Address, unreached, whence};
use super::exit::Failure;
use super::output::{self, Column};
use super::stats;
use crate::events::Chain;

/// How often the server is asked, to see how long it takes.
const PINGS: usize = 20;

/// From which median on a server is slow, and from which longest time.
const SLOW: Duration = Duration::from_millis(5);
const VERY_SLOW: Duration = Duration::from_millis(100);

/// How far clocks may be apart. Nothing is decided by this machine's clock, but logs are read by it.
const CLOCK_MS: u64 = 2_000;

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// Ends with code 1 if anything is so wrong that jobs may be lost or cannot be run.
pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let Exam { findings, measured } = match address.redis_config()? {
        None => Exam::cut_short(Finding::warn(
            "store",
            "the store is this process's memory",
            "its jobs end with the process: give the URL of a server by --backend",
        )),
        Some(config) => match RedisBackend::lazy(config) {
            Ok(redis) => examine(&redis, address.prefix()).await?,
            Err(error) => return Err(unreached(error)),
        },
    };
    let is_fit = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    if args.json {
        let checks = findings.iter().map(|finding| {
            json!({
                "check": finding.check,
                "verdict": finding.verdict.as_str(),
                "finding": finding.found,
                "advice": finding.advice,
            })
        });
        let checks = checks.collect::<Vec<_>>();
        let (server, latency, clock) =
            measured.as_ref().map_or_else(Default::default, Measured::as_json);
        output::json(&json!({
            "ok": is_fit, "checks": checks, "server": server, "latency": latency, "clock_ahead_ms": clock,
        }))?;
    } else {
        output::table(&COLUMNS, findings.iter().map(Finding::as_row).collect())?;
    }
    if is_fit { Ok(()) } else { Err(Failure::Told) }
}

/// What was found, and the numbers behind it, if the server could be asked.
struct Exam {
    findings: Vec<Finding>,
    measured: Option<Measured>,
}

struct Measured {
    facts: ServerFacts,
    trips: Vec<Duration>,
}

impl Exam {
    fn cut_short(finding: Finding) -> Self {
        Self { findings: vec![finding], measured: None }
    }
}

impl Measured {
    /// The server, the latency and how far its clock is ahead, for programs.
    fn as_json(&self) -> (Value, Value, Value) {
        let (median, longest) = of_trips(&self.trips);
        let ms = |trip: Duration| (trip.as_secs_f64() * 1e6).round() / 1e3;
        let latency = json!({ "median_ms": ms(median), "longest_ms": ms(longest) });
        (stats::server_as_json(&self.facts), latency, self.facts.clock_ahead_ms.into())
    }
}

async fn examine(redis: &RedisBackend, prefix: &str) -> Result<Exam, Failure> {
    let trips = match redis.round_trips(PINGS).await {
        Ok(trips) => trips,
        Err(error) => {
            let why = format!("{} ({})", Chain(&error), whence());
            let finding = Finding::fail("server", why, "nothing else could be checked");
            return Ok(Exam::cut_short(finding));
        }
    };
    let facts = redis.server_facts().await?;
    let lacking = redis.rights().await?;
    let findings = vec![
        Finding::ok("server", format!("{} {} at {}", facts.product, facts.version, facts.address)),
        rights(&lacking, prefix),
        persistence(&facts),
        disk(&facts),
        eviction(&facts),
        memory(&facts),
        latency(&trips),
        clock(&facts),
    ];
    Ok(Exam { findings, measured: Some(Measured { facts, trips }) })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; nothing if all is well.
    advice: Option<Cow<'static, str>>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warn(
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(
        check: &'static str,
        found: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), advice: Some(advice.into()) }
    }

    fn unknown(check: &'static str) -> Self {
        Self::warn(
            check,
            "the Redis user may not see it",
            "let `jobq doctor` run as a user with INFO and CONFIG GET, or ask who runs the server",
        )
    }

    fn as_row(&self) -> Vec<String> {
        vec![
            self.verdict.as_str().to_owned(),
            self.check.to_owned(),
            match &self.advice {
                Some(advice) => format!("{}: {advice}", self.found),
                None => self.found.clone(),
            },
        ]
    }
}

fn rights(rights: &Rights, prefix: &str) -> Finding {
    const KEPT: &str = "rename no command, and ask the proxy's maker: jobq needs all of them";
    let needed = || {
        format!(
            "give the user ~{{{prefix}}}:* ~{{{prefix}:*}}:* &{{{prefix}}}:watch:* and the commands in \
             docs/operations.md; and +info +config|get for `jobq doctor`"
        )
    };
    match rights.fault() {
        None if rights.untold.is_empty() => {
            Finding::ok("rights", "the Redis user may do what jobq needs")
        }
        None => Finding::ok(
            "rights",
            format!(
                "the Redis user may do what could be tried; this server cannot tell of {}",
                rights.untold.join(", ")
            ),
        ),
        Some(_) if rights.missing == ["PUBLISH"] && rights.unknown.is_empty() => Finding::warn(
            "rights",
            "the Redis user may not PUBLISH, so no job can be watched",
            needed(),
        ),
        Some(fault) if rights.unknown.is_empty() => Finding::fail("rights", fault, needed()),
        Some(fault) => Finding::fail("rights", fault, KEPT),
    }
}

fn persistence(facts: &ServerFacts) -> Finding {
    let check = "persistence";
    match (facts.appends, facts.snapshots) {
        (Some(true), _) => match facts.fsync.as_deref() {
            Some("no") => Finding::warn(
                check,
                "append-only file, forced to the disk when the system likes",
                "set appendfsync to everysec, or a power cut may lose half a minute of jobs",
            ),
            Some(fsync) => Finding::ok(check, format!("append-only file, appendfsync {fsync}")),
            None => Finding::ok(check, "append-only file"),
        },
        (Some(false), Some(true)) => Finding::warn(
            check,
            "snapshots only",
            "set appendonly to yes, or a crash loses all jobs since the last snapshot",
        ),
        (Some(false), Some(false)) => Finding::fail(
            check,
            "none: jobs are in memory only",
            "set appendonly to yes, or a restart of the server loses all jobs",
        ),
        (Some(false), None) => Finding::warn(
            check,
            "no append-only file",
            "set appendonly to yes, or a crash loses jobs",
        ),
        (None, _) => Finding::unknown(check),
    }
}

fn disk(facts: &ServerFacts) -> Finding {
    match facts.can_write {
        Some(true) => Finding::ok("disk", "the last writes have succeeded"),
        Some(false) => Finding::fail(
            "disk",
            "the server could not write its data",
            "see its log: it may refuse new jobs until it can, and a restart may lose some",
        ),
        None => Finding::unknown("disk"),
    }
}

fn eviction(facts: &ServerFacts) -> Finding {
    let check = "eviction";
    match facts.eviction.as_deref() {
        Some("noeviction") => Finding::ok(check, "maxmemory-policy noeviction"),
        Some(policy) if policy.starts_with("allkeys-") => Finding::fail(
            check,
            format!("maxmemory-policy {policy}"),
            "set it to noeviction, or a full server silently deletes jobs",
        ),
        // The keys of jobs have no time to live, so these leave them alone.
        Some(policy) => Finding::ok(check, format!("maxmemory-policy {policy} leaves jobs alone")),
        None => Finding::unknown(check),
    }
}

fn memory(facts: &ServerFacts) -> Finding {
    let check = "memory";
    let Some(used) = facts.used_memory else { return Finding::unknown(check) };
    let (most, whose) = match (facts.max_memory, facts.system_memory) {
        (Some(most), _) if most > 0 => (most, "maxmemory"),
        (_, Some(most)) if most > 0 => (most, "the machine"),
        _ => return Finding::ok(check, format!("{} in use", output::size(used))),
    };
    let percent = u128::from(used) * 100 / u128::from(most);
    let found = format!(
        "{} in use, {percent}% of the {} of {whose}",
        output::size(used),
        output::size(most)
    );
    match percent {
        0..80 => Finding::ok(check, found),
        80..95 => Finding::warn(check, found, "a full server takes no new jobs: give it more"),
        _ => Finding::fail(check, found, "a full server takes no new jobs: give it more"),
    }
}

/// The one in the middle and the longest of some trips, which are sorted.
fn of_trips(trips: &[Duration]) -> (Duration, Duration) {
    let median = trips.get(trips.len() / 2).copied().unwrap_or_default();
    (median, trips.last().copied().unwrap_or_default())
}

fn latency(trips: &[Duration]) -> Finding {
    let (median, longest) = of_trips(trips);
    let ms = |trip: Duration| format!("{:.2} ms", trip.as_secs_f64() * 1e3);
    let found = format!("{} in the middle, {} at most", ms(median), ms(longest));
    if median > SLOW || longest > VERY_SLOW {
        let advice =
            "each job takes a trip or two: run workers close to the server, and see SLOWLOG";
        Finding::warn("latency", found, advice)
    } else {
        Finding::ok("latency", found)
    }
}

fn clock(facts: &ServerFacts) -> Finding {
    let Some(ahead) = facts.clock_ahead_ms else { return Finding::unknown("clock") };
    let way = if ahead < 0 { "behind" } else { "ahead of" };
    let found = format!("the server's is {} ms {way} this machine's", ahead.unsigned_abs());
    if ahead.unsigned_abs() > CLOCK_MS {
        let advice = "keep both by NTP: jobs go by the server's clock, and logs by this machine's";
        Finding::warn("clock", found, advice)
    } else {
        Finding::ok("clock", found)
    }
}

const COLUMNS: [Column; 3] =
    [Column::Text("verdict"), Column::Text("check"), Column::Text("found")];

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(millis: &[u64]) -> Vec<Duration> {
        millis.iter().map(|number| Duration::from_millis(*number)).collect()
    }

    #[test]
    fn rights_that_are_missing_are_named() {
        let of = |missing: &[&'static str], unknown: &[&'static str], untold: &[&'static str]| {
            let mut found = Rights::default();
            found.missing.extend(missing);
            found.unknown.extend(unknown);
            found.untold.extend(untold);
            rights(&found, "shop.eu")
        };
        assert_eq!(of(&[], &[], &[]).verdict, Verdict::Ok);
        let untold = of(&[], &[], &["INCR"]);
        assert_eq!(untold.verdict, Verdict::Ok);
        assert!(untold.found.ends_with("cannot tell of INCR"), "{untold:?}");
        assert_eq!(of(&["PUBLISH"], &[], &[]).verdict, Verdict::Warn);
        let finding = of(&[], &["EVALSHA"], &[]);
        assert_eq!(finding.verdict, Verdict::Fail);
        let found =
            "the server does not have the command EVALSHA: it was renamed or a proxy hides it";
        assert_eq!(finding.found, found);
        let finding = of(&["EVAL", "ZADD"], &[], &[]);
        assert_eq!(
            (finding.verdict, finding.found.as_str()),
            (Verdict::Fail, "the Redis user may not EVAL, ZADD")
        );
        // What the documentation gives, for this prefix and no other.
        let documented = include_str!("../../../docs/operations.md");
        let (_, line) = documented.split_once("ACL SETUSER jobq on >PASSWORD resetkeys ").unwrap();
        let (line, _) = line.split_once(" nocommands").unwrap();
        let patterns = line.replace("resetchannels ", "").replace("{jobq", "{shop.eu");
        let advice = finding.advice.unwrap();
        assert!(advice.starts_with(&format!("give the user {patterns} and")), "{advice}");
        assert!(advice.ends_with("and +info +config|get for `jobq doctor`"), "{advice}");
    }

    #[test]
    fn one_slow_answer_or_all_of_them_are_slow() {
        let finding = latency(&trips(&[1, 2, 9]));
        assert_eq!(
            (finding.verdict, finding.found.as_str()),
            (Verdict::Ok, "2.00 ms in the middle, 9.00 ms at most")
        );
        assert_eq!(latency(&trips(&[1, 2, 900])).verdict, Verdict::Warn);
        assert_eq!(latency(&trips(&[6, 6, 6])).verdict, Verdict::Warn);
    }

    #[test]
    fn whatever_needs_attention_comes_with_advice() {
        let finding = Finding::unknown("memory");
        assert_eq!(finding.verdict, Verdict::Warn);
        let row = finding.as_row();
        assert_eq!(row[..2], ["warn", "memory"]);
        assert!(row[2].starts_with("the Redis user may not see it: let "), "{row:?}");
    }
}
