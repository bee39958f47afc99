//! The listener: a thread of its own, so that it answers whatever the program's runtime does.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jobq_core::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::callers::{Callers, Place};
use super::judgement::Judgement;
use super::{Health, address, page};
use crate::events;

/// How long a caller may take to send its request, and how long for all of it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, and the most headers in it.
const HEAD_BYTES: usize = 8 * 1024;
const HEADERS: usize = 64;
/// How long to wait when the process has no more files to open.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Serves `/livez`, `/readyz` and `/metrics` until it is dropped. Made by [`Health::listen`].
#[derive(Debug)]
#[must_use = "it listens until it is dropped"]
pub struct Listener {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn open(health: Health, address: &str) -> Result<Self> {
        let listener = address::bind(address)?;
        let refused = |cause| Error::new(ErrorKind::Refused, "cannot serve health").because(cause);
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = oneshot::channel();
        let (opened, is_open) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("jobq-health".to_owned());
        let thread = thread.spawn(move || run(listener, health, &opened, stopped));
        let thread = Some(thread.map_err(refused)?);
        let gone = |_| Err(io::Error::other("its thread has ended"));
        is_open.recv().unwrap_or_else(gone).map_err(refused)?;
        events::health_served(address);
        Ok(Self { address, stop: Some(stop), thread })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // It has nothing to finish, so this is over at once, and the port is free.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes a runtime and serves. It is made here because it may not be dropped within another one, should
/// anything fail.
fn run(
    listener: std::net::TcpListener,
    health: Health,
    opened: &mpsc::SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let tokio = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(tokio) => tokio,
        Err(error) => return drop(opened.send(Err(error))),
    };
    tokio.block_on(async {
        let listener = TcpListener::from_std(listener);
        let _ = opened.send(listener.as_ref().map(drop).map_err(|error| error.kind().into()));
        let Ok(listener) = listener else { return };
        tokio::select! {
            // Also when the sender is gone.
            _ = stopped => {}
            never = serve(listener, health) => match never {},
        }
    });
}

async fn serve(listener: TcpListener, health: Health) -> Infallible {
    let callers = Callers::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (place, put_out) = callers.enter().await;
                let call = call(stream, health.clone(), place);
                tokio::spawn(async move {
                    tokio::select! {
                        () = call => {}
                        () = put_out => {}
                    }
                });
            }
            Err(_) => sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}

async fn call(stream: TcpStream, health: Health, place: Place) {
    let service = service_fn(|request| {
        place.has_asked();
        let health = health.clone();
        async move { Ok::<_, Infallible>(answer(&request, &health).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        // One request each: a caller that is through must not keep its place.
        .keep_alive(false);
    // Whatever a caller does wrong is its own affair.
    let _ = timeout(CALL_TIMEOUT, http.serve_connection(TokioIo::new(stream), service)).await;
}

async fn answer(request: &Request<Incoming>, health: &Health) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/livez" => probe(health.liveness()),
        "/readyz" => probe(health.readiness().await),
        "/metrics" => {
            let mut answer = text(StatusCode::OK, health.metrics().await);
            let sort = HeaderValue::from_static(page::CONTENT_TYPE);
            answer.headers_mut().insert(CONTENT_TYPE, sort);
            answer
        }
        _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn probe(judgement: Judgement) -> Response<Full<Bytes>> {
    let status = if judgement.is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    text(status, judgement.text)
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
