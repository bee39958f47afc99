//! Workers, schedulers and the command line as the Redis user that `docs/operations.md` tells operators to make. (Each behaviour
//! of the store itself under that user: `jobq-redis/tests/conformance`.)

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use jobq_core::{Inspect, Job, JobContext, JobError, JobResult, Limits, Queue, Workflow};
use jobq_redis::{RedisBackend, TestServer};
use jobq_scheduler::{Schedule, Scheduler, TimeUnits, Timetable};
use jobq_worker::Worker;
use serde::{Deserialize, Serialize};

use crate::files;

/// A server on which only that user may log in, but for the test itself.
struct Guarded {
    server: TestServer,
    url: String,
}

impl Guarded {
    fn start() -> Self {
        let text = files::text("docs/operations.md");
        let (_, rest) = text.split_once("\nACL SETUSER ").unwrap();
        let (rule, _) = rest.split_once("\n```").unwrap();
        let rule = rule.replace("PASSWORD", "secret");
        let words: Vec<_> = std::iter::once("--user").chain(rule.split_whitespace()).collect();
        let server = TestServer::start_with(&words).unwrap();
        let url = format!("redis://jobq:secret@127.0.0.1:{}", server.port());
        Self { server, url }
    }

    fn jobq(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
        command.env("REDIS_URL", &self.url).env_remove("JOBQ_CONFIG").stdin(Stdio::null());
        command.args(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and gives what it prints.
    fn said(&self, line: &str) -> String {
        let output = self.jobq(&line.split_whitespace().collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the user was refused.
    async fn refused(&self) -> Vec<String> {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let log: Vec<redis::Value> =
            redis::cmd("ACL").arg("LOG").query_async(&mut connection).await.unwrap();
        let entry = |entry| redis::from_redis_value::<Vec<(String, redis::Value)>>(entry).unwrap();
        let object = |(key, value): (String, redis::Value)| {
            (key == "object").then(|| redis::from_redis_value::<String>(value).unwrap())
        };
        log.into_iter().flat_map(entry).filter_map(object).collect()
    }
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "deploy.step", queue = "crm", retention = "1h", lane = tenant, max_attempts = 3, backoff = "fixed(10ms)")]
struct Step {
    tenant: u32,
    fails: u32,
}

async fn step(job: Step, cx: JobContext) -> JobResult<u32> {
    if cx.attempt() <= job.fails {
        return Err(JobError::retry("not yet"));
    }
    cx.save(&job.tenant).await.map_err(JobError::retry)?;
    cx.log("half of it").await.map_err(JobError::retry)?;
    Ok(cx.attempt())
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "deploy.once", queue = "other", unique, unique_mode = "debounce(10ms)")]
struct Once {}

async fn once(_: Once) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_and_schedulers_run_under_the_documented_user() {
    let guarded = Guarded::start();
    let store = RedisBackend::connect(&guarded.url).await.unwrap();
    let retried = store.enqueue(Step { tenant: 1, fails: 2 }).handle().await.unwrap();
    store.enqueue_all((0..20).map(|tenant| Step { tenant, fails: 0 })).await.unwrap();
    store.enqueue(Once {}).await.unwrap();
    store.enqueue(Once {}).await.unwrap();
    let batch =
        store.batch("nightly").on_complete(Step { tenant: 5, fails: 0 }).open().await.unwrap();
    batch.enqueue(Step { tenant: 3, fails: 0 }).await.unwrap();
    batch.enqueue(Once {}).on("crm").not_unique().await.unwrap();
    batch.close().await.unwrap();
    let mut workflow = Workflow::new("two queues");
    workflow.step("first", Step { tenant: 4, fails: 0 });
    workflow.then("second", Once {}).not_unique();
    store.enqueue_workflow(&workflow).await.unwrap();
    let schedule = || Schedule::every(1.seconds()).job(Step { tenant: 9, fails: 0 });
    let timetable = Timetable::new(store.clone(), "shop").unwrap();
    timetable.add("by-hand", schedule().without_overlapping()).await.unwrap();

    let scheduler = Scheduler::new(store.clone()).group("shop").schedule("each", schedule());
    let worker = Worker::new(store.clone())
        .queues(["crm", "other"])
        .handle(step)
        .handle(once)
        .limit_lanes("crm", Limits::new().concurrency(2).rate("1000/s".parse().unwrap()))
        .limit_shared("api", Limits::new().concurrency(9));
    let watching = async {
        let attempts: u32 = retried.result(Duration::from_secs(30)).await.unwrap();
        assert_eq!(attempts, 3);
        loop {
            let view = batch.view().await.unwrap();
            let ticked = timetable.list().await.unwrap().iter().all(|it| it.last_tick.is_some());
            if view.state.has_ended() && ticked {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        timetable.run("by-hand").await.unwrap();
        timetable.pause("by-hand").await.unwrap();
        timetable.resume("by-hand").await.unwrap();
        timetable.remove("by-hand").await.unwrap();
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ticked, worked) = tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(
            scheduler.run_until(async {
                let _ = stopped.await;
            }),
            worker.run_until(async {
                watching.await;
                drop(stop);
            })
        )
    })
    .await
    .unwrap();
    assert!(ticked.unwrap().enqueued > 0);
    assert!(worked.unwrap().processed >= 25);

    let kept = store.queues().await.unwrap();
    assert!(kept.iter().all(|queue| queue.dead == 0), "{kept:?}");
    let refused = guarded.refused().await;
    assert!(refused.iter().all(|what| what.starts_with("config")), "{refused:?}");
}

#[tokio::test]
async fn the_command_line_runs_under_the_documented_user() {
    let guarded = Guarded::start();
    let id = |line: &str| guarded.said(line).split_whitespace().next().unwrap().to_owned();
    let dead =
        id(r#"enqueue command --queue crm --lane 7 --max-attempts 1 --json {"program":"false"}"#);
    let waiting = id("enqueue sync --queue crm --unique [7] --after 1h");
    guarded.said("limits set crm --each-lane --rate 100/min --concurrency 5");
    guarded.said("limits set --shared-limit api --concurrency 9");
    guarded.said("work --queue crm --allow-command false --stop-when-empty");
    assert!(guarded.said("failed --json").contains(&dead));
    for line in [
        "queues",
        "failed --queue crm",
        "lanes crm",
        "limits",
        "limits crm --lane 7 --json",
        "limits clear crm --each-lane --rate",
        "unique --kind sync --fields [7]",
        "pause crm",
        "resume crm",
        "pause crm --lane 7",
        "resume crm --lane 7",
        "batches crm",
        "restart",
        "retry all",
    ] {
        guarded.said(line);
    }
    for id in [&dead, &waiting] {
        guarded.said(&format!("explain {id}"));
        guarded.said(&format!("cancel crm/{id}"));
    }
    let refused = guarded.refused().await;
    assert!(refused.iter().all(|what| what.starts_with("config")), "{refused:?}");
}
