//! Workflows, over the memory backend.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use jobq_core::{
    Backend, Enqueued, Error, ErrorKind, Inspect, Job, JobState, LeaseRequest, MemoryBackend, Next,
    OnParentFailure, Queue, QueueName, Settlement, UniqueKey, WorkerId, Workflow,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "web", retention = "1h")]
struct Fetch {
    url: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import", retention = "1h")]
struct ParseRows;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import", retention = "1h")]
struct Report;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import", unique)]
struct Exclusive;

fn fetch() -> Fetch {
    Fetch { url: "https://example.com".into() }
}

fn price_list() -> Workflow {
    let mut workflow = Workflow::new("price list");
    workflow.step("report", Report).after(["rows", "fetch"]);
    workflow.step("fetch", fetch());
    workflow.step("rows", ParseRows).after("fetch");
    workflow
}

/// Runs one job of each queue at a time, until nothing is ready: the steps in the order of their runs.
async fn work_off(queue: &MemoryBackend) -> Vec<String> {
    let mut ran = Vec::new();
    loop {
        let before = ran.len();
        for stats in queue.queues().await.unwrap() {
            let request = LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(60));
            let leases = queue.exchange(&stats.queue, &[], Some(request)).await.unwrap().leases;
            for lease in leases {
                let step = lease.job.metadata.get("step").unwrap().to_owned();
                let result = rmp_serde::to_vec_named(&step).ok();
                let done = Settlement::new(lease, Next::Complete { result });
                queue.exchange(&stats.queue, &[done], None).await.unwrap();
                ran.push(step);
            }
        }
        if ran.len() == before {
            return ran;
        }
    }
}

#[tokio::test]
async fn steps_run_in_their_order_whatever_the_order_of_their_addition() {
    let queue = MemoryBackend::new();

    let workflow = price_list();
    let steps = queue.enqueue_workflow(&workflow).await.unwrap();

    assert!(steps.are_new());
    assert_eq!(work_off(&queue).await, ["fetch", "rows", "report"]);
    let report = steps.handle::<Report>("report").unwrap();
    let result: String = report.result(Duration::ZERO).await.unwrap();
    assert_eq!(result, "report");
}

#[tokio::test]
async fn a_step_reads_the_results_of_those_before_it_in_the_order_of_their_names() {
    let queue = MemoryBackend::new();
    let workflow = price_list();
    let steps = queue.enqueue_workflow(&workflow).await.unwrap();
    work_off(&queue).await;

    let report = steps.handle::<Report>("report").unwrap();
    let parents = queue.parents(&report.reference().queue, report.id()).await.unwrap();
    let results: Vec<Option<String>> =
        parents.iter().map(|parent| parent.result().unwrap()).collect();
    assert_eq!(results, [Some("rows".to_owned()), Some("fetch".to_owned())]);
}

#[tokio::test]
async fn an_enqueue_can_be_repeated() {
    let queue = MemoryBackend::new();
    let workflow = price_list();
    queue.enqueue_workflow(&workflow).await.unwrap();

    let again = queue.enqueue_workflow(&workflow).await.unwrap();

    let rows = again.handle::<ParseRows>("rows").unwrap();
    assert_eq!(rows.enqueued(), Some(&Enqueued::Duplicate(rows.reference().clone())));
    assert!(!again.are_new());
    assert_eq!(work_off(&queue).await.len(), 3);
    queue.enqueue_workflow(&workflow).await.unwrap();
    assert_eq!(work_off(&queue).await.len(), 0, "its jobs are kept");
}

#[tokio::test]
async fn a_workflow_built_anew_under_one_key_is_the_same() {
    let queue = MemoryBackend::new();
    for _ in 0..2 {
        let mut workflow = Workflow::new("price list").key("import-4711");
        workflow.then("fetch", fetch());
        workflow.then("rows", ParseRows);
        queue.enqueue_workflow(&workflow).await.unwrap();
    }
    let mut another = Workflow::new("price list").key("import-4712");
    another.then("fetch", fetch());
    queue.enqueue_workflow(&another).await.unwrap();

    let mut ran = work_off(&queue).await;
    ran.sort();
    assert_eq!(ran, ["fetch", "fetch", "rows"], "and not two of each");
}

