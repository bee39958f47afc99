//! How safe a job is when its enqueue is answered.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Error, ErrorKind, Result, duration};
use redis::{Cmd, Value};

use crate::config::RedisConfig;
use crate::error::{Verdict, explain, handing_over, is_unknown_script, verdict};
use crate::keys::QueueKeys;
use crate::link::Link;
use crate::node::silent;
use crate::pools::{Lent, Pools};
use crate::reply;
use crate::scripts::Script;
use crate::slots::{Detour, detour};

/// How many enqueues wait at once on one server. Others wait for a connection.
const MAX_CONNECTIONS: usize = 16;

/// How often an enqueue is sent in a cluster, until it arrives where its queue is.
const MOST_TRIES: u32 = 6;
/// How long to wait for a queue that is being moved, times the number of tries.
const BREATH: Duration = Duration::from_millis(20);

/// How safe a job must be before its enqueue is answered: see
/// [`RedisConfig::durability`](crate::RedisConfig::durability).
///
/// An enqueue whose jobs are not that safe in time ends with
/// [`Unavailable`](jobq_core::ErrorKind::Unavailable). Its jobs may be in the queue all the same; to
/// enqueue them again with the same ids adds nothing twice, and waits anew.
///
/// This is no consensus: a failover may still choose a replica that has less than others. With `count` as
/// large as the number of replicas none of them has less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The server has it, and writes it to its disk and to its replicas when it does: with
    /// `appendfsync everysec` within a second, and to replicas a moment later.
    #[default]
    Server,
    /// So many replicas have it in their memory too (`WAIT`).
    Replicas {
        /// How many.
        count: u32,
        /// How long that may take.
        within: Duration,
    },
    /// It is on disks (`WAITAOF`): for Redis 7.2 or newer, with `appendonly yes`.
    Disk {
        /// Whether on that of the server.
        local: bool,
        /// On those of how many replicas.
        replicas: u32,
        /// How long that may take.
        within: Duration,
    },
}

/// How long an enqueue waits unless a URL says otherwise.
const WITHIN: Duration = Duration::from_secs(1);

impl Durability {
    /// Takes what is about this out of the options of a URL.
    ///
    /// Nobody may believe jobs to be safe because of an option that was not understood.
    pub(crate) fn take_from(url: &str) -> Result<(String, Self)> {
        let (rest, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        if ["wait_", "sentinel_"].iter().any(|option| fragment.contains(option)) {
            return Err(Error::invalid_input(
                "the Redis URL has options after a #: they come before it, after a question mark",
            ));
        }
        let Some((place, options)) = rest.split_once('?') else {
            return Ok((url.to_owned(), Self::Server));
        };
        let (mut replicas, mut local, mut within) = (None, None, None);
        let mut others = Vec::new();
        for option in options.split('&') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let is_given = match name {
                "wait_replicas" => replicas.is_some(),
                "wait_disk" => local.is_some(),
                "wait_within" => within.is_some(),
                _ => false,
            };
            if is_given {
                return Err(Error::invalid_input(format!("the Redis URL has {name} twice")));
            }
            let wrong = |expected: &str| {
                Error::invalid_input(format!("the Redis URL has no {expected} in {name}=…"))
            };
            match name {
                "wait_replicas" => {
                    replicas = Some(value.parse().map_err(|_| wrong("number of replicas"))?);
                }
                "wait_disk" => match value {
                    "yes" => local = Some(true),
                    "no" => local = Some(false),
                    _ => return Err(wrong("yes or no")),
                },
                "wait_within" => {
                    within = Some(duration::parse(value).map_err(|_| wrong("duration"))?);
                }
                _ if name.starts_with("wait") => {
                    return Err(Error::invalid_input(
                        "the Redis URL has an unknown option that begins with \"wait\": there are \
                         wait_replicas, wait_disk and wait_within",
                    ));
                }
                _ => others.push(option),
            }
        }
        let level = match (replicas, local) {
            (None, None | Some(false)) if within.is_some() => {
                return Err(Error::invalid_input(
                    "wait_within in the Redis URL says nothing without wait_replicas or wait_disk",
                ));
            }
            (None | Some(0), None | Some(false)) => Self::Server,
            (Some(count), None | Some(false)) => {
                Self::Replicas { count, within: within.unwrap_or(WITHIN) }
            }
            // Of the replicas too, their disks.
            (replicas, Some(true)) => Self::Disk {
                local: true,
                replicas: replicas.unwrap_or(0),
                within: within.unwrap_or(WITHIN),
            },
        };
        let mark = if others.is_empty() { "" } else { "?" };
        Ok((format!("{place}{mark}{}{fragment}", others.join("&")), level))
    }
}

