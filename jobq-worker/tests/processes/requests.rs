//! Jobs of kind `http`, with a real server that answers by the path it is asked for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use jobq_core::inspect::JobView;
use jobq_core::{JobId, JobState};
use serde_json::{Value, json};

use crate::stage::{Stage, WorkerProcess, text};

/// A server and what it was asked.
struct Receiver {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || answer(stream.unwrap(), &heard));
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    heard.lock().unwrap().push(format!("{head}\r\n{}", text(&body)));
    let path = head.split(' ').nth(1).unwrap();
    let (status, headers, body) = match path.split('?').next().unwrap() {
        "/busy" => ("503 Busy", "Retry-After: 1800\r\n".to_owned(), "too busy\n".to_owned()),
        "/missing" => ("404 Not Found", String::new(), "no such thing\n".to_owned()),
        "/moved" => ("302 Found", "Location: /ok\r\n".to_owned(), String::new()),
        "/round" => ("302 Found", "Location: /round\r\n".to_owned(), String::new()),
        "/away" => ("302 Found", "Location: http://127.0.0.1:1/\r\n".to_owned(), String::new()),
        "/up" => ("302 Found", "Location: /secret\r\n".to_owned(), String::new()),
        "/long" => ("200 OK", String::new(), format!("{}the end", "x".repeat(500_000))),
        "/silent" => {
            // Until the other side has had enough.
            let _ = reader.read(&mut [0]);
            return;
        }
        _ => ("200 OK", String::new(), "thanks".to_owned()),
    };
    let mut stream = stream;
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    // A caller that has read enough goes away.
    let _ = stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes());
}

fn enqueue(stage: &Stage, job: &Value) -> JobId {
    let json = job.to_string();
    let output = stage.run(&[
        "enqueue",
        "http",
        "--json",
        &json,
        "--retention",
        "1h",
        "--max-attempts",
        "2",
    ]);
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout).trim().parse().unwrap()
}

fn work(stage: &Stage, options: &[&str]) {
    let mut command = stage.jobq();
    command.env("NO_PROXY", "127.0.0.1").args(["work", "--stop-when-empty"]).args(options);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let (code, log) = WorkerProcess(command.spawn().unwrap()).end();
    assert_eq!(code, Some(0), "{log}");
}

/// What becomes of a job after one run of a worker that allows this server.
async fn outcome(stage: &Stage, receiver: &Receiver, job: Value) -> JobView {
    let id = enqueue(stage, &job);
    work(stage, &["--allow-url", &receiver.url("/")]);
    stage.job(id).await.unwrap()
}

fn why(job: &JobView) -> &str {
    &job.history.last().unwrap_or_else(|| panic!("no failure: {job:?}")).message
}

fn result(job: &JobView) -> Value {
    let bytes = job.result.clone().unwrap();
    let json = jobq_core::Payload::from_bytes(bytes).unwrap().to_json().unwrap();
    serde_json::from_str(&json).unwrap()
}

