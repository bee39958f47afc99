//! Serves HTTP, and waits for nobody for ever: neither for a request that does not come, nor, when it is to
//! stop, for one that does not end.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// How long a caller may take to send the head of a request, or to think of another one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How many connections there are at once: fewer than the files that a process may have open. Others wait.
const MOST_CONNECTIONS: usize = 512;
/// How long requests may go on once the server is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop`, and then lets requests end that are under way, for ten seconds at most.
pub async fn serve(mut listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let graceful = GracefulShutdown::new();
    // Dropped with whatever is still in it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Tries again by itself, after a while, when the process has no more files to open.
            (stream, _) = Listener::accept(&mut listener), if connections.len() < MOST_CONNECTIONS => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .serve_connection(
                        TokioIo::new(stream),
                        TowerToHyperService::new(router.clone()),
                    );
                connections.spawn(graceful.watch(connection));
            }
            Some(ended) = connections.join_next() => match ended {
                Ok(Ok(())) => {}
                // The caller has gone away, or has not kept to the protocol.
                Ok(Err(error)) => debug!("a connection has ended: {error}"),
                Err(crash) => warn!("a connection has ended: {crash}"),
            },
            () = &mut stop => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        warn!("requests were cut off that had not ended after {GRACE:?}");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    struct Scene {
        caller: TcpStream,
        stop: oneshot::Sender<()>,
        server: JoinHandle<()>,
        began: Instant,
    }

    /// A caller who has sent this.
    async fn scene(sent: &str) -> Scene {
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/", post(async |body: Bytes| body.len().to_string()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, router, async { drop(stopped.await) }));
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(sent.as_bytes()).await.unwrap();
        Scene { caller, stop, server, began: Instant::now() }
    }

    async fn read_to_end(caller: &mut TcpStream) -> String {
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_sends_half_a_head_is_not_waited_for() {
        let mut scene = scene("GET / HTTP/1.1\r\nHo").await;

        read_to_end(&mut scene.caller).await;

        assert_eq!(scene.began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_stops_waits_ten_seconds_for_half_a_request() {
        let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf";
        for half in ["GET / HTTP/1.1\r\nHo", body] {
            let mut scene = scene(half).await;
            // It has been accepted, or else there would be nothing to wait for.
            tokio::time::timeout(Duration::from_secs(1), scene.caller.readable())
                .await
                .unwrap_err();
            let began = Instant::now();
            scene.stop.send(()).unwrap();

            scene.server.await.unwrap();

            assert!(began.elapsed() <= GRACE + Duration::from_secs(1), "{:?}", began.elapsed());
            assert_eq!(read_to_end(&mut scene.caller).await, "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_under_way_is_answered_before_the_end() {
        let mut scene = scene("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf").await;
        tokio::time::timeout(Duration::from_secs(1), scene.caller.readable()).await.unwrap_err();
        scene.stop.send(()).unwrap();
        scene.caller.write_all(b"full").await.unwrap();

        let answer = read_to_end(&mut scene.caller).await;

        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n8"), "{answer}");
        scene.server.await.unwrap();
    }
}
