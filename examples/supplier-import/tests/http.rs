//! Lists fetched over HTTP, from a server that answers as it is told.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fixtures::Place;
use jobq_core::{Next, Outcome};
use supplier_import::jobs::{ImportChunk, ImportFile};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use support::steps::{Steps, import_of};

const LIST: &str = "sku,ean,stock_quantity,delivery_days,purchase_price\nX-1,,1,1,1.00\n";

/// What the server does with a request.
#[derive(Clone)]
enum Answer {
    /// Sends this and closes.
    Send(String),
    /// Sends this and then nothing more.
    Stall(String),
}

/// A server on the loopback that gives each request the same answer.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answer: Answer) -> Self {
        use_ring();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:hunter2@{}/list.csv", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answer, seen) = (answer.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    let _ = stream.read(&mut request).await;
                    seen.fetch_add(1, Ordering::SeqCst);
                    let (text, stalls) = match answer {
                        Answer::Send(text) => (text, false),
                        Answer::Stall(text) => (text, true),
                    };
                    let _ = stream.write_all(text.as_bytes()).await;
                    if stalls {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { url, requests }
    }

    /// The parent of an import from here.
    fn import(&self) -> ImportFile {
        ImportFile {
            source: self.url.parse().unwrap(),
            http_timeout_s: 1,
            ..import_of("http", std::path::Path::new("/unused"))
        }
    }
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n{body}")
}

/// Runs the parent once, or for the third time.
async fn outcome(answer: Answer, is_third: bool) -> (Outcome, Option<String>, usize) {
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let server = Server::start(answer).await;
    let import = server.import();
    let outcome =
        if is_third { steps.third_attempt(&import).await } else { steps.parent(&import).await };
    let error = steps.summary(&import).await.and_then(|summary| summary.error);
    (outcome, error, server.requests.load(Ordering::SeqCst))
}

/// As the program's `main` does, before the first client is made.
fn use_ring() {
    program::choose_cryptography();
}

/// The reason of an import that was given up at once.
async fn given_up(answer: String) -> String {
    let (outcome, error, _) = outcome(Answer::Send(answer), false).await;
    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    error.unwrap()
}

