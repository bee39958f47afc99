//! A program that runs, with all that it starts.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::Command;
use super::tail::Tail;
use crate::cli::allowed::is_private;

/// How long the output of a program that has ended is still read.
const AFTERMATH: Duration = Duration::from_millis(500);

/// A program. Dropped before it has ended it is killed, and with it what it has started: a script whose steps ran on
/// would do its work beside the next attempt.
pub(super) struct Program(Child);

impl Program {
    pub(super) fn start(job: &Command, file: &Path) -> io::Result<Self> {
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
        // A group of its own: to be killed as a whole, and to be spared by the Ctrl+C that asks the worker to finish.
        #[cfg(unix)]
        command.process_group(0);
        if let Some(cwd) = &job.cwd {
            command.current_dir(cwd);
        }
        command.spawn().map(Self)
    }

    /// Waits for its end, gives it its input, and reads what it writes. Programs that it has left running may hold
    /// its input and output open: they are not waited for.
    pub(super) async fn wait(
        &mut self,
        input: &str,
        out: &Tail,
        err: &Tail,
    ) -> io::Result<ExitStatus> {
        let child = &mut self.0;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
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
}

impl Drop for Program {
    fn drop(&mut self) {
        // Without an id it has been waited for, and the number may be another's by now.
        #[cfg(unix)]
        if let Some(group) = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw)
        {
            // All of it may just have ended.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Writes the input of a program and closes it.
async fn feed(stdin: Option<ChildStdin>, input: &str) {
    let Some(mut stdin) = stdin else { return };
    // A program that has read enough closes its end, and that is no fault: its exit code tells how it went.
    let _ = stdin.write_all(input.as_bytes()).await;
}
