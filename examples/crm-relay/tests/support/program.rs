//! The built program, run as a user runs it.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use super::TOKEN;

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The last line, which is JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        let last = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("{} {}", self.stdout, self.stderr))
    }
}

/// The program with a clean environment.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crm-relay"));
    command
        .args(args)
        .env("CRM_TOKEN", TOKEN)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .env_remove("WEBHOOK_SECRET")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    end(&mut command(args))
}

/// Runs it to its end, which must be a good one.
pub(crate) fn done(args: &[&str]) -> Ended {
    let ended = run(args);
    assert_eq!(ended.code, Some(0), "{args:?}: {} {}", ended.stdout, ended.stderr);
    ended
}

pub(crate) fn end(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// The program in the background; killed when dropped.
pub(crate) struct Background {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Background {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_as(&mut command(args))
    }

    pub(crate) fn start_as(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Starts one that says where it listens, and gives the address too.
    pub(crate) fn listening(args: &[&str]) -> (Self, String) {
        Self::listening_as(&mut command(args))
    }

    pub(crate) fn listening_as(command: &mut Command) -> (Self, String) {
        let mut started = Self::start_as(command);
        let line = started.line();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        (started, url)
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// SIGKILL: no destructor, no goodbye.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "it had ended by itself");
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end, and gives what it has printed since the last line that was read.
    pub(crate) fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let lines = self.lines.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), lines)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
