//! How to reach Redis, and what jobq does there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Clock, DeadRetention, Error, Result};

use crate::durability::Durability;
use crate::topology::Topology;

/// The key prefix unless another is chosen.
const DEFAULT_PREFIX: &str = "jobq";

/// How long an answer may take. Every script is done within milliseconds; a server that needs seconds
/// is paused, saving to a slow disk, or gone. The client library's own default, half a second, is too
/// short for a server that forks a large process to save.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long connecting may take.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the server is, and the choices that have defaults.
///
/// ```
/// use std::time::Duration;
/// use jobq_redis::RedisConfig;
///
/// let config = RedisConfig::new("redis://:secret@127.0.0.1:6379/2")?
///     .prefix("shop")?
///     .response_timeout(Duration::from_secs(1));
/// assert_eq!(config.address(), "127.0.0.1:6379, database 2");
/// # Ok::<(), jobq_core::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) topology: Topology,
    pub(crate) prefix: Arc<str>,
    pub(crate) response_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) dead_retention: DeadRetention,
    pub(crate) durability: Durability,
    /// `None` for the server's clock, which is every use but tests.
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl RedisConfig {
    /// What `url` names:
    ///
    /// - a server: `redis://[user:password@]host[:port][/database]`, or `rediss://…` for TLS;
    /// - a server of this machine: `unix:///path/to/socket[?db=2&user=…&pass=…]`;
    /// - a cluster, by some of its nodes: `redis+cluster://[user:password@]host[:port][,host[:port]…]`;
    /// - the master of that name, by its sentinels:
    ///   `redis+sentinel://[user:password@]host[:port][,host[:port]…]/name[/database]`. User and
    ///   password are those of the server; the sentinels' own are options:
    ///   `?sentinel_username=…&sentinel_password=…`. Their port is 26379 unless given.
    ///
    /// `rediss+cluster://` and `rediss+sentinel://` are with TLS, to sentinels too.
    ///
    /// Each may say how safe jobs must be, as [`durability`](Self::durability) does:
    /// `?wait_replicas=1`, `?wait_disk=yes`, and with either `&wait_within=2s` (by default 1 s).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](jobq_core::ErrorKind::InvalidInput) for anything else, an option that is not known
    /// among it. The message says which part is wrong, and never holds the URL, which may hold a password.
    pub fn new(url: &str) -> Result<Self> {
        let (url, durability) = Durability::take_from(url)?;
        Ok(Self {
            topology: Topology::parse(&url)?,
            prefix: Arc::from(DEFAULT_PREFIX),
            response_timeout: DEFAULT_RESPONSE_TIMEOUT,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            dead_retention: DeadRetention::default(),
            durability,
            clock: None,
        })
    }

    /// The server that the environment variable `REDIS_URL` names; `redis://127.0.0.1:6379` without it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn from_env() -> Result<Self> {
        match std::env::var("REDIS_URL") {
            Ok(url) => Self::new(&url),
            Err(std::env::VarError::NotPresent) => Self::new("redis://127.0.0.1:6379"),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(Error::invalid_input("REDIS_URL is not UTF-8 text"))
            }
        }
    }

    /// What all keys start with, so that several programs can share a server. The default is `jobq`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](jobq_core::ErrorKind::InvalidInput) for a prefix that is not 1 to 100 bytes of
    /// ASCII letters, digits, `.`, `_` and `-`.
    pub fn prefix(mut self, prefix: &str) -> Result<Self> {
        // The same rules as for a queue, and the same reason: it becomes part of a key.
        jobq_core::QueueName::new(prefix).map_err(|cause| {
            Error::invalid_input(cause.to_string().replacen("queue name", "key prefix", 1))
        })?;
        self.prefix = Arc::from(prefix);
        Ok(self)
    }

    /// How long an answer may take before the connection is given up; 3 seconds by default.
    #[must_use]
    pub const fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How long connecting may take; 3 seconds by default.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long, and how many of, the dead are kept.
    #[must_use]
    pub const fn dead_retention(mut self, retention: DeadRetention) -> Self {
        self.dead_retention = retention;
        self
    }

    /// How safe a job must be before its enqueue is answered; by default as safe as the server makes it.
    ///
    /// It is for enqueues. What workers and schedulers write is not waited for: a completion that is
    /// lost with a server lets the job run again, and a tick is owed again.
    #[must_use]
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Takes the time from `clock` in place of the server's: for tests that own time. Every user of
    /// the same keys must have the same clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Where the server or servers are, without user or password.
    #[must_use]
    pub fn address(&self) -> String {
        self.topology.address()
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("dead_retention", &self.dead_retention)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_url_is_understood() {
        for (url, address) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://user:secret@10.0.0.1:7000/3", "10.0.0.1:7000, database 3"),
            ("unix:///run/redis.sock?db=1", "/run/redis.sock, database 1"),
        ] {
            assert_eq!(RedisConfig::new(url).unwrap().address(), address);
        }
        #[cfg(feature = "tls")]
        assert_eq!(RedisConfig::new("rediss://a:1").unwrap().address(), "a:1");
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_repeated() {
        for url in ["", "localhost:6379", "http://a", "redis://a:secret@b:port", "redis://"] {
            let error = RedisConfig::new(url).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("malformed"), "{url}: {told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "redis://user:secret@localhost",
            "redis+cluster://user:secret@a,b",
            "redis+sentinel://user:secret@a,b/m?sentinel_password=secret",
        ] {
            let config = RedisConfig::new(url).unwrap();
            assert!(!format!("{config:?} {}", config.address()).contains("secret"));
        }
    }

    #[test]
    fn a_prefix_that_would_break_keys_is_refused() {
        let config = RedisConfig::new("redis://localhost").unwrap();

        assert!(config.clone().prefix("shop.eu").is_ok());
        assert_eq!(
            config.prefix("a b").unwrap_err().to_string(),
            "key prefix \"a b\" may hold only ASCII letters, digits, '.', '_' and '-'"
        );
    }
}
