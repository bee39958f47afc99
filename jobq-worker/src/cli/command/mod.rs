//! The built-in kind `command`: a job that runs a program.

mod program;
mod tail;
#[cfg(unix)]
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Backoff, Error, Job, JobContext, JobError, JobResult, duration};
use serde::{Deserialize, Serialize};

use self::program::Program;
use self::tail::Tail;
use super::allowed::{AllowedPrograms, may_set};
use crate::registry::Registry;

/// How much of the end of a program's output is the result of a job.
const RESULT_BYTES: usize = 2 * 1024;

/// The exit code by which a program asks to be run again later: `EX_TEMPFAIL` of sysexits.h.
const TEMPORARY: i32 = 75;

/// After how long a job comes back that was put off.
const LATER: Duration = Duration::from_secs(60);

/// Runs a program, without a shell. The worker must allow it: `jobq work --allow-command PROGRAM`. A
/// worker that allows none puts such jobs off; one that allows others only finds them dead.
///
/// Exit code 0 completes the job; 75 (`EX_TEMPFAIL`) puts it off for a minute without using an attempt;
/// anything else is an error. When the job is cancelled or times out the program is killed, and with it those that it
/// has started, unless they have taken a process group of their own. Those that outlive a program that has ended are
/// left alone.
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
        if self.timeout_s == Some(0) {
            return Some("timeout_s is 0: no program could end in time".to_owned());
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
        .of_any_queue()
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
    let mut program =
        Program::start(&job, file).map_err(|error| JobError::retry(unable(&job, &error)))?;
    let (out, err) = (Tail::default(), Tail::default());
    let ended = program.wait(job.stdin.as_deref().unwrap_or_default(), &out, &err);
    let status = match job.timeout_s.map(Duration::from_secs) {
        None => Ok(ended.await?),
        Some(limit) => match tokio::time::timeout(limit, ended).await {
            Ok(status) => Ok(status?),
            Err(_) => Err(limit),
        },
    };
    // It must not run on while the log is written.
    drop(program);
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
        Err(limit) => {
            JobError::retry(format!("{:?} took longer than {}", job.program, duration::text(limit)))
        }
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

fn verdict(program: &str, status: ExitStatus, last_line: Option<&String>) -> JobError {
    if status.code() == Some(TEMPORARY) {
        return JobError::snooze(LATER);
    }
    let said = last_line.map_or_else(String::new, |line| format!(": {line}"));
    JobError::retry(format!("{program:?} ended with {status}{said}"))
}