#[tokio::test]
async fn a_request_is_made_as_the_job_says_and_its_answer_is_kept() {
    let (stage, receiver) = (Stage::set().await, Receiver::start());
    let job = json!({
        "url": receiver.url("/hook?x=1"),
        "headers": { "authorization": "Bearer abc" },
        "body": { "order": 42 },
    });

    let job = outcome(&stage, &receiver, job).await;

    assert_eq!(job.state, JobState::Completed);
    assert_eq!(result(&job), json!({ "status": 200, "body": "thanks" }));
    let asked = receiver.asked();
    assert_eq!(asked.len(), 1);
    let asked = asked[0].to_lowercase();
    assert!(asked.starts_with("post /hook?x=1 http/1.1\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\n{\"order\":42}"), "{asked}");
    for header in [
        "content-type: application/json\r\n",
        "authorization: bearer abc\r\n",
        "user-agent: jobq/",
        &format!("idempotency-key: {}\r\n", job.record.id),
    ] {
        assert!(asked.contains(header), "{header}: {asked}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_when_it_says_and_one_that_refuses_is_not() {
    let (stage, receiver) = (Stage::set().await, Receiver::start());

    let busy = outcome(&stage, &receiver, json!({ "url": receiver.url("/busy") })).await;
    assert_eq!((busy.state, busy.failed_attempts), (JobState::Scheduled, 1));
    let wait = busy.at.unwrap().since(busy.record.enqueued_at).as_secs();
    assert!((1_800..1_860).contains(&wait), "{wait}");
    assert!(why(&busy).ends_with("was answered by 503 Service Unavailable"), "{}", why(&busy));
    assert_eq!(busy.report.log[0].text, "too busy");

    let missing = outcome(&stage, &receiver, json!({ "url": receiver.url("/missing") })).await;
    assert_eq!(missing.state, JobState::Dead);
    assert_eq!(
        why(&missing),
        format!("GET at http://{} was answered by 404 Not Found", receiver.address)
    );
}

#[tokio::test]
async fn redirects_are_followed_only_to_where_the_job_might_go_itself() {
    let (stage, receiver) = (Stage::set().await, Receiver::start());

    let moved = outcome(&stage, &receiver, json!({ "url": receiver.url("/moved") })).await;
    assert_eq!(result(&moved)["body"], "thanks");
    for path in ["/away", "/round"] {
        let job = outcome(&stage, &receiver, json!({ "url": receiver.url(path) })).await;
        assert_eq!(job.state, JobState::Dead, "{path}");
        assert!(why(&job).contains("it leads to another server"), "{path}: {}", why(&job));
    }
    let id = enqueue(&stage, &json!({ "url": receiver.url("/up") }));
    work(&stage, &["--allow-url", &receiver.url("/up")]);
    assert_eq!(stage.job(id).await.unwrap().state, JobState::Dead);
    let asked = receiver.asked();
    assert!(!asked.iter().any(|request| request.contains("/secret")), "{asked:?}");
}

#[tokio::test]
async fn time_is_limited_and_so_is_what_is_kept_of_an_answer() {
    let (stage, receiver) = (Stage::set().await, Receiver::start());

    let silent = json!({ "url": receiver.url("/silent"), "timeout_s": 1 });
    let silent = outcome(&stage, &receiver, silent).await;
    assert_eq!((silent.state, silent.failed_attempts), (JobState::Scheduled, 1));
    assert!(why(&silent).ends_with("took longer than 1s"), "{}", why(&silent));

    let long = outcome(&stage, &receiver, json!({ "url": receiver.url("/long") })).await;
    let body = result(&long)["body"].as_str().unwrap().to_owned();
    assert!(body.len() <= 2_048 && body.ends_with("xthe end"), "{}", body.len());
}

#[tokio::test]
async fn only_allowed_urls_are_asked_and_passwords_are_not_told() {
    let (stage, receiver) = (Stage::set().await, Receiver::start());
    let with_password = format!("http://me:top-secret@{}/hook", receiver.address);

    // A worker that allows none leaves the job to another one.
    let id = enqueue(&stage, &json!({ "url": with_password }));
    work(&stage, &[]);
    let job = stage.job(id).await.unwrap();
    assert_eq!((job.state, job.failed_attempts), (JobState::Scheduled, 0));

    let id = enqueue(&stage, &json!({ "url": with_password }));
    work(&stage, &["--allow-url", &receiver.url("/other/")]);
    let job = stage.job(id).await.unwrap();
    assert_eq!(job.state, JobState::Dead);
    let place = format!("http://{}", receiver.address);
    assert_eq!(
        why(&job),
        format!(
            "the URL, at {place}, is not allowed here: start the worker with --allow-url {place}/"
        )
    );
    assert_eq!(receiver.asked(), [""; 0]);

    let nobody = "http://me:top-secret@127.0.0.1:1/hook";
    let id = enqueue(&stage, &json!({ "url": nobody }));
    work(&stage, &["--allow-url", "http://127.0.0.1:1"]);
    let job = stage.job(id).await.unwrap();
    assert_eq!((job.state, job.failed_attempts), (JobState::Scheduled, 1));
    assert!(why(&job).starts_with("GET at http://127.0.0.1:1: "), "{}", why(&job));
    assert!(!why(&job).contains("top-secret"), "{}", why(&job));
}
