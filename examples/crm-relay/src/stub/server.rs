//! A stub receiver on a port.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::Stream;
use program::Failure;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Answer, StubReceiver};
use crate::signature::{KEY_HEADER, SIGNATURE_HEADER};

/// A stub receiver that listens. Dropped, it stops.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one; port 0 for a free one.
    ///
    /// # Errors
    ///
    /// When the address is in use.
    pub async fn start(receiver: StubReceiver, listen: SocketAddr) -> Result<Self, Failure> {
        let cannot = |error| Failure::usage(format!("cannot listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let router = Router::new().route("/hooks/{hook}", post(receive)).with_state(receiver);
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the receiver of webhooks has stopped: {error}");
            }
        });
        Ok(Self { address, task })
    }

    /// Where messages of a hook are to be sent.
    #[must_use]
    pub fn url(&self, hook: &str) -> String {
        format!("http://{}/hooks/{hook}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(
    State(receiver): State<StubReceiver>,
    Path(hook): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut released = receiver.shared.released.subscribe();
    let delivery = receiver.take(&hook, header(KEY_HEADER), header(SIGNATURE_HEADER), &body);
    match delivery.answer {
        Answer::Accept => StatusCode::NO_CONTENT.into_response(),
        Answer::AcceptBut(code) => (status(code), "lost my way").into_response(),
        Answer::Status(code) => {
            let says = delivery.checked.err().map(|why| why.to_string());
            (status(code), says.unwrap_or_default()).into_response()
        }
        Answer::RetryAfter(code, after) => {
            (status(code), [(header::RETRY_AFTER, after)]).into_response()
        }
        Answer::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        Answer::Flood => (StatusCode::BAD_REQUEST, Body::from_stream(Endless)).into_response(),
        Answer::Hang => std::future::pending().await,
        Answer::Hold => {
            let _ = released.changed().await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The same words for ever.
struct Endless;

impl Stream for Endless {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 4_096]))))
    }
}
