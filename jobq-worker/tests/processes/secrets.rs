//! The password of the server's URL is nowhere in what the program writes, whatever goes wrong and however much it logs.

use std::process::{Command, Output, Stdio};

use jobq_redis::TestServer;

use crate::stage::{Stage, text};

/// What the program is started with, and nothing that shows the password may be in its output.
const SECRET: &str = "hunter2-correct";
const WRONG: &str = "hunter2-mistaken";

fn jobq(url: &str, arguments: &[&str], by_flag: bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobq"));
    command.args(arguments).env("RUST_LOG", "trace").stdin(Stdio::null());
    for variable in ["JOBQ_CONFIG", "JOBQ_GROUP", "JOBQ_DEPLOY_STAMP", "JOBQ_LISTEN", "REDIS_URL"] {
        command.env_remove(variable);
    }
    if by_flag {
        command.args(["--backend", url]);
    } else {
        command.env("REDIS_URL", url);
    }
    command.output().unwrap()
}

fn assert_kept(url: &str, arguments: &[&str], output: &Output) {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!said.contains("hunter2"), "{arguments:?} with {url}: {said}");
    // As it is written in a URL, and as it is sent.
    assert!(!said.contains("hunter%32"), "{arguments:?} with {url}: {said}");
}

const COMMANDS: [&[&str]; 9] = [
    &["queues"],
    &["stats", "--json"],
    &["doctor"],
    &["enqueue", "command", "--json", r#"{"program":"true"}"#],
    &["work", "--stop-when-empty", "--allow-command", "true"],
    &["jobs", "list", "default"],
    &["schedule", "list"],
    &["scheduler", "--once"],
    &["monitor", "default", "--max", "3"],
];

#[test]
fn no_password_is_written_when_it_is_right_wrong_or_of_nobody() {
    let server = TestServer::start_with(&["--requirepass", SECRET, "--appendonly", "yes"]).unwrap();
    let gone = {
        let server = TestServer::start().unwrap();
        server.port()
    };
    let port = server.port();

    for arguments in COMMANDS {
        let right = format!("redis://:{SECRET}@127.0.0.1:{port}");
        let output = jobq(&right, arguments, false);
        assert_kept(&right, arguments, &output);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
    let refused = [
        format!("redis://:{WRONG}@127.0.0.1:{port}"),
        format!("redis://jobq:{WRONG}@127.0.0.1:{port}/3"),
        format!("redis://:hunter%32-mistaken@127.0.0.1:{port}"),
        format!("redis://:{SECRET}@127.0.0.1:{gone}"),
        format!("rediss://:{SECRET}@127.0.0.1:{port}"),
    ];
    for url in refused {
        for arguments in
            [["queues"].as_slice(), &["doctor"], &["enqueue", "command", "--json", "{}"]]
        {
            let output = jobq(&url, arguments, false);
            assert_kept(&url, arguments, &output);
            assert_ne!(output.status.code(), Some(0), "{arguments:?} with {url}: {output:?}");
        }
    }
}

#[test]
fn no_password_is_written_of_a_url_that_makes_no_sense() {
    for url in [
        format!("redis://:{SECRET}@host:port"),
        format!("redis://:{SECRET}@"),
        format!("redis//:{SECRET}@127.0.0.1"),
        format!("redis:/{SECRET}@127.0.0.1:6379"),
        format!("http://jobq:{SECRET}@127.0.0.1"),
        format!("redis://:{SECRET}@127.0.0.1:6379/eleven"),
        format!("redis://:{SECRET}@127.0.0.1:6379#insecure"),
        format!("redis://jobq:{SECRET}%zz@127.0.0.1:99999"),
        format!("unix:///nowhere/redis.sock?user=jobq&pass={SECRET}"),
        format!("{SECRET}@127.0.0.1"),
    ] {
        for by_flag in [false, true] {
            let output = jobq(&url, &["queues"], by_flag);

            assert_kept(&url, &["queues"], &output);
            assert!(!output.status.success(), "{url}: {output:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_with_its_address_and_without_its_password() {
    let mut stage = Stage::set().await;
    stage.server.kill();
    let url = format!("redis://:top-secret@127.0.0.1:{}", stage.server.port());

    for command in ["queues", "failed", "restart"] {
        let output = stage.jobq().env("REDIS_URL", &url).arg(command).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(&format!("nothing listens at 127.0.0.1:{}", stage.server.port())),
            "{told}"
        );
        assert!(!told.contains("top-secret"), "{told}");
    }
}