#[tokio::test]
async fn a_chain_runs_step_by_step() {
    let queue = MemoryBackend::new();
    let mut chain = Workflow::new("chain");
    for n in 0..600 {
        chain.then(format!("{n}"), Report).retention(None);
    }

    queue.enqueue_workflow(&chain).await.unwrap();

    let import = QueueName::new("import").unwrap();
    assert_eq!(Inspect::queue(&queue, &import).await.unwrap().waiting, 599);
    let expected: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    assert_eq!(work_off(&queue).await, expected);
}

#[tokio::test]
async fn a_failed_step_takes_along_what_comes_after_it_unless_that_continues() {
    let queue = MemoryBackend::new();
    let mut workflow = Workflow::new("price list");
    workflow.step("fetch", fetch());
    workflow.step("rows", ParseRows).after(["fetch"]);
    workflow
        .step("report", Report)
        .after(["rows", "fetch"])
        .on_parent_failure(OnParentFailure::Continue);
    let steps = queue.enqueue_workflow(&workflow).await.unwrap();

    let handle = steps.handle::<Fetch>("fetch").unwrap();
    queue.cancel(&handle.reference().queue, &[handle.id()]).await.unwrap();

    let rows = steps.handle::<ParseRows>("rows").unwrap();
    let error = rows.result::<()>(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("is cancelled"), "{error}");
    assert_eq!(work_off(&queue).await, ["report"]);
}

#[tokio::test]
async fn a_long_chain_may_fail() {
    let queue = MemoryBackend::new();
    let mut chain = Workflow::new("chain");
    for n in 0..20_000 {
        chain.then(format!("{n}"), Report);
    }
    let steps = queue.enqueue_workflow(&chain).await.unwrap();
    let first = steps.handle::<Report>("0").unwrap();
    queue.cancel(&first.reference().queue, &[first.id()]).await.unwrap();

    let last = steps.handle::<Report>("19999").unwrap();
    let error = last.result::<()>(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("is dead: parent"), "{error}");
}

#[tokio::test]
async fn a_step_may_come_after_a_job_outside_and_after_a_delay() {
    let queue = MemoryBackend::new();
    let outside = queue.enqueue(fetch()).metadata("step", "outside").handle().await.unwrap();
    let mut workflow = Workflow::new("late");
    workflow.step("rows", ParseRows).after(&outside);
    workflow.step("report", Report).after("rows").after(Duration::from_secs(60));

    let steps = queue.enqueue_workflow(&workflow).await.unwrap();

    assert_eq!(work_off(&queue).await, ["outside", "rows"]);
    let report = steps.handle::<Report>("report").unwrap();
    let view = queue.job(&report.reference().queue, report.id()).await.unwrap().unwrap();
    assert_eq!(view.state, JobState::Scheduled);
}

#[tokio::test]
async fn options_hold_for_their_step() {
    let queue = MemoryBackend::new();
    let mut workflow = Workflow::new("options");
    workflow.step("fetch", fetch()).on("bulk").priority(7).max_attempts(2).metadata("tenant", "7");
    workflow.step("rows", ParseRows).after("fetch");
    let steps = queue.enqueue_workflow(&workflow).await.unwrap();

    let handle = steps.handle::<Fetch>("fetch").unwrap();
    let bulk = QueueName::new("bulk").unwrap();
    let record = queue.job(&bulk, handle.id()).await.unwrap().unwrap().record;
    assert_eq!((record.priority.level(), record.max_attempts), (7, 2));
    let facts: Vec<_> = record.metadata.iter().collect();
    assert_eq!(facts, [("step", "fetch"), ("tenant", "7"), ("workflow", "options")]);
    assert_eq!(work_off(&queue).await, ["fetch", "rows"]);
}

#[tokio::test]
async fn a_step_may_be_unique_if_nothing_comes_after_it() {
    let queue = MemoryBackend::new();
    let mut workflow = Workflow::new("last is unique");
    workflow.then("fetch", fetch());
    workflow.then("only one", Exclusive);
    queue.enqueue_workflow(&workflow).await.unwrap();

    let mut first_is_unique = Workflow::new("first is unique");
    first_is_unique.then("only one", Exclusive).not_unique();
    first_is_unique.then("report", Report);
    queue.enqueue_workflow(&first_is_unique).await.unwrap();

    let mut first_is_unique = Workflow::new("first is unique");
    first_is_unique.then("only one", Exclusive);
    first_is_unique.then("report", Report);
    let error = refused(&first_is_unique).await;
    assert!(
        error.to_string().starts_with("step \"only one\" of workflow \"first is unique\": job")
    );
    assert!(error.to_string().contains("make it not unique"), "{error}");
}

