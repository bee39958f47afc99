//! How long each command of the program `jobq` takes beside a million jobs, from its start to its end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jobq_core::{
    Backend, BatchRef, Inspect, JobError, JobId, JobRecord, JobState, LaneKey, NewJob, Queue,
    QueueName, SystemClock, When,
};
use jobq_redis::RedisBackend;
use jobq_worker::Worker;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;
use crate::server::Server;

/// What there is, a million in all. The dead are most of them in one queue, some of these in a batch, and one in each of
/// many queues.
const READY: u64 = 589_000;
const IN_LANES: u64 = 100_000;
const LANES: u64 = 1_000;
const SCHEDULED: u64 = 200_000;
const DEAD: u64 = 100_000;
const IN_BATCH: u64 = 1_000;
const DEAD_QUEUES: u64 = 1_000;
const QUEUES: u64 = 100;
const IN_EACH: u64 = 100;

/// How often each command is run; the middle one counts.
const TIMES: usize = 5;

/// What every command may take, in milliseconds.
const BAR: f64 = 100.0;

/// Each command: `READY`, `DEAD` and `BATCH` stand for ids.
const COMMANDS: [(&str, &str); 49] = [
    ("queues", "queues"),
    ("queues --json", "queues --json"),
    ("stats", "stats"),
    ("doctor", "doctor"),
    ("monitor", "monitor ready,dead --max 1000000 --max-age 10h"),
    ("failed", "failed"),
    ("failed --limit 1000", "failed --limit 1000 --json"),
    ("failed --offset 1000", "failed --offset 1000"),
    ("failed --queue, far", "failed --queue dead --offset 20000"),
    ("jobs list", "jobs list ready"),
    ("jobs list, far", "jobs list ready --state ready --offset 20000"),
    ("jobs list, dead", "jobs list dead --state dead --offset 20000 --json"),
    ("jobs list, 1000", "jobs list later --state scheduled --limit 1000 --json"),
    ("jobs list, lanes", "jobs list lanes --state ready --limit 1000 --offset 10000"),
    ("jobs show", "jobs show READY"),
    ("jobs cancel", "jobs cancel 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"),
    ("jobs delete", "jobs delete READY --dry-run"),
    ("explain", "explain READY"),
    ("explain, lane", "explain LANE"),
    ("explain, dead", "explain DEAD"),
    ("retry", "retry DEAD"),
    ("retry all --dry-run", "retry all --dry-run"),
    ("forget", "forget DEAD --dry-run"),
    ("flush --dry-run", "flush --dry-run"),
    ("prune --dry-run", "prune --hours 1 --dry-run"),
    ("clear --dry-run", "clear ready --dry-run"),
    ("pause", "pause ready"),
    ("resume", "resume ready"),
    ("pause --lane", "pause lanes --lane 7"),
    ("resume --lane", "resume lanes --lane 7"),
    ("cancel", "cancel 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e"),
    ("lanes", "lanes lanes"),
    ("lanes --limit 1000", "lanes lanes --limit 1000 --json"),
    ("limits", "limits"),
    ("limits set", "limits set lanes --each-lane --rate 100/min"),
    ("limits clear", "limits clear lanes --each-lane"),
    ("unique", "unique 0192f3c17b1e7c3a9d2e5b6f7a8c9d0e"),
    ("enqueue", "enqueue bench.noop --queue ready"),
    ("enqueue --after ID", "enqueue bench.noop --queue ready --after READY"),
    ("batches", "batches ready"),
    ("batch", "batch BATCH"),
    ("batch --limit 1000", "batch BATCH --limit 1000 --json"),
    ("schedule list", "schedule list"),
    ("schedule run", "schedule run nightly"),
    ("schedule next", "schedule next nightly -n 10"),
    ("scheduler --once", "--quiet scheduler --once --group empty"),
    ("work --once", "--quiet work --once --queue nothing --allow-command true"),
    ("restart", "restart"),
    ("man", "man"),
];

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let program = program()?;
    let queue = server.fresh().await?;
    let batch = queue.batch("price list").on("ready").open().await?.reference().clone();
    fill(&queue, &batch).await?;
    let first = async |name: &str, state: JobState| -> AnyResult<String> {
        let jobs = queue.jobs(&QueueName::new(name)?, state, 0, 1).await?;
        Ok(jobs.first().ok_or("the server is not filled")?.record.id.to_string())
    };
    let ids = [
        ("READY", first("ready", JobState::Ready).await?),
        ("LANE", first("lanes", JobState::Ready).await?),
        ("DEAD", first("dead", JobState::Dead).await?),
        ("BATCH", batch.id.to_string()),
    ];
    call(&program, server, "schedule add nightly --daily-at 02:00 bench.noop")?;

    let mut figures = Figures::of("cli-million");
    for (name, line) in COMMANDS {
        let line = ids.iter().fold(line.to_owned(), |line, (word, id)| line.replace(word, id));
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            times.push(call(&program, server, &line)?);
        }
        times.sort_unstable();
        figures.add(name, times[TIMES / 2].as_secs_f64() * 1e3, "ms", Bar::AtMost(BAR));
    }
    server.fresh().await?;
    Ok(figures.done())
}

