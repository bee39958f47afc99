//! The built-in kind `command`: a job that runs a program.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jobq_core::{Backoff, Error, Job, JobContext, JobError, JobResult};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin};

use super::allowed::{AllowedPrograms, is_private, may_set};
use crate::registry::Registry;

/// How many of the last lines of a program's output are kept.
const TAIL: usize = 20;

/// How much of the end of it is the result of a job.
const RESULT_BYTES: usize = 2 * 1024;

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
/// that it has started itself are not.
///
/// The last lines that it wrote go to the job's log when it fails or runs out of the time that
/// [`timeout_s`](Self::timeout_s) gives it; when it completes the end of them is the result, beside the exit code, if
/// the job has a retention.
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
    /// What it reads from its standard input; nothing by default. A program may leave it unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
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
            stdin: None,
            timeout_s: None,
        }
    }

    /// Refuses what no worker could run.
    pub(super) fn check(&self) -> jobq_core::Result<()> {
        self.fault().map_or(Ok(()), |fault| Err(Error::invalid_input(fault)))
    }

    /// Why it makes no sense.
    fn fault(&self) -> Option<String> {
        if self.program.is_empty() {
            return Some("the program of a command is empty".to_owned());
        }
        let has_nul = |text: &String| text.contains('\0');
        for (what, is_wrong) in [
            ("the program", has_nul(&self.program)),
            ("an argument", self.args.iter().any(has_nul)),
            ("the directory", self.cwd.as_ref().is_some_and(has_nul)),
            ("a variable", self.env.iter().any(|(name, value)| has_nul(name) || has_nul(value))),
        ] {
            if is_wrong {
                return Some(format!(
                    "{what} of a command holds a NUL, which no program can be given"
                ));
            }
        }
        for variable in self.env.keys() {
            if variable.is_empty() || variable.contains('=') {
                return Some(format!("{variable:?} is not the name of a variable"));
            }
            if !may_set(variable) {
                return Some(format!("a job may not set the variable {variable}"));
            }
        }
        None
    }
}

/// What is kept of a program that has done its work.
#[derive(Debug, Serialize)]
struct Ended {
    exit_code: i32,
    /// The end of what it wrote: to standard output, then to standard error.
    output: String,
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

async fn run(job: Command, context: JobContext, allowed: Arc<AllowedPrograms>) -> JobResult<Ended> {
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
    if let Some(fault) = job.fault() {
        return Err(JobError::dead(fault));
    }
    let mut child = spawn(&job, file).map_err(|error| JobError::retry(unable(&job, &error)))?;
    let (out, err) = (Tail::default(), Tail::default());
    let ended = wait(&mut child, job.stdin.as_deref().unwrap_or_default(), &out, &err);
    let status = match job.timeout_s.map(Duration::from_secs) {
        None => Ok(ended.await?),
        Some(limit) => match tokio::time::timeout(limit, ended).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(limit),
        },
    };
    // It must not run on while the log is written.
    let _ = child.start_kill();
    let lines: Vec<String> = out.take().into_iter().chain(err.take()).collect();
    if let Ok(status) = status
        && status.success()
    {
        return Ok(Ended { exit_code: 0, output: end_of(&lines.join("\n")).to_owned() });
    }
    for line in &lines {
        // The log is a courtesy.
        let _ = context.log(line.as_str()).await;
    }
    Err(match status {
        Ok(status) => verdict(&job.program, status, lines.last()),
        Err(limit) => JobError::retry(format!("{:?} took longer than {limit:?}", job.program)),
    })
}

/// Why a program could not be started. The system blames the program for a directory that is missing.
fn unable(job: &Command, error: &io::Error) -> String {
    match &job.cwd {
        Some(cwd) if !Path::new(cwd).is_dir() => {
            format!("cannot run {:?}: {cwd:?} is no directory on this machine", job.program)
        }
        _ => format!("cannot run {:?}: {error}", job.program),
    }
}

fn end_of(text: &str) -> &str {
    let mut from = text.len().saturating_sub(RESULT_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

fn spawn(job: &Command, file: &Path) -> io::Result<Child> {
    let mut command = tokio::process::Command::new(file);
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(is_private) {
            command.env_remove(variable);
        }
    }
    command.args(&job.args).envs(&job.env);
    let stdin = if job.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    if let Some(cwd) = &job.cwd {
        command.current_dir(cwd);
    }
    command.spawn()
}

/// Waits for the end of a program, gives it its input, and reads what it writes. Programs that it has left running
/// may hold its input and output open: they are not waited for.
async fn wait(child: &mut Child, input: &str, out: &Tail, err: &Tail) -> io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut reading = std::pin::pin!(async {
        tokio::join!(out.read(stdout), err.read(stderr));
    });
    // Beside the reading: a program may write before it has read all.
    let mut feeding = std::pin::pin!(feed(stdin, input));
    let (mut is_read, mut is_fed) = (false, false);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut reading, if !is_read => is_read = true,
            () = &mut feeding, if !is_fed => is_fed = true,
        }
    };
    if !is_read {
        let _ = tokio::time::timeout(AFTERMATH, reading).await;
    }
    status
}

/// Writes the input of a program and closes it.
async fn feed(stdin: Option<ChildStdin>, input: &str) {
    let Some(mut stdin) = stdin else { return };
    // A program that has read enough closes its end, and that is no fault: its exit code tells how it went.
    let _ = stdin.write_all(input.as_bytes()).await;
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
        outcome_kept_for(Duration::ZERO, command).await
    }

    async fn outcome_kept_for(retention: Duration, command: Command) -> Option<JobView> {
        let store = MemoryBackend::new();
        let job = store.enqueue(command).max_attempts(1);
        let job = if retention.is_zero() { job } else { job.retention(retention) };
        let id = job.await.unwrap().id();
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
        for script in
            ["exit 0", "exec <&-; exit 0", "head -c 1 > /dev/null", "sleep 30 <&0 & exit 0"]
        {
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
}
