use jobq_core::inspect::JobView;
use jobq_core::{Enqueue, Inspect, JobState, MemoryBackend, Queue, QueueName};

use super::*;
use crate::worker::Worker;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args = vec!["-c".to_owned(), script.to_owned()];
    command
}

/// Runs one attempt; `None` if it left nothing behind.
async fn outcome(command: Command) -> Option<JobView> {
    outcome_kept_for(Duration::ZERO, command).await
}

async fn outcome_kept_for(retention: Duration, command: Command) -> Option<JobView> {
    let store = MemoryBackend::new();
    let job = store.enqueue(command).max_attempts(1);
    let job = if retention.is_zero() { job } else { job.retention(retention) };
    let id = job.await.unwrap().id();
    run_once(&store).await;
    store.job(&QueueName::new("default").unwrap(), id).await.unwrap()
}

async fn run_once(store: &MemoryBackend) {
    let mut allowed = AllowedPrograms::default();
    allowed.add("sh").unwrap();
    let registry = register(Registry::new(), allowed);
    Worker::with_registry(store.clone(), registry).once().run().await.unwrap();
}

#[tokio::test]
async fn exit_code_0_completes_the_job() {
    assert_eq!(outcome(shell("exit 0")).await, None);
}

#[tokio::test]
async fn another_exit_code_is_an_error_with_the_last_line() {
    let view = outcome(shell("echo begun; echo 'no such file' >&2; exit 3")).await.unwrap();

    assert_eq!(view.state, JobState::Dead);
    let message = &view.history.last().unwrap().message;
    assert_eq!(message, "\"sh\" ended with exit status: 3: no such file");
}

#[tokio::test]
async fn exit_code_75_puts_the_job_off() {
    let view = outcome(shell("exit 75")).await.unwrap();

    assert_eq!((view.state, view.failed_attempts), (JobState::Scheduled, 0));
}

#[tokio::test]
async fn only_allowed_programs_run() {
    let view = outcome(Command::new("/bin/sh")).await.unwrap();

    assert_eq!(
        view.history.last().unwrap().message,
        "program \"/bin/sh\" is not allowed here: start the worker with --allow-command \"/bin/sh\""
    );
}

#[tokio::test]
async fn a_job_cannot_choose_what_a_program_is() {
    let mut command = shell("exit 0");
    command.env.insert("PATH".to_owned(), "/tmp".to_owned());

    let view = outcome(command).await.unwrap();

    assert_eq!(view.state, JobState::Dead);
    let message = &view.history.last().unwrap().message;
    assert_eq!(message, "a job may not set the variable PATH");
}

