//! Where settings come from: flags before the environment, that before `jobq.toml`, and that before the
//! defaults. An empty variable is as good as none.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{Stage, WorkerProcess, text, until};

/// The program without anything of ours around it.
fn bare(stage: &Stage) -> Command {
    let mut command = stage.jobq();
    command.env_remove("REDIS_URL").env_remove("JOBQ_PREFIX").current_dir(stage.path(""));
    command
}

/// Where a command looked for the server that is not there, as it says.
fn looked_at(command: &mut Command) -> String {
    let output = command.arg("queues").output().unwrap();
    let said = text(&output.stderr);
    let place = said.split("nothing listens at ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let end = place.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    place[..end.unwrap_or(place.len())].trim_end_matches(':').to_owned()
}

#[tokio::test]
async fn the_server_is_that_of_the_flag_then_of_the_environment_then_of_the_file() {
    let stage = Stage::set().await;
    let file = || fs::write(stage.path("jobq.toml"), "backend = \"redis://127.0.0.1:3\"").unwrap();
    let flag = ["--backend", "redis://127.0.0.1:1"];
    file();

    assert_eq!(
        looked_at(bare(&stage).args(flag).env("REDIS_URL", "redis://127.0.0.1:2")),
        "127.0.0.1:1"
    );
    assert_eq!(looked_at(bare(&stage).env("REDIS_URL", "redis://127.0.0.1:2")), "127.0.0.1:2");
    for empty in ["", "  "] {
        assert_eq!(looked_at(bare(&stage).env("REDIS_URL", empty)), "127.0.0.1:3");
    }
    fs::remove_file(stage.path("jobq.toml")).unwrap();
    // The default; a server may be there.
    let output = bare(&stage).env("REDIS_URL", "").arg("queues").output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success() || said.contains("127.0.0.1:6379"), "{said}");
}

