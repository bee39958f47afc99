//! What systemd is told, as `sd_notify(3)` describes it: datagrams to the socket that it names.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::select_all;
use jobq_core::Vitals;
use jobq_core::vitals::Condition;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::Health;
use super::judgement::line;
use crate::events;

/// The longest line of a status.
const STATUS_CHARS: usize = 200;

/// Tells systemd how the process is until it is dropped. Made by [`Health::tell_systemd`].
#[derive(Debug)]
#[must_use = "it tells nothing once it is dropped"]
pub struct Systemd {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Systemd {
    pub(super) fn from_environment(health: &Health) -> Self {
        let nobody = Self { stop: None, thread: None };
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return nobody;
        };
        let watchdog = watchdog(
            std::env::var("WATCHDOG_USEC").ok().as_deref(),
            std::env::var("WATCHDOG_PID").ok().as_deref(),
            std::process::id(),
        );
        let told = Socket::open(&name).and_then(|socket| Self::start(health, socket, watchdog));
        told.unwrap_or_else(|error| {
            events::systemd_untold(&name, &error);
            nobody
        })
    }

    fn start(health: &Health, socket: Socket, watchdog: Option<Duration>) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let mut teller = Teller {
            health: health.clone(),
            socket,
            every: watchdog.map(|limit| limit / 2),
            is_ready: false,
            is_stopping: false,
            status: String::new(),
        };
        let thread = std::thread::Builder::new().name("jobq-systemd".to_owned());
        let thread = thread.spawn(move || {
            let tokio = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
                Ok(tokio) => tokio,
                Err(error) => return events::systemd_untold(OsStr::new(""), &error),
            };
            tokio.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    never = teller.tell_on() => match never {},
                }
            });
            // The process ends, or at least nobody tells of it any more.
            let parts = teller.health.parts();
            teller.tell(&parts);
            teller.stopping();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // It has one datagram left to send, and waits for nobody.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Within what time systemd wants to hear of this process, if it does.
fn watchdog(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own_pid)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec))
}

struct Teller {
    health: Health,
    socket: Socket,
    every: Option<Duration>,
    is_ready: bool,
    is_stopping: bool,
    status: String,
}

impl Teller {
    async fn tell_on(&mut self) -> Infallible {
        let mut news = self.health.shared.news.subscribe();
        let mut bark_at = Instant::now();
        loop {
            // Watched before they are read: what changes in between is not missed.
            news.mark_unchanged();
            let parts = self.health.parts();
            let mut watches: Vec<_> = parts.iter().map(Vitals::watch).collect();
            self.tell(&parts);
            if let Some(every) = self.every
                && Instant::now() >= bark_at
            {
                bark_at = Instant::now() + every;
                if self.health.liveness().is_good {
                    self.send("WATCHDOG=1");
                }
            }
            let barking = async {
                match self.every {
                    Some(_) => sleep_until(bark_at).await,
                    None => std::future::pending().await,
                }
            };
            let changed = async {
                if watches.is_empty() {
                    std::future::pending::<()>().await;
                }
                let changes = watches.iter_mut().map(|watch| Box::pin(watch.changed()));
                select_all(changes).await;
            };
            tokio::select! {
                () = barking => {}
                () = changed => {}
                () = added(&mut news) => {}
            }
        }
    }

    fn tell(&mut self, parts: &[Vitals]) {
        let conditions: Vec<_> = parts.iter().map(Vitals::condition).collect();
        let mut lines: Vec<_> = parts.iter().map(line).collect();
        lines.dedup();
        let status: String = lines.join("; ").chars().take(STATUS_CHARS).collect();
        if status != self.status {
            self.send(&format!("STATUS={status}"));
            self.status = status;
        }
        let all_ready = conditions.iter().all(|condition| *condition == Condition::Ready);
        if all_ready && !parts.is_empty() && !self.is_ready {
            self.is_ready = true;
            self.send("READY=1");
        }
        let has_ended = |condition: &Condition| *condition == Condition::Stopped;
        let all_ended = !parts.is_empty() && conditions.iter().all(has_ended);
        if all_ended || conditions.contains(&Condition::Draining) {
            self.stopping();
        }
    }

    fn stopping(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.send("STOPPING=1");
        }
    }

    fn send(&self, word: &str) {
        if let Err(error) = self.socket.send(word) {
            events::systemd_missed(word, &error);
        }
    }
}

async fn added(news: &mut watch::Receiver<()>) {
    if news.changed().await.is_err() {
        std::future::pending().await
    }
}

#[cfg(unix)]
use socket::Socket;

#[cfg(unix)]
mod socket {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// The socket that `NOTIFY_SOCKET` names.
    pub(super) struct Socket {
        socket: UnixDatagram,
        address: SocketAddr,
    }

