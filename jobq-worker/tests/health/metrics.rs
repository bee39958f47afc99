//! `/metrics`: what is counted, under which names, and how it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jobq_core::{
    Backend, JobRef, LaneKey, LimitScope, LimitSource, Limits, MemoryBackend, Queue, QueueName,
};
use jobq_scheduler::{Schedule, Scheduler};
use jobq_worker::health::Listener;

use crate::http::get;
use crate::openmetrics::Page;
use crate::{Work, served, worker};

fn scrape(listener: &Listener) -> Page {
    let answer = get(listener.address(), "/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    Page::read(&answer.body)
}

async fn run(store: &MemoryBackend, health: &jobq_worker::Health) {
    worker(store).health(health).stop_when_empty().run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_counted_by_queue_kind_and_outcome() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    for fails in [false, false, true] {
        store.enqueue(Work { fails }).await.unwrap();
    }

    run(&store, &health).await;
    let first = scrape(&listener);
    // The second attempt of the one that fails comes after its backoff.
    while store_dead(&store).await == 0 {
        run(&store, &health).await;
    }
    let second = scrape(&listener);

    let settled = |outcome: &str| {
        format!("jobq_jobs_settled_total{{queue=\"crm\",kind=\"work\",outcome=\"{outcome}\"}}")
    };
    assert_eq!(first.value(&settled("completed")), 2.0);
    assert_eq!(first.value(&settled("retried")), 1.0);
    // What has not come yet stands at zero, so that its first step is seen.
    assert_eq!(first.value(&settled("cancelled")), 0.0);
    assert_eq!(second.value(&settled("dead")), 1.0);
    assert_eq!(second.value("jobq_jobs_leased_total{queue=\"crm\"}"), 4.0);
    assert_eq!(second.value("jobq_job_duration_seconds_count{queue=\"crm\",kind=\"work\"}"), 4.0);
    // Only the first attempt of a job waits for a worker and nothing else.
    assert_eq!(second.value("jobq_job_wait_seconds_count{queue=\"crm\",kind=\"work\"}"), 3.0);
    for (series, value) in &first.values {
        let family = series.split('{').next().unwrap();
        if family.ends_with("_total") || family.ends_with("_count") || family.ends_with("_bucket") {
            assert!(second.value(series) >= *value, "{series} has shrunk");
        }
    }
}

async fn store_dead(store: &MemoryBackend) -> u64 {
    use jobq_core::Inspect;
    store.queue(&QueueName::new("crm").unwrap()).await.unwrap().dead
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_are_counted_together_and_no_series_stands_there_twice() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let worker = worker(&store).health(&health).concurrency(7);
            tokio::spawn(worker.run_until(std::future::pending()))
        })
        .collect();
    store.enqueue_all((0..50).map(|_| Work { fails: false })).await.unwrap();

    let completed =
        "jobq_jobs_settled_total{queue=\"crm\",kind=\"work\",outcome=\"completed\"}".to_owned();
    let page = loop {
        let page = scrape(&listener);
        let are_ready = page.value("jobq_part_ready{part=\"worker\"}") == 1.0;
        if are_ready && page.values.get(&completed) == Some(&50.0) {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };

    assert_eq!(page.value("jobq_worker_concurrency"), 21.0);
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    for worker in workers {
        assert!(worker.await.unwrap_err().is_cancelled());
    }
    let after = scrape(&listener);
    assert_eq!(after.value("jobq_worker_concurrency"), 0.0);
    assert_eq!(after.value("jobq_part_ready{part=\"worker\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_shown_with_their_limits_and_lanes_only_as_sums() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let crm = QueueName::new("crm").unwrap();
    let scopes = [
        (LimitScope::Queue(crm.clone()), LimitSource::Code, 50),
        (LimitScope::Queue(crm.clone()), LimitSource::Operator, 40),
        (LimitScope::Lanes(crm.clone()), LimitSource::Code, 5),
        (
            LimitScope::Lane(crm.clone(), LaneKey::new("secret-tenant").unwrap()),
            LimitSource::Code,
            3,
        ),
        (LimitScope::Lane(crm.clone(), LaneKey::new("other").unwrap()), LimitSource::Operator, 2),
    ];
    for (scope, source, limit) in scopes {
        store.set_limits(&scope, source, &Limits::new().concurrency(limit)).await.unwrap();
    }
    let later =
        store.enqueue(Work { fails: false }).after(Duration::from_secs(3_600)).await.unwrap();
    let parent = JobRef::new(crm.clone(), later.id());
    store.enqueue(Work { fails: false }).after(parent).await.unwrap();
    let _worker = {
        // Checked and started, so that its queues are known; paused, so that nothing is leased.
        use jobq_core::Inspect;
        store.pause(&crm).await.unwrap();
        store.enqueue(Work { fails: false }).await.unwrap();
        tokio::spawn(worker(&store).health(&health).run_until(std::future::pending()))
    };

    let page = loop {
        let page = scrape(&listener);
        // Limits are of the queues of workers, so it has begun.
        if page.has("jobq_queue_leased_limit") {
            break page;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };

    let of_crm = |metric: &str| page.value(&format!("{metric}{{queue=\"crm\"}}"));
    assert_eq!(of_crm("jobq_queue_ready"), 1.0);
    assert_eq!(of_crm("jobq_queue_waiting"), 1.0, "for the end of another job");
    assert_eq!(of_crm("jobq_queue_scheduled"), 1.0);
    assert_eq!(of_crm("jobq_queue_leased"), 0.0);
    assert_eq!(of_crm("jobq_queue_paused"), 1.0);
    assert!(of_crm("jobq_queue_oldest_ready_seconds") < 60.0);
    assert_eq!(of_crm("jobq_queue_leased_limit"), 40.0);
    assert_eq!(of_crm("jobq_queue_lane_leased_limit"), 5.0);
    assert_eq!(of_crm("jobq_queue_limited_lanes"), 2.0);
    assert_eq!(of_crm("jobq_queue_limited_lanes_full"), 0.0);
    assert_eq!(of_crm("jobq_queue_limited_lanes_leased_limit"), 5.0);
    let lanes = page.values.keys().filter(|series| series.contains("secret-tenant"));
    assert_eq!(lanes.count(), 0);
}

#[test]
fn names_cannot_break_the_text() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        // What the alphabet of names allows at its most.
        let worker = worker(&store).queues(["A.b-c_9"]).health(&health);
        worker.stop_when_empty().run().await.unwrap();
    });
    assert_eq!(scrape(&listener).value("jobq_queue_ready{queue=\"A.b-c_9\"}"), 0.0);
}