/// The reason for another attempt.
async fn tried_again(answer: Answer) -> String {
    let (outcome, error, _) = outcome(answer, false).await;
    assert_eq!(error, None);
    match outcome {
        Outcome::Retry { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_list_is_fetched_and_its_address_shown_without_the_password() {
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let headers = format!("Content-Length: {}\r\n", LIST.len());
    let server = Server::start(Answer::Send(response("200 OK", &headers, LIST))).await;
    let import = server.import();

    assert_eq!(steps.parent(&import).await, Outcome::Done { result: None });

    let chunks: Vec<ImportChunk> = steps.take().await;
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].rows.len(), 1);
    assert_eq!(steps.chunk(&chunks[0]).await, Outcome::Done { result: None });
    for job in steps.take().await {
        steps.summarise(&job).await;
    }
    let source = steps.summary(&import).await.unwrap().source;
    assert_eq!(source, server.url.replace("user:hunter2@", ""));
}

#[tokio::test]
async fn what_an_address_asks_for_is_neither_stored_nor_shown() {
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let answer = response("404 Not Found", "Content-Length: 0\r\n", "");
    let server = Server::start(Answer::Send(answer)).await;
    let url = format!("{}?token=hunter3&day=1&hunter4#hunter5", server.url);
    let import = ImportFile { source: url.parse().unwrap(), ..server.import() };

    steps.parent(&import).await;

    let source = steps.summary(&import).await.unwrap().source;
    let shown = server.url.replace("user:hunter2@", "");
    assert_eq!(source, format!("{shown}?token=***&day=***&***"));
}

/// A parent that froze while it fetched and was overtaken meanwhile does not fail the import that the
/// newer attempt runs.
#[tokio::test]
async fn an_overtaken_parent_does_not_fail_the_import() {
    use_ring();
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/list.csv", listener.local_addr().unwrap());
    let source = url.parse().unwrap();
    let import = ImportFile { source, ..import_of("frozen", std::path::Path::new("/unused")) };
    let frozen = steps.lease_parent(&import).await;

    let newer = async {
        let (mut first, _) = listener.accept().await.unwrap();
        steps.settle(&frozen, Next::Release).await;
        let newer = steps.lease_parent(&import).await;
        let answering = async {
            let (mut second, _) = listener.accept().await.unwrap();
            let _ = second.read(&mut [0; 4096]).await;
            second.write_all(response("200 OK", "", LIST).as_bytes()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(steps.parent_under(&newer, &import), answering);
        let gone = response("404 Not Found", "Content-Length: 0\r\n", "");
        let _ = first.read(&mut [0; 4096]).await;
        first.write_all(gone.as_bytes()).await.unwrap();
        outcome
    };
    let import_frozen = ImportFile { http_timeout_s: 60, ..import.clone() };
    let (late, outcome) = tokio::join!(steps.parent_under(&frozen, &import_frozen), newer);

    assert_eq!(outcome, Outcome::Done { result: None });
    assert!(matches!(late, Outcome::Discard(_)), "{late:?}");
    assert_eq!(steps.summary(&import).await, None);
    for chunk in steps.take::<ImportChunk>().await {
        assert_eq!(steps.chunk(&chunk).await, Outcome::Done { result: None });
    }
    for job in steps.take().await {
        steps.summarise(&job).await;
    }
    assert_eq!(steps.summary(&import).await.unwrap().error, None);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    assert_eq!(
        given_up(response("404 Not Found", "Content-Length: 0\r\n", "")).await,
        "the server answers HTTP 404 Not Found: check the address"
    );
    assert_eq!(
        given_up(response("401 Unauthorized", "Content-Length: 0\r\n", "")).await,
        "the server answers HTTP 401 Unauthorized: check the user, password or key"
    );
    let page = "<!DOCTYPE html><html><body>Please log in</body></html>";
    assert!(given_up(response("200 OK", "", page)).await.contains("HTML page"));
}

#[tokio::test]
async fn a_server_in_trouble_is_tried_again() {
    let unavailable = response("503 Service Unavailable", "Content-Length: 0\r\n", "");
    let broken = response("200 OK", "Content-Length: 5000\r\n", LIST);

    assert_eq!(
        tried_again(Answer::Send(unavailable)).await,
        "the server answers HTTP 503 Service Unavailable"
    );
    let message = tried_again(Answer::Send(broken)).await;
    assert!(message.starts_with("the download broke off after "), "{message}");
    let message = tried_again(Answer::Stall(String::new())).await;
    assert_eq!(message, "the server cannot be reached: it does not answer in time");
    let stalled = response("200 OK", "Content-Length: 5000\r\n", LIST);
    let message = tried_again(Answer::Stall(stalled)).await;
    assert!(message.ends_with("it does not answer in time"), "{message}");
}

#[tokio::test]
async fn after_the_third_attempt_the_import_has_failed() {
    let unavailable = response("503 Service Unavailable", "Content-Length: 0\r\n", "");

    let (outcome, error, requests) = outcome(Answer::Send(unavailable), true).await;

    assert!(matches!(outcome, Outcome::Discard(_)), "{outcome:?}");
    assert_eq!(error.unwrap(), "the server answers HTTP 503 Service Unavailable (tried 3 times)");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn a_list_that_is_too_large_is_refused_with_and_without_a_length() {
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let body = LIST.repeat(1_000);
    let told = response("200 OK", &format!("Content-Length: {}\r\n", body.len()), "");
    let untold = response("200 OK", "", &body);

    for (name, answer) in [("told", told), ("untold", untold)] {
        let server = Server::start(Answer::Send(answer)).await;
        let import =
            ImportFile { import_id: name.to_owned(), max_bytes: 10_000, ..server.import() };
        let outcome = steps.parent(&import).await;
        assert!(matches!(outcome, Outcome::Discard(_)), "{name}: {outcome:?}");
        assert_eq!(
            steps.summary(&import).await.unwrap().error.unwrap(),
            "the file is larger than 10000 bytes; allow more with --max-bytes"
        );
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_told_from_one_that_is_silent() {
    use_ring();
    let place = Place::new();
    let steps = Steps::over(&place.sqlite(), 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/list.csv", listener.local_addr().unwrap());
    drop(listener);
    let import = ImportFile {
        source: url.parse().unwrap(),
        ..import_of("refused", std::path::Path::new("/unused"))
    };

    let outcome =
        tokio::time::timeout(Duration::from_secs(30), steps.parent(&import)).await.unwrap();

    let Outcome::Retry { message, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(message.contains("refused"), "{message}");
}