#[tokio::test]
async fn what_a_program_leaves_running_is_not_waited_for() {
    let started = std::time::Instant::now();

    assert_eq!(outcome(shell("sleep 30 & exit 0")).await, None);

    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// Runs a script that holds a pipe together with a program that it has started, until its time is over; whoever reads
/// from the pipe comes to its end when both are gone.
async fn assert_all_end(in_time: impl FnOnce(Command, &MemoryBackend) -> Enqueue<'_, Command>) {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("held");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let command = shell(&format!("exec 3> '{}'; sleep 60 & wait", pipe.display()));
    let held = tokio::task::spawn_blocking(move || std::fs::read(pipe));
    let store = MemoryBackend::new();

    in_time(command, &store).max_attempts(1).await.unwrap();
    run_once(&store).await;

    tokio::time::timeout(Duration::from_secs(20), held).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_a_program_has_started_is_killed_with_it() {
    assert_all_end(|mut command, store| {
        command.timeout_s = Some(1);
        store.enqueue(command)
    })
    .await;
    assert_all_end(|command, store| store.enqueue(command).timeout(Duration::from_secs(1))).await;
}

#[tokio::test]
async fn environment_and_directory_are_set() {
    let mut command = shell("test \"$PWD $GREETING\" = '/ hello'");
    command.cwd = Some("/".to_owned());
    command.env.insert("GREETING".to_owned(), "hello".to_owned());

    assert_eq!(outcome(command).await, None);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let mut command = shell("exec sleep 60");
    command.timeout_s = Some(1);

    let view = outcome(command).await.unwrap();

    assert_eq!(view.history.last().unwrap().message, "\"sh\" took longer than 1s");
}

#[tokio::test]
async fn what_a_program_wrote_before_its_time_was_over_is_in_the_log() {
    let mut command = shell("echo begun; echo stuck >&2; exec sleep 60");
    command.timeout_s = Some(1);

    let view = outcome(command).await.unwrap();

    let log: Vec<_> = view.report.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(log, ["begun", "stuck"]);
}

#[tokio::test]
async fn exit_code_and_output_are_the_result_of_a_job_with_a_retention() {
    let script = "echo made 7 rows; echo in time >&2";
    let view = outcome_kept_for(Duration::from_secs(3_600), shell(script)).await.unwrap();

    let result = jobq_core::Payload::from_bytes(view.result.unwrap()).unwrap();
    let result: serde_json::Value = result.decode().unwrap();
    assert_eq!(result, serde_json::json!({ "exit_code": 0, "output": "made 7 rows\nin time" }));
}

#[test]
fn of_a_long_output_the_end_is_kept() {
    let long = "é".repeat(RESULT_BYTES);
    assert_eq!(end_of(&long), "é".repeat(RESULT_BYTES / 2));
    assert_eq!(end_of(&format!("{long}!")).len(), RESULT_BYTES - 1);
    assert_eq!(end_of("short"), "short");
}

#[tokio::test]
async fn a_program_reads_its_input_to_the_end() {
    let mut command = shell("test \"$(cat)\" = \"$(printf 'zwei\\nZeilen: ö')\"");
    command.stdin = Some("zwei\nZeilen: ö\n".to_owned());
    assert_eq!(outcome(command).await, None);
    // Without one it is at its end at once.
    assert_eq!(outcome(shell("test -z \"$(cat)\"")).await, None);
    // More than a pipe holds, answered while it comes.
    let mut echo = shell("cat | wc -c | grep -qx 1000000");
    echo.stdin = Some("x".repeat(1_000_000));
    assert_eq!(outcome(echo).await, None);
}

#[tokio::test]
async fn input_that_is_not_read_is_no_error() {
    for script in ["exit 0", "exec <&-; exit 0", "head -c 1 > /dev/null", "sleep 30 <&0 & exit 0"] {
        let mut command = shell(script);
        command.stdin = Some("x".repeat(1_000_000));

        assert_eq!(outcome(command).await, None, "{script}");
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named() {
    let mut command = shell("exit 0");
    command.cwd = Some("/no/such/directory".to_owned());

    let view = outcome(command).await.unwrap();

    assert_eq!(
        view.history.last().unwrap().message,
        "cannot run \"sh\": \"/no/such/directory\" is no directory on this machine"
    );
}

#[test]
fn what_no_worker_could_run_is_refused() {
    let job = |json: &str| serde_json::from_str::<Command>(json).unwrap().check();
    assert!(job(r#"{"program":"ls","args":[""],"env":{"A":""}}"#).is_ok());
    for (json, why) in [
        (r#"{"program":""}"#, "the program of a command is empty"),
        (r#"{"program":"a\u0000"}"#, "the program of a command holds a NUL"),
        (r#"{"program":"a","args":["\u0000"]}"#, "an argument of a command holds a NUL"),
        (r#"{"program":"a","cwd":"\u0000"}"#, "the directory of a command holds a NUL"),
        (r#"{"program":"a","env":{"A":"\u0000"}}"#, "a variable of a command holds a NUL"),
        (r#"{"program":"a","env":{"A=B":"c"}}"#, "\"A=B\" is not the name of a variable"),
        (r#"{"program":"a","env":{"PATH":"c"}}"#, "a job may not set the variable PATH"),
    ] {
        let told = job(json).unwrap_err().to_string();
        assert!(told.starts_with(why), "{json}: {told}");
    }
}

#[tokio::test]
async fn much_output_does_not_stop_the_program() {
    assert_eq!(
        outcome(shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")).await,
        None
    );
}