/// Enqueues that wait, on connections of their own: `WAIT` is about what its connection has written,
/// and blocks it.
pub(crate) struct Durable {
    level: Durability,
    link: Arc<Link>,
    pools: Pools,
    response_timeout: Duration,
}

impl Durable {
    /// Nothing if there is nothing to wait for.
    pub(crate) fn new(config: &RedisConfig, link: &Arc<Link>) -> Option<Self> {
        (config.durability != Durability::Server).then(|| Self {
            level: config.durability,
            link: Arc::clone(link),
            pools: Pools::new(Arc::clone(link), config, MAX_CONNECTIONS),
            response_timeout: config.response_timeout,
        })
    }

    /// Runs a script on a queue, and waits until what it wrote is safe.
    pub(crate) async fn run(&self, keys: &QueueKeys, script: &Script, call: &Cmd) -> Result<Value> {
        let (mut tries, mut whole, mut may_ask) = (1, None, false);
        let mut connection = self.pools.connection(keys.jobs()).await?;
        loop {
            let call = whole.as_ref().unwrap_or(call);
            let answers = self.attempt(&mut connection, keys, call, may_ask).await?;
            let mut answers = answers.into_iter();
            let mut next = || answers.next().unwrap_or(Value::Nil).extract_error();
            let (enqueued, written, safe) = (next(), next(), next());
            let error = match enqueued {
                Ok(answer) => {
                    self.judge(connection.address(), written, safe)?;
                    if !connection.is_brisk()
                        && !self.link.is_still_at(keys.jobs(), connection.server()).await
                    {
                        self.link.doubt();
                        let what = "another server has taken over meanwhile";
                        return Err(unsure(connection.address(), what));
                    }
                    connection.give_back();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            // None of these had an effect.
            if is_unknown_script(&error) && whole.is_none() {
                whole = Some(script.call_whole(call));
                continue;
            }
            let is_cluster = self.link.is_cluster();
            let detour = is_cluster.then(|| detour(&error, connection.host())).flatten();
            if detour.is_some() && tries == MOST_TRIES {
                self.link.doubt();
                return Err(handing_over(connection.address()).because(error));
            }
            match detour {
                // A node that knows no better says so too, for a moment, of one that knows.
                Some(Detour::Moved(_)) if tries > 2 => tokio::time::sleep(BREATH * tries).await,
                Some(Detour::Later) => tokio::time::sleep(BREATH * tries).await,
                _ => {}
            }
            match detour {
                Some(Detour::Moved(to)) => {
                    self.link.doubt();
                    connection.give_back();
                    (connection, may_ask) = (self.pools.connection_at(&to).await?, false);
                }
                Some(Detour::Ask(to)) => {
                    connection.give_back();
                    (connection, may_ask) = (self.pools.connection_at(&to).await?, true);
                }
                Some(Detour::Later) => {}
                None => {
                    if verdict(&error) == Verdict::Broken {
                        self.link.doubt();
                    }
                    return Err(explain(error, connection.address()));
                }
            }
            tries += 1;
        }
    }

    /// The answers to the script, to a write for its own sake, and to the wait. A node to which a slot is
    /// being moved wants to be asked for it before each command with a key.
    async fn attempt(
        &self,
        connection: &mut Lent,
        keys: &QueueKeys,
        call: &Cmd,
        may_ask: bool,
    ) -> Result<Vec<Value>> {
        // Jobs that are known already write nothing. They may be no safer for that, and a connection
        // that has written nothing waits for nothing.
        let write = redis::cmd("HINCRBY").arg(keys.meta()).arg("waited").arg(1).take();
        let mut commands = vec![call.clone(), write, self.wait()];
        if may_ask {
            commands.insert(1, redis::cmd("ASKING"));
            commands.insert(0, redis::cmd("ASKING"));
        }
        let limit = self.response_timeout + self.within();
        match tokio::time::timeout(limit, connection.send_all(&commands)).await {
            Ok(Ok(mut answers)) => {
                if may_ask && answers.len() == commands.len() {
                    answers.remove(2);
                    answers.remove(0);
                }
                Ok(answers)
            }
            Ok(Err(error)) => {
                self.link.doubt();
                Err(explain(error, connection.address()))
            }
            Err(_) => {
                self.link.doubt();
                Err(silent(connection.address()))
            }
        }
    }

    fn within(&self) -> Duration {
        match self.level {
            Durability::Server => Duration::ZERO,
            Durability::Replicas { within, .. } | Durability::Disk { within, .. } => within,
        }
    }

    fn wait(&self) -> Cmd {
        // Nought would be for ever.
        let within = self.within().as_millis().clamp(1, 1 << 40).to_string();
        match self.level {
            Durability::Server => redis::cmd("PING"),
            Durability::Replicas { count, .. } => redis::cmd("WAIT").arg(count).arg(within).take(),
            Durability::Disk { local, replicas, .. } => {
                redis::cmd("WAITAOF").arg(u8::from(local)).arg(replicas).arg(within).take()
            }
        }
    }

    /// Whether a wait has come to what it was for. Without the write for its own sake it was for nothing.
    fn judge(
        &self,
        address: &str,
        written: redis::RedisResult<Value>,
        answer: redis::RedisResult<Value>,
    ) -> Result<()> {
        written.map_err(|error| {
            if verdict(&error) == Verdict::Broken {
                self.link.doubt();
            }
            unsure(address, &format!("the server refuses to write: {error}")).because(error)
        })?;
        let answer = answer.map_err(|error| {
            let what = if error.to_string().contains("appendonly is disabled") {
                "it has no append-only file to wait for (`appendonly yes`)".to_owned()
            } else {
                self.link.doubt();
                format!("the wait for it failed: {error}")
            };
            unsure(address, &what).because(error)
        })?;
        let on = |count: u64, most: u64, what: &str| format!("it was on {count} of {most} {what}");
        let missing = match self.level {
            Durability::Server => None,
            Durability::Replicas { count, .. } => {
                let (had, count) = (reply::count(answer)?, u64::from(count));
                (had < count).then(|| on(had, count, "replicas"))
            }
            Durability::Disk { local, replicas, .. } => {
                let mut counts = reply::list(answer)?.into_iter();
                let mut next = || reply::count(counts.next().unwrap_or(Value::Nil));
                let (here, there, replicas) = (next()?, next()?, u64::from(replicas));
                if here < u64::from(local) {
                    Some("it was not on the server's disk".to_owned())
                } else {
                    (there < replicas).then(|| on(there, replicas, "replicas' disks"))
                }
            }
        };
        match missing {
            None => Ok(()),
            Some(what) => {
                let within = self.within().as_millis();
                Err(unsure(address, &format!("after {within} ms {what}")))
            }
        }
    }
}

fn unsure(address: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "an enqueue at Redis at {address} is not as safe as asked for: {what}. It may be in the \
             queue all the same; enqueue it again with the same id, which adds nothing twice"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_url_may_say_how_safe_jobs_have_to_be() {
        for (url, rest, level) in [
            ("redis://a", "redis://a", Durability::Server),
            ("unix:///s?db=1", "unix:///s?db=1", Durability::Server),
            (
                "redis://a/1?wait_replicas=2&protocol=resp3#x",
                "redis://a/1?protocol=resp3#x",
                Durability::Replicas { count: 2, within: seconds(1) },
            ),
            (
                "redis+cluster://a,b?wait_disk=yes&wait_within=5s",
                "redis+cluster://a,b",
                Durability::Disk { local: true, replicas: 0, within: seconds(5) },
            ),
            (
                "redis+sentinel://a/m?wait_replicas=1&wait_disk=yes",
                "redis+sentinel://a/m",
                Durability::Disk { local: true, replicas: 1, within: seconds(1) },
            ),
        ] {
            assert_eq!(Durability::take_from(url).unwrap(), (rest.to_owned(), level), "{url}");
        }
    }

    #[test]
    fn nonsense_in_a_url_is_refused_without_being_repeated() {
        for (url, said) in [
            ("redis://:secret@a?wait_replicas=many", "number of replicas in wait_replicas=…"),
            ("redis://:secret@a?wait_disk=1", "yes or no in wait_disk=…"),
            ("redis://:secret@a?wait_disk=yes&wait_within=5", "duration in wait_within=…"),
            ("redis://:secret@a?wait_within=5s", "without wait_replicas or wait_disk"),
            ("redis://:secret@a?wait_disk", "yes or no in wait_disk=…"),
            ("redis://:secret@a?wait_replicas", "number of replicas in wait_replicas=…"),
            ("redis://:secret@a?wait_replica=1", "unknown option that begins with"),
            ("redis://:secret@a?wait_replicas=1&wait_replicas=0", "wait_replicas twice"),
            ("redis://:secret@a?wait_disk=yes&wait_disk=no", "wait_disk twice"),
            ("redis://:secret@a#wait_replicas=1", "before it, after a question mark"),
            ("redis://:secret@a#insecure?wait_disk=yes", "before it, after a question mark"),
        ] {
            let told = format!("{:?}", Durability::take_from(url).unwrap_err());
            assert!(told.contains(said) && !told.contains("secret"), "{told}");
        }
    }
}
