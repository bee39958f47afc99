//! A link that can be made to fail: it stands between a backend and its server.

use std::time::Duration;

use jobq_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections from a loopback port to a server's until it is told to misbehave. Gone, with
/// all its connections, when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    conduct: watch::Sender<Conduct>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Conduct {
    /// Bytes are taken and kept: to both sides the other one has fallen silent.
    frozen: bool,
    /// How long each piece travels.
    delay: Duration,
    /// Connections older than the newest cut are closed.
    cuts: u64,
}

impl FaultProxy {
    /// Stands before the server on this port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) when no port is free.
    pub async fn before(server_port: u16) -> Result<Self> {
        let failed = |cause| Error::new(ErrorKind::Misconfigured, "no fault proxy").because(cause);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let (conduct, seen) = watch::channel(Conduct::default());
        let accepting = tokio::spawn(accept(listener, server_port, seen));
        Ok(Self { port, conduct, accepting })
    }

    /// The URL of the server through this link.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Swallows everything from now on, also what is sent by connections yet to be made.
    pub fn freeze(&self) {
        self.conduct.send_modify(|conduct| conduct.frozen = true);
    }

    /// Lets everything through again, what was swallowed first.
    pub fn thaw(&self) {
        self.conduct.send_modify(|conduct| conduct.frozen = false);
    }

    /// Makes every piece travel for this long.
    pub fn delay(&self, delay: Duration) {
        self.conduct.send_modify(|conduct| conduct.delay = delay);
    }

    /// Closes all present connections, at once.
    pub fn cut(&self) {
        self.conduct.send_modify(|conduct| conduct.cuts += 1);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server_port: u16, conduct: watch::Receiver<Conduct>) {
    while let Ok((client, _)) = listener.accept().await {
        let conduct = conduct.clone();
        tokio::spawn(async move {
            // A server that is down refuses; so does the proxy, by closing.
            let Ok(server) = TcpStream::connect(("127.0.0.1", server_port)).await else { return };
            let _ = client.set_nodelay(true).and(server.set_nodelay(true));
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            let mut cut = conduct.clone();
            let cuts = cut.borrow_and_update().cuts;
            tokio::select! {
                () = forward(&mut from_client, &mut to_server, conduct.clone()) => {}
                () = forward(&mut from_server, &mut to_client, conduct) => {}
                _ = cut.wait_for(|conduct| conduct.cuts != cuts) => {}
            }
        });
    }
}

async fn forward(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut conduct: watch::Receiver<Conduct>,
) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let delay = conduct.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if conduct.wait_for(|conduct| !conduct.frozen).await.is_err() {
            return;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
