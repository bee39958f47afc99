//! The built-in kind `command`: a job that runs a program.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobq_core::{Backoff, Job, JobContext, JobError, JobResult};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;

use super::allowed::{AllowedPrograms, is_private, may_set};
use crate::registry::Registry;

/// How many of the last lines of a program's output are kept.
const TAIL: usize = 20;

/// The longest line of output that is looked at in one piece.
const LINE_BYTES: u64 = 8 * 1024;

/// The exit code by which a program asks to be run again later: `EX_TEMPFAIL` of sysexits.h.
const TEMPORARY: i32 = 75;

/// How long the output of a program that has ended is still read.
const AFTERMATH: Duration = Duration::from_millis(500);

/// How much later.
const LATER: Duration = Duration::from_secs(60);

/// Runs a program, without a shell. The worker must allow it: `jobq work --allow-command PROGRAM`. A
/// worker that allows none puts such jobs off; one that allows others only finds them dead.
///
/// Exit code 0 completes the job; 75 (`EX_TEMPFAIL`) puts it off for a minute without using an attempt;
/// anything else is an error. The program is killed when the job is cancelled or times out; programs
/// that it has started itself are not. What it wrote last goes to the job's log when it fails.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Command {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Environment variables, beside those of the worker.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The directory it runs in; that of the worker by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// How long it may take, in seconds; as long as it likes by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u64>,
}

impl Job for Command {
    const KIND: &'static str = "command";
    const BACKOFF: Backoff = Backoff::DEFAULT;
}

impl Command {
    /// A program without arguments.
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            timeout_s: None,
        }
    }
}

/// Adds the handler, for these programs only, unless the kind is taken.
pub(super) fn register(registry: Registry, allowed: AllowedPrograms) -> Registry {
    if registry.kinds().any(|kind| kind == Command::KIND) {
        return registry;
    }
    let allowed = Arc::new(allowed);
    registry
        .handle(move |job: Command, context: JobContext| run(job, context, Arc::clone(&allowed)))
}

async fn run(job: Command, context: JobContext, allowed: Arc<AllowedPrograms>) -> JobResult {
    if allowed.is_empty() {
        // Another worker of this queue may be the one for such jobs.
        return Err(JobError::snooze(LATER));
    }
    let Some(file) = allowed.file(&job.program) else {
        return Err(JobError::dead(format!(
            "program {:?} is not allowed here: start the worker with --allow-command {:?}",
            job.program, job.program
        )));
    };
    if let Some(variable) = job.env.keys().find(|variable| !may_set(variable)) {
        return Err(JobError::dead(format!("a job may not set the variable {variable}")));
    }
    let mut child = spawn(&job, file)
        .map_err(|error| JobError::retry(format!("cannot run {:?}: {error}", job.program)))?;
    let (out, err) = (Tail::default(), Tail::default());
    let ended = wait(&mut child, &out, &err);
    let status = match job.timeout_s.map(Duration::from_secs) {
        None => ended.await,
        Some(limit) => tokio::time::timeout(limit, ended).await.map_err(|_| {
            JobError::retry(format!("{:?} took longer than {limit:?}", job.program))
        })?,
    }?;
    if status.success() {
        return Ok(());
    }
    let lines: Vec<String> = out.take().into_iter().chain(err.take()).collect();
    for line in &lines {
        // The log is a courtesy.
        let _ = context.log(line.as_str()).await;
    }
    Err(verdict(&job.program, status, lines.last()))
}

fn spawn(job: &Command, file: &Path) -> io::Result<Child> {
    let mut command = tokio::process::Command::new(file);
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_private) {
            command.env_remove(variable);
        }
    }
    command.args(&job.args).envs(&job.env);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    if let Some(cwd) = &job.cwd {
        command.current_dir(cwd);
    }
    command.spawn()
}

/// Waits for the end of a program, and reads what it writes. Programs that it has left running may hold
/// its output open: they are not waited for.
async fn wait(child: &mut Child, out: &Tail, err: &Tail) -> io::Result<ExitStatus> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut reading = std::pin::pin!(async {
        tokio::join!(out.read(stdout), err.read(stderr));
    });
    let mut is_read = false;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut reading, if !is_read => is_read = true,
        }
    };
    if !is_read {
        let _ = tokio::time::timeout(AFTERMATH, reading).await;
    }
    status
}

fn verdict(program: &str, status: ExitStatus, last_line: Option<&String>) -> JobError {
    if status.code() == Some(TEMPORARY) {
        return JobError::snooze(LATER);
    }
    let said = last_line.map_or_else(String::new, |line| format!(": {line}"));
    JobError::retry(format!("{program:?} ended with {status}{said}"))
}

/// The last lines of an output.
#[derive(Default)]
struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    /// Reads an output to its end. It is read even if nobody wants it: a program that cannot write stops.
    async fn read(&self, output: Option<impl AsyncRead + Unpin>) {
        let Some(output) = output else { return };
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut piece = tokio::io::AsyncReadExt::take(&mut reader, LINE_BYTES);
            match piece.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => self.push(String::from_utf8_lossy(&line).trim_end().to_owned()),
            }
        }
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= TAIL {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn take(&self) -> VecDeque<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use jobq_core::inspect::JobView;
    use jobq_core::{Inspect, JobState, MemoryBackend, Queue, QueueName};

    use super::*;
    use crate::worker::Worker;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args = vec!["-c".to_owned(), script.to_owned()];
        command
    }

    /// Runs one attempt; `None` if it left nothing behind.
    async fn outcome(command: Command) -> Option<JobView> {
        let store = MemoryBackend::new();
        let id = store.enqueue(command).max_attempts(1).await.unwrap().id();
        let registry =
            register(Registry::new(), AllowedPrograms::find(&["sh".to_owned()]).unwrap());
        Worker::with_registry(store.clone(), registry).once().run().await.unwrap();
        store.job(&QueueName::new("default").unwrap(), id).await.unwrap()
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
    async fn much_output_does_not_stop_the_program() {
        assert_eq!(
            outcome(shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")).await,
            None
        );
    }
}
