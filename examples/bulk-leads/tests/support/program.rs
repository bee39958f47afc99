//! The built program, run as a user runs it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
    let mut command = Command::new(env!("CARGO_BIN_EXE_bulk-leads"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .env_remove("WEBHOOK_SECRET")
        .env_remove("RUST_LOG")
        .stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    end(command(args))
}

/// Runs it to its end with these variables.
pub(crate) fn run_with(variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let mut command = command(args);
    command.envs(variables.iter().copied());
    end(command)
}

/// Runs it to its end in a directory.
pub(crate) fn run_in(directory: &Path, args: &[&str]) -> Ended {
    let mut command = command(args);
    command.current_dir(directory);
    end(command)
}

fn end(mut command: Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// The program in the background; killed when dropped.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self(command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts it, and gives the address that its first line ends with.
    pub(crate) fn serve(args: &[&str]) -> (Self, String) {
        let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(url.starts_with("http://"), "{line:?}");
        (Self(child), url)
    }

    /// Starts it, and reads its log until a line holds this text.
    pub(crate) fn until_it_logs(args: &[&str], text: &str) -> Self {
        let mut child = command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let found = log.lines().map_while(Result::ok).find(|line| line.contains(text));
        let started = Self(child);
        assert!(found.is_some(), "it ended without a word of {text:?}");
        started
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL: no destructor, no goodbye.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        let status = self.0.wait().unwrap();
        assert!(!status.success(), "it had ended by itself");
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