/// The program beside this one.
fn program() -> AnyResult<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("jobq");
    if program.is_file() {
        return Ok(program);
    }
    let build = "cargo build --release -p jobq-worker --features cli";
    Err(format!("{} is not there: {build}", program.display()).into())
}

/// How long a command takes. One that finds nothing to do ends with 1, which is well; with 2 it is wrong.
fn call(program: &Path, server: &Server, line: &str) -> AnyResult<Duration> {
    let mut command = Command::new(program);
    command.args(line.split(' ')).env("REDIS_URL", server.url()).env_remove("JOBQ_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = Instant::now();
    let output = command.output()?;
    let took = started.elapsed();
    match output.status.code() {
        Some(0 | 1) => Ok(took),
        _ => Err(format!("jobq {line}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

async fn fill(queue: &RedisBackend, batch: &BatchRef) -> AnyResult {
    let hour = When::After(Duration::from_secs(3_600));
    let plain = |_: u64, _: &mut JobRecord| -> AnyResult { Ok(()) };
    let of_batch = |number: u64, record: &mut JobRecord| -> AnyResult {
        record.batch = (number < IN_BATCH).then(|| batch.clone());
        Ok(())
    };
    let in_lanes = |number: u64, record: &mut JobRecord| -> AnyResult {
        record.lane = Some(LaneKey::new((number % LANES).to_string())?);
        Ok(())
    };
    add(queue, "dead", DEAD, When::Now, of_batch).await?;
    bury(queue, vec!["dead".to_owned()]).await?;
    let names: Vec<_> = (0..DEAD_QUEUES).map(|number| format!("d{number}")).collect();
    for name in &names {
        add(queue, name, 1, When::Now, plain).await?;
    }
    for names in names.chunks(100) {
        bury(queue, names.to_vec()).await?;
    }
    add(queue, "ready", READY, When::Now, plain).await?;
    add(queue, "later", SCHEDULED, hour, plain).await?;
    add(queue, "lanes", IN_LANES, When::Now, in_lanes).await?;
    for number in 0..QUEUES {
        add(queue, &format!("q{number}"), IN_EACH, When::Now, plain).await?;
    }
    Ok(())
}

/// Has all jobs of these queues die.
async fn bury(queue: &RedisBackend, names: Vec<String>) -> AnyResult {
    let refused = |_: Noop| async { Err::<(), _>(JobError::dead("it is for the measurement")) };
    let worker = Worker::new(queue.clone()).handle(refused).queues(names);
    worker.concurrency(256).stop_when_empty().run().await?;
    Ok(())
}

async fn add(
    queue: &RedisBackend,
    name: &str,
    count: u64,
    when: When,
    choose: impl Fn(u64, &mut JobRecord) -> AnyResult,
) -> AnyResult {
    let name = QueueName::new(name)?;
    let mut jobs = Vec::new();
    for number in 0..count {
        let id = JobId::generate(&SystemClock::default());
        let mut record = JobRecord::of(id, &Noop::new(number))?;
        record.queue = name.clone();
        choose(number, &mut record)?;
        jobs.push(NewJob::new(record, when));
        if jobs.len() == 1_000 || number + 1 == count {
            queue.enqueue_jobs(&jobs).await?;
            jobs.clear();
        }
    }
    Ok(())
}
