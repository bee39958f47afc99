//! What a server must be like, checked when a connection is made.

use std::collections::HashMap;

use jobq_core::{Error, ErrorKind, Result};
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::config::RedisConfig;
use crate::durability::Durability;
use crate::error::{cluster_refusal, explain, no_cluster};
use crate::reply;

/// The oldest server with all commands that the scripts use (`ZMSCORE`).
const OLDEST: (u32, u32) = (6, 2);

/// The oldest one with `WAITAOF`.
const OLDEST_WITH_WAITAOF: (u32, u32) = (7, 2);

/// Refuses a server that is too old, a replica, and one whose mode is not that of the URL. Asks by
/// `HELLO`, which a restricted user may call too.
pub(crate) async fn check(
    connection: &mut MultiplexedConnection,
    address: &str,
    config: &RedisConfig,
) -> Result<()> {
    let answer = redis::cmd("HELLO").query_async::<Value>(connection).await;
    let facts = match answer {
        Ok(value) => reply::text_pairs(value)?,
        Err(error) if error.to_string().to_lowercase().contains("unknown command") => {
            return Err(too_old(address, "older than 6.0"));
        }
        Err(error) => return Err(explain(error, address)),
    };
    judge(&facts, address, config)
}

fn judge(facts: &HashMap<String, String>, address: &str, config: &RedisConfig) -> Result<()> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    if version(fact("version")) < OLDEST {
        return Err(too_old(address, fact("version")));
    }
    match (fact("mode") == "cluster", config.topology.is_cluster()) {
        (true, false) => return Err(Error::new(ErrorKind::Refused, cluster_refusal(address))),
        (false, true) => return Err(no_cluster(address)),
        _ => {}
    }
    if matches!(config.durability, Durability::Disk { .. })
        && version(fact("version")) < OLDEST_WITH_WAITAOF
    {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "Redis at {address} is version {}: an enqueue can wait for the disk from {}.{} on; for \
                 replicas it can with any",
                fact("version"),
                OLDEST_WITH_WAITAOF.0,
                OLDEST_WITH_WAITAOF.1
            ),
        ));
    }
    if matches!(fact("role"), "replica" | "slave") {
        return Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "Redis at {address} is a read-only replica: give the URL of the primary; after a \
                 failover this passes"
            ),
        ));
    }
    Ok(())
}

fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn too_old(address: &str, version: &str) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "Redis at {address} is version {version}: jobq needs {}.{} or newer, or any Valkey",
            OLDEST.0, OLDEST.1
        ),
    )
}

/// What is unsafe about a server's `maxmemory-policy`; nothing if it is safe.
pub(crate) fn eviction_warning(policy: &str, address: &str) -> Option<String> {
    policy.starts_with("allkeys-").then(|| {
        format!(
            "Redis at {address} has maxmemory-policy {policy}: once it is full it will silently delete \
             jobs; set it to noeviction"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts(version: &str, mode: &str, role: &str) -> HashMap<String, String> {
        [("version", version), ("mode", mode), ("role", role)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn config(url: &str) -> RedisConfig {
        RedisConfig::new(url).unwrap()
    }

    #[test]
    fn a_fitting_server_is_accepted() {
        for version in ["6.2.14", "7.0.15", "8.0.1", "10.0.0"] {
            for (mode, url) in [
                ("standalone", "redis://a"),
                ("standalone", "redis+sentinel://a/m"),
                ("cluster", "redis+cluster://a"),
            ] {
                assert!(judge(&facts(version, mode, "master"), "a:1", &config(url)).is_ok());
            }
        }
    }

    #[test]
    fn an_unfitting_server_is_refused_with_the_reason() {
        for (url, facts, said) in [
            (
                "redis://a",
                facts("6.0.16", "standalone", "master"),
                "version 6.0.16: jobq needs 6.2",
            ),
            ("redis://a", facts("5", "standalone", "master"), "version 5: jobq needs 6.2"),
            ("redis://a", facts("7.0.15", "cluster", "master"), "form redis+cluster://a:1,"),
            ("redis+cluster://a", facts("7.0.15", "standalone", "master"), "form redis://a:1"),
            ("redis://a", facts("7.0.15", "standalone", "replica"), "read-only replica"),
        ] {
            let error = judge(&facts, "a:1", &config(url)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn the_disk_can_be_waited_for_from_7_2_on() {
        let disk = Durability::Disk { local: true, replicas: 0, within: Duration::from_secs(1) };
        let config = config("redis://a").durability(disk);

        assert!(judge(&facts("7.2.4", "standalone", "master"), "a:1", &config).is_ok());
        let error = judge(&facts("7.0.15", "standalone", "master"), "a:1", &config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("from 7.2 on"), "{error}");
    }

    #[test]
    fn only_policies_that_delete_jobs_are_warned_of() {
        assert!(eviction_warning("allkeys-lru", "a:1").unwrap().contains("noeviction"));
        // jobq's keys have no time to live, so these leave them alone.
        assert_eq!(eviction_warning("volatile-lru", "a:1"), None);
        assert_eq!(eviction_warning("noeviction", "a:1"), None);
    }
}
