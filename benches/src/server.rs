//! The server that is measured, and what it says of itself.

use std::collections::HashMap;

use jobq_redis::{RedisBackend, TestServer};
use redis::aio::MultiplexedConnection;

use crate::AnyResult;

pub(crate) struct Server {
    url: String,
    control: MultiplexedConnection,
    /// Ends with this value, if it is ours.
    _private: Option<TestServer>,
}

/// The server's counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) cpu_us: f64,
    pub(crate) commands: f64,
    pub(crate) script_calls: f64,
    pub(crate) memory: f64,
}

impl Server {
    pub(crate) async fn private() -> AnyResult<Self> {
        let server = TestServer::start()?;
        let mut measured = Self::at(&server.url()).await?;
        measured._private = Some(server);
        Ok(measured)
    }

    pub(crate) async fn at(url: &str) -> AnyResult<Self> {
        // Emptying a database of millions of jobs takes a while.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let client = redis::Client::open(url)?;
        let control = client.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Self { url: url.to_owned(), control, _private: None })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A connection of the measurement's own.
    pub(crate) fn control(&self) -> MultiplexedConnection {
        self.control.clone()
    }

    /// A backend on an emptied database.
    pub(crate) async fn fresh(&self) -> AnyResult<RedisBackend> {
        redis::cmd("FLUSHALL").arg("SYNC").exec_async(&mut self.control()).await?;
        Ok(RedisBackend::connect(&self.url).await?)
    }

    /// The server's counters now. Asking adds one command.
    pub(crate) async fn counters(&self) -> AnyResult<Counters> {
        let text: String =
            redis::cmd("INFO").arg("everything").query_async(&mut self.control()).await?;
        let facts: HashMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once(':')).collect();
        let number = |name: &str| facts.get(name).and_then(|value| value.parse::<f64>().ok());
        let calls = |command: &str| {
            facts
                .get(command)
                .and_then(|stats| {
                    stats.strip_prefix("calls=")?.split(',').next()?.parse::<f64>().ok()
                })
                .unwrap_or(0.0)
        };
        let cpu = number("used_cpu_user").unwrap_or(0.0) + number("used_cpu_sys").unwrap_or(0.0);
        Ok(Counters {
            cpu_us: cpu * 1e6,
            commands: number("total_commands_processed").unwrap_or(0.0),
            script_calls: calls("cmdstat_evalsha") + calls("cmdstat_eval"),
            memory: number("used_memory").unwrap_or(0.0),
        })
    }
}
