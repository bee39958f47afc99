//! The built program, run as a user runs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The one line of JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.stdout.lines().count(), 1, "{} {}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// The program with a clean environment.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_company-context"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .env_remove("QUEUE_DRIVER")
        .env_remove("MODEL_ENDPOINT")
        .env_remove("MODEL_KEY")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    let Output { status, stdout, stderr } = command(args).output().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Runs it to its end, which must be a good one.
pub(crate) fn done(args: &[&str]) -> Ended {
    let ended = run(args);
    assert_eq!(ended.code, Some(0), "{args:?}: {} {}", ended.stdout, ended.stderr);
    ended
}

/// The program in the background; killed when dropped.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self(command(args).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Starts one that says where it listens, and gives the address too.
    pub(crate) fn listening(args: &[&str]) -> (Self, String) {
        Self::listening_as(&mut command(args))
    }

    pub(crate) fn listening_as(command: &mut Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        (Self(child), url)
    }

    /// SIGKILL: no destructor, no goodbye.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        let status = self.0.wait().unwrap();
        assert!(!status.success(), "it had ended by itself");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