#[tokio::test]
async fn the_prefix_is_that_of_the_flag_then_of_the_environment_then_of_the_file() {
    let stage = Stage::set().await;
    fs::write(stage.path("jobq.toml"), "prefix = \"file\"").unwrap();
    let url = stage.server.url();
    let enqueue = |flag: &[&str], variable: Option<&str>| {
        let mut command = bare(&stage);
        command.args(["--backend", &url]).args(flag);
        if let Some(value) = variable {
            command.env("JOBQ_PREFIX", value);
        }
        let output = command.args(["enqueue", "sync", "--queue", "q"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let count = |prefix: &str| {
        let output = stage.run(&["--prefix", prefix, "queues", "--json"]);
        let queues: Value = serde_json::from_slice(&output.stdout).unwrap();
        queues[0]["ready"].as_u64().unwrap_or(0)
    };

    enqueue(&["--prefix", "flag"], Some("environment"));
    enqueue(&[], Some("environment"));
    enqueue(&[], Some("environment"));
    enqueue(&[], None);
    enqueue(&[], Some(""));
    enqueue(&[], None);

    assert_eq!(["flag", "environment", "file", "jobq"].map(count), [1, 2, 3, 0]);
}

#[tokio::test]
async fn the_file_is_that_of_the_flag_then_of_the_environment_then_the_one_that_is_there() {
    let stage = Stage::set().await;
    for name in ["flag", "environment", "jobq"] {
        fs::write(stage.path(&format!("{name}.toml")), format!("{name}_key = 1")).unwrap();
    }
    let read = |flag: &[&str], variable: Option<&str>| {
        let mut command = bare(&stage);
        command.args(flag);
        if let Some(value) = variable {
            command.env("JOBQ_CONFIG", value);
        }
        let said = text(&command.arg("queues").output().unwrap().stderr);
        said.split("unknown key \"").nth(1).unwrap().split("_key").next().unwrap().to_owned()
    };

    let variable = Some("environment.toml");
    assert_eq!(read(&["--config", "flag.toml"], variable), "flag");
    assert_eq!(read(&[], variable), "environment");
    assert_eq!(read(&[], Some("")), "jobq");
    assert_eq!(read(&[], None), "jobq");
}

#[tokio::test]
async fn the_group_is_that_of_the_flag_then_of_the_environment_then_of_the_file() {
    let stage = Stage::set().await;
    fs::write(stage.path("jobq.toml"), "[scheduler]\ngroup = \"file\"").unwrap();
    let group = |flag: &[&str], variable: &str| {
        let mut command = stage.jobq();
        command.current_dir(stage.path("")).env("JOBQ_GROUP", variable);
        let output = command.args(["schedule", "list"]).args(flag).output().unwrap();
        text(&output.stdout).split(' ').nth(1).unwrap_or_default().to_owned()
    };

    assert_eq!(group(&["--group", "flag"], "environment"), "flag");
    assert_eq!(group(&[], "environment"), "environment");
    assert_eq!(group(&[], ""), "file");
    fs::remove_file(stage.path("jobq.toml")).unwrap();
    assert_eq!(group(&[], ""), "default");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_address_to_listen_at_is_that_of_the_flag_then_of_the_environment_then_of_the_file() {
    let stage = Stage::set().await;
    let ports = [free_port(), free_port(), free_port()];
    let of_file = format!("listen = \"127.0.0.1:{}\"", ports[2]);
    fs::write(stage.path("jobq.toml"), of_file).unwrap();
    let [flag, variable, _] = ports.map(|port| format!("127.0.0.1:{port}"));
    for (flag, variable, port) in [
        (&["--listen", &flag] as &[&str], variable.as_str(), ports[0]),
        (&[], variable.as_str(), ports[1]),
        (&[], "", ports[2]),
    ] {
        let mut command = stage.jobq();
        command.current_dir(stage.path("")).env("JOBQ_LISTEN", variable);
        command.args(["scheduler"]).args(flag).stdout(Stdio::piped()).stderr(Stdio::piped());
        let process = WorkerProcess(command.spawn().unwrap());
        until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        process.signal("-TERM");
        assert_eq!(process.end().0, Some(0), "a signal that comes as early as can be is heard");
    }
}

#[tokio::test]
async fn the_deploy_stamp_is_that_of_the_flag_then_of_the_environment() {
    let stage = Stage::set().await;
    let declared = |every: &str, flag: &[&str], variable: &str| {
        let toml = format!("[schedules.x]\nevery = \"{every}\"\nkind = \"x\"");
        fs::write(stage.path("jobq.toml"), toml).unwrap();
        let mut command = stage.jobq();
        command.current_dir(stage.path("")).env("JOBQ_DEPLOY_STAMP", variable);
        let output = command.args(["scheduler", "--once"]).args(flag).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let list = stage.run(&["schedule", "list", "--json"]);
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        list[0]["description"].as_str().unwrap().to_owned()
    };

    assert_eq!(declared("2h", &["--deploy-stamp", "9"], "5"), "every 2 hours");
    // Older than what is there, so it does not count.
    assert_eq!(declared("3h", &[], "8"), "every 2 hours");
    // By when the program was written, which is long after.
    assert_eq!(declared("4h", &[], ""), "every 4 hours");
}

#[tokio::test]
async fn what_the_file_says_of_workers_holds_unless_a_flag_says_otherwise() {
    let stage = Stage::set().await;
    let path = stage.path("jobq.toml");
    fs::write(
        &path,
        "[work]\nqueue = [\"mail\", \"crm=3\"]\nconcurrency = 7\nname = \"of-file\"\ntries = 1\n\
         timeout = \"300ms\"\ngrace = \"1s\"\nlease = \"2s\"\nallow_command = [\"sh\"]\n\
         allow_url = [\"http://127.0.0.1:1/hooks\"]\n",
    )
    .unwrap();
    let work = |options: &[&str]| {
        let mut command = stage.jobq();
        command.current_dir(stage.path("")).arg("work").args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        WorkerProcess(command.spawn().unwrap())
    };
    let workers = || -> Value {
        let stats = stage.run(&["stats", "--json"]);
        serde_json::from_slice::<Value>(&stats.stdout).unwrap()["workers"].clone()
    };
    let seen = |options: &[&str]| {
        let process = work(options);
        until("the worker is seen", || workers().as_array().is_some_and(|all| !all.is_empty()));
        let seen = workers()[0].clone();
        process.signal("-TERM");
        assert_eq!(process.end().0, Some(0));
        let queues = seen["queues"].to_string();
        (seen["name"].to_string(), seen["concurrency"].to_string(), queues)
    };

    let (name, concurrency, queues) = seen(&[]);
    assert_eq!((name.as_str(), concurrency.as_str()), ("\"of-file\"", "7"));
    assert!(queues.contains("mail") && queues.contains("crm"), "{queues}");
    let (name, concurrency, queues) =
        seen(&["--name", "of-flag", "--concurrency", "2", "--queue", "default"]);
    assert_eq!((name.as_str(), concurrency.as_str()), ("\"of-flag\"", "2"));
    assert!(!queues.contains("mail"), "{queues}");

    // The program and the URL are allowed, and the attempt and its time limit hold.
    let slow = stage.enqueue("sleep 20", &["--queue", "mail"]);
    let url = r#"{"url": "http://127.0.0.1:1/hooks/7"}"#;
    stage.run(&["enqueue", "http", "--json", url, "--queue", "mail"]);
    assert_eq!(work(&["--stop-when-empty"]).end().0, Some(0));
    let shown = text(&stage.run(&["jobs", "show", &slow.to_string()]).stdout);
    assert!(shown.contains("dead") && shown.contains("timeout"), "{shown}");
    let failed = text(&stage.run(&["failed", "--queue", "mail"]).stdout);
    assert!(!failed.contains("not allowed"), "{failed}");
    assert_eq!(failed.lines().count(), 3, "{failed}");
}

#[tokio::test]
async fn a_mistake_in_what_the_file_says_of_workers_is_told_with_its_place() {
    let stage = Stage::set().await;
    let path = stage.path("jobq.toml");
    for (toml, told) in [
        ("[work]\ntires = 3", "line 2, column 1: unknown key \"tires\": did you mean \"tries\"?"),
        (
            "[work]\ntries = 0",
            "line 2, column 9: \"0\" is not how often a job can be tried: 1 to 65535",
        ),
        ("[work]\nqueue = [\"a=0\"]", "the weight of queue \"a\" must be 1 or more"),
        ("[work]\nallow_url = [\"ftp://example.com/\"]", "is neither http nor https"),
        ("[work]\nallow_command = [\"no-such-program\"]", "there is no such program"),
        ("[schedules.x]\ncorn = \"@daily\"\nkind = \"x\"", "did you mean \"cron\"?"),
        ("backend = \"redis://user:top-secret@:nonsense\"", "jobq: "),
    ] {
        fs::write(&path, toml).unwrap();
        let mut command = bare(&stage);
        command.args(["work", "--stop-when-empty"]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut said = String::new();
        process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(2), "{toml}: {said}");
        assert!(said.contains(told) && !said.contains("top-secret"), "{toml}: {said}");
    }
}
