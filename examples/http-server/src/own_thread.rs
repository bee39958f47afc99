//! A server with a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A running server with a thread of its own: what else goes on in the process does not make it slower. It ends,
/// and its connections with it, when this is dropped.
#[derive(Debug)]
pub struct OwnThread {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnThread {
    /// Serves at an address, in a thread of this name; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address is not to be had.
    pub fn start<F>(
        name: &str,
        address: SocketAddr,
        serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = io::Result<()>>,
    {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                let serve = async { serve(tokio::net::TcpListener::from_std(listener)?).await };
                tokio::select! {
                    // Whichever way this ends, there is nothing left to serve.
                    _ = serve => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(serve)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at its next await, and there is nothing to do about a panic.
            let _ = thread.join();
        }
    }
}