#[tokio::test]
async fn a_circle_is_refused_by_name() {
    let mut workflow = Workflow::new("circle");
    workflow.step("start", Report);
    workflow.step("a", Report).after(["start", "c"]);
    workflow.step("b", Report).after("a");
    workflow.step("c", Report).after("b");

    let error = refused(&workflow).await;
    assert_eq!(
        error.to_string(),
        r#"workflow "circle" goes round in a circle: "a" → "b" → "c" → "a""#
    );

    let mut itself = Workflow::new("itself");
    itself.step("a", Report).after("a");
    let error = refused(&itself).await;
    assert!(error.to_string().ends_with(r#""a" → "a""#), "{error}");
}

#[tokio::test]
async fn a_step_that_there_is_not_is_refused_by_name() {
    let mut workflow = Workflow::new("price list");
    workflow.step("fetch", fetch());
    workflow.step("rows", ParseRows).after(["fetsch"]);

    assert_eq!(
        refused(&workflow).await.to_string(),
        r#"step "rows" of workflow "price list" is to come after "fetsch", which is no step of it: "fetch", "rows""#
    );
}

#[tokio::test]
async fn two_steps_of_one_name_are_refused() {
    let mut workflow = Workflow::new("price list");
    workflow.step("rows", ParseRows);
    workflow.step("rows", ParseRows);

    assert_eq!(
        refused(&workflow).await.to_string(),
        r#"workflow "price list" has two steps named "rows""#
    );
}

#[tokio::test]
async fn a_bad_option_is_refused_with_its_step() {
    let mut workflow = Workflow::new("price list");
    workflow.step("fetch", fetch());
    workflow.step("rows", ParseRows).after("fetch").on("no such queue");

    let error = refused(&workflow).await;
    assert!(error.to_string().starts_with(r#"step "rows" of workflow "price list": "#), "{error}");
}

#[tokio::test]
async fn too_wide_a_step_is_refused() {
    let mut workflow = Workflow::new("wide");
    let names: Vec<String> = (0..1_001).map(|n| format!("row {n}")).collect();
    for name in &names {
        workflow.step(name.clone(), ParseRows);
    }
    workflow.step("report", Report).after(names);

    assert!(refused(&workflow).await.to_string().contains("more than the 1000 allowed"));
}

#[tokio::test]
async fn a_workflow_without_steps_is_enqueued_at_once() {
    let queue = MemoryBackend::new();

    let empty = Workflow::new("empty");
    let steps = queue.enqueue_workflow(&empty).await.unwrap();

    assert_eq!(steps.iter().count(), 0);
}

#[tokio::test]
async fn handles_are_found_by_the_names_and_types_of_steps() {
    let queue = MemoryBackend::new();
    let workflow = price_list();
    let steps = queue.enqueue_workflow(&workflow).await.unwrap();

    let unknown = steps.handle::<Report>("rapport").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains(r#"only "fetch", "report", "rows""#), "{unknown}");
    let wrong = steps.handle::<Report>("rows").unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    assert!(wrong.to_string().contains(r#"of kind "parse_rows", not "report""#), "{wrong}");
    assert_eq!(steps.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["fetch", "report", "rows"]);
}

#[tokio::test]
async fn a_step_with_a_key_of_its_own_may_be_serialised() {
    let queue = MemoryBackend::new();
    let key = UniqueKey::new("store", &7).unwrap();
    let running = jobq_core::Unique::new(key, jobq_core::UniqueMode::WhileRunning);
    let mut workflow = Workflow::new("one at a time");
    workflow.then("fetch", fetch()).unique(running);
    workflow.then("rows", ParseRows);

    queue.enqueue_workflow(&workflow).await.unwrap();

    assert_eq!(work_off(&queue).await, ["fetch", "rows"]);
}

/// The error by which a workflow is refused, with nothing written.
async fn refused(workflow: &Workflow) -> Error {
    let queue = MemoryBackend::new();
    let error = queue.enqueue_workflow(workflow).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(queue.queues().await.unwrap(), []);
    error
}