    impl Socket {
        pub(super) fn open(name: &OsStr) -> io::Result<Self> {
            let address = match name.as_bytes() {
                [b'@', name @ ..] => abstract_address(name)?,
                [b'/', ..] => SocketAddr::from_pathname(name)?,
                _ => return Err(unsupported("neither a path nor an abstract name")),
            };
            let socket = UnixDatagram::unbound()?;
            // Who does not read must not stop us.
            socket.set_nonblocking(true)?;
            Ok(Self { socket, address })
        }

        pub(super) fn send(&self, word: &str) -> io::Result<()> {
            self.socket.send_to_addr(word.as_bytes(), &self.address).map(drop)
        }
    }

    #[cfg(target_os = "linux")]
    fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
        <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
        Err(unsupported("abstract names are Linux's"))
    }

    fn unsupported(why: &'static str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, why)
    }
}

/// There is no systemd here.
#[cfg(not(unix))]
struct Socket(Infallible);

#[cfg(not(unix))]
impl Socket {
    fn open(_: &OsStr) -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn send(&self, _: &str) -> io::Result<()> {
        match self.0 {}
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use jobq_core::MemoryBackend;

    use super::*;

    #[test]
    fn the_watchdog_is_that_of_this_process() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None, 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("7"), 7), second);
        for (usec, pid) in [
            (None, None),
            (Some("0"), None),
            (Some("soon"), None),
            (Some("1000000"), Some("8")),
            (Some("1000000"), Some("me")),
        ] {
            assert_eq!(watchdog(usec, pid, 7), None, "{usec:?} {pid:?}");
        }
    }

    struct Ear(UnixDatagram);

    impl Ear {
        fn hear(&self, within: Duration) -> Option<String> {
            self.0.set_read_timeout(Some(within)).unwrap();
            let mut word = [0; 4096];
            let length = self.0.recv(&mut word).ok()?;
            Some(String::from_utf8(word[..length].to_vec()).unwrap())
        }
    }

    #[test]
    fn a_part_that_is_silent_for_too_long_silences_the_watchdog_until_it_beats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = Ear(UnixDatagram::bind(&path).unwrap());
        let health = Health::new(&MemoryBackend::new()).stalled_after(Duration::from_millis(500));
        let part = Vitals::new("worker");
        part.beat();
        part.set(Condition::Ready);
        health.watch(&part);

        let socket = Socket::open(path.as_os_str()).unwrap();
        let limit = Some(Duration::from_millis(100));
        let systemd = Systemd::start(&health, socket, limit).unwrap();
        let patience = Duration::from_secs(20);
        for word in ["STATUS=worker: ready", "READY=1", "WATCHDOG=1"] {
            assert_eq!(ear.hear(patience).as_deref(), Some(word));
        }
        // More of them, until the last beat is too long ago.
        while ear.hear(Duration::from_millis(700)).is_some() {}
        assert!(!health.liveness().is_good);

        part.beat();
        assert_eq!(ear.hear(patience).as_deref(), Some("WATCHDOG=1"));
        drop(systemd);
        let words: Vec<_> = std::iter::from_fn(|| ear.hear(Duration::from_millis(10))).collect();
        assert_eq!(words.last().map(String::as_str), Some("STOPPING=1"));
    }

    #[test]
    fn a_part_that_begins_to_run_is_no_news_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = Ear(UnixDatagram::bind(&path).unwrap());
        let health = Health::new(&MemoryBackend::new());
        let (worker, scheduler) = (Vitals::new("worker"), Vitals::new("scheduler"));
        health.watch(&worker);
        health.watch(&scheduler);
        let socket = Socket::open(path.as_os_str()).unwrap();
        let systemd = Systemd::start(&health, socket, None).unwrap();
        let both = "STATUS=worker: starting; scheduler: starting";
        assert_eq!(ear.hear(Duration::from_secs(20)).as_deref(), Some(both));

        health.watch(&worker);

        drop(systemd);
        let words: Vec<_> = std::iter::from_fn(|| ear.hear(Duration::from_millis(10))).collect();
        assert_eq!(words, ["STOPPING=1"]);
    }

    #[test]
    fn a_status_is_one_line_and_no_longer_than_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let ear = Ear(UnixDatagram::bind(&path).unwrap());
        let health = Health::new(&MemoryBackend::new());
        let part = Vitals::new("worker");
        part.set(Condition::Disconnected(format!("no\nREADY=1\n{}", "ü".repeat(9_000))));
        health.watch(&part);

        let socket = Socket::open(path.as_os_str()).unwrap();
        let _systemd = Systemd::start(&health, socket, None).unwrap();

        let word = ear.hear(Duration::from_secs(20)).unwrap();
        assert!(word.starts_with("STATUS=worker: disconnected: no READY=1 üü"), "{word}");
        assert_eq!(word.chars().count(), "STATUS=".len() + STATUS_CHARS);
    }
}