/// The table of `docs/health.md`: name, sort and labels of each metric.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/health.md"));
    let page = page.unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `jobq_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labels = cells[2].split(", ").map(|label| label.trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        assert!(!cells[3].is_empty() && !cells[4].is_empty(), "{row}");
        (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), labels))
    })
    .collect()
}

/// The same, of a page in which everything is shown.
fn seen(page: &Page) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut seen = BTreeMap::new();
    for (family, sort) in &page.types {
        let name = if sort == "counter" { format!("{family}_total") } else { family.clone() };
        let series = if sort == "histogram" { format!("{family}_count") } else { name.clone() };
        let mut labels = BTreeSet::new();
        for found in page.values.keys().filter(|key| key.split('{').next() == Some(&*series)) {
            let inside = found.strip_prefix(&*series).unwrap();
            let inside = inside.trim_start_matches('{').trim_end_matches('}');
            for label in inside.split(',').filter(|label| !label.is_empty()) {
                labels.insert(label.split('=').next().unwrap().to_owned());
            }
        }
        seen.insert(name, (sort.clone(), labels));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_lists_what_is_served_and_nothing_else() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let crm = QueueName::new("crm").unwrap();
    for scope in [
        LimitScope::Queue(crm.clone()),
        LimitScope::Lanes(crm.clone()),
        LimitScope::Lane(crm.clone(), LaneKey::new("7").unwrap()),
    ] {
        let limits = Limits::new().concurrency(9);
        store.set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
    }
    let every = Schedule::every(Duration::from_secs(3_600)).job(Work { fails: false });
    let scheduler = Scheduler::new(store.clone()).schedule("work", every);
    health.watch(&scheduler.vitals());
    scheduler.run_once().await.unwrap();
    run(&store, &health).await;

    assert_eq!(seen(&scrape(&listener)), documented());
}

#[test]
fn the_rules_for_alerts_name_only_what_is_served_and_the_manual_lists_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    let rules = std::fs::read_to_string(format!("{folder}/deploy/prometheus/jobq.rules.yml"));
    let (rules, known) = (rules.unwrap(), documented());
    let manual = std::fs::read_to_string(format!("{folder}/health.md")).unwrap();

    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: BTreeSet<_> = words.filter(|word| word.starts_with("jobq_")).collect();
    assert!(metrics.len() > 5, "{metrics:?}");
    for metric in metrics {
        assert!(known.contains_key(metric), "{metric} is not served");
    }
    let mut alerts = 0;
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        alerts += 1;
        assert!(manual.contains(&format!("| `{alert}` |")), "{alert} is not in docs/health.md");
    }
    assert!(alerts >= 5, "{alerts} alerts");
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_that_nobody_knows_have_one_name_together() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    for i in 0..3 {
        let kind = jobq_core::Kind::new(format!("stranger-{i}")).unwrap();
        let (id, crm) = (jobq_core::JobId::generate(store.clock()), QueueName::new("crm").unwrap());
        let payload = jobq_core::Payload::encode(&7).unwrap();
        let record = jobq_core::JobRecord::new(id, crm, kind, payload);
        store.enqueue_jobs(&[jobq_core::NewJob::new(record, jobq_core::When::Now)]).await.unwrap();
    }

    run(&store, &health).await;

    let page = scrape(&listener);
    let put_off = "jobq_jobs_settled_total{queue=\"crm\",kind=\"unknown\",outcome=\"snoozed\"}";
    assert_eq!(page.value(put_off), 3.0);
    assert!(!page.values.keys().any(|series| series.contains("stranger")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_nobody_serves_is_shown_with_no_workers() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    let scheduler = Scheduler::new(store.clone());
    health.watch(&scheduler.vitals());
    store.enqueue(Work { fails: false }).await.unwrap();

    let page = scrape(&listener);
    assert_eq!(page.value("jobq_queue_ready{queue=\"crm\"}"), 1.0);
    assert_eq!(page.value("jobq_queue_workers{queue=\"crm\"}"), 0.0);

    // A worker of another process: it is not of this health.
    let other = tokio::spawn(worker(&store).run_until(std::future::pending()));
    let served_by = |page: &Page| page.value("jobq_queue_workers{queue=\"crm\"}");
    while served_by(&scrape(&listener)) != 1.0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    other.abort();

    let (health, listener) = served(&store);
    let _health = health.own_queues_only();
    assert!(!scrape(&listener).has("jobq_queue_ready"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_queues_of_others_the_first_hundred_are_shown() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    for number in 0..105 {
        let queue = format!("q{number:03}");
        store.enqueue(Work { fails: false }).on(queue.as_str()).await.unwrap();
    }
    worker(&store).queues(["q104"]).health(&health).stop_when_empty().run().await.unwrap();

    let page = scrape(&listener);

    let shown = page.values.keys().filter(|series| series.starts_with("jobq_queue_ready{"));
    assert_eq!(shown.count(), 101);
    for (queue, is_shown) in [("q000", true), ("q099", true), ("q100", false), ("q104", true)] {
        let series = format!("jobq_queue_ready{{queue=\"{queue}\"}}");
        assert_eq!(page.values.contains_key(&series), is_shown, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_look_at_stands_at_zero_for_every_kind_in_every_queue() {
    let store = MemoryBackend::new();
    let (health, listener) = served(&store);
    worker(&store).queues(["crm", "other"]).health(&health).stop_when_empty().run().await.unwrap();

    let page = scrape(&listener);

    for (queue, kind) in [("crm", "work"), ("crm", "unknown"), ("other", "work")] {
        for outcome in ["retried", "dead"] {
            let labels = format!("queue=\"{queue}\",kind=\"{kind}\",outcome=\"{outcome}\"");
            assert_eq!(page.value(&format!("jobq_jobs_settled_total{{{labels}}}")), 0.0);
        }
    }
    let guest = "jobq_jobs_settled_total{queue=\"other\",kind=\"work\",outcome=\"completed\"}";
    assert!(!page.values.contains_key(guest));
}
