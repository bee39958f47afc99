//! What a server must be like, checked when a connection is made.

use std::collections::HashMap;

use jobq_core::{Error, ErrorKind, Result};
use redis::Value;
use redis::aio::MultiplexedConnection;

use crate::error::{cluster_refusal, explain};
use crate::reply;

/// The oldest server with all commands that the scripts use (`ZMSCORE`).
const OLDEST: (u32, u32) = (6, 2);

/// Refuses a server that is too old, in cluster mode, or a replica. Asks by `HELLO`, which a restricted
/// user may call too.
pub(crate) async fn check(connection: &mut MultiplexedConnection, address: &str) -> Result<()> {
    let answer = redis::cmd("HELLO").query_async::<Value>(connection).await;
    let facts = match answer {
        Ok(value) => reply::text_pairs(value)?,
        Err(error) if error.to_string().to_lowercase().contains("unknown command") => {
            return Err(too_old(address, "older than 6.0"));
        }
        Err(error) => return Err(explain(error, address)),
    };
    judge(&facts, address)
}

fn judge(facts: &HashMap<String, String>, address: &str) -> Result<()> {
    let fact = |name: &str| facts.get(name).map_or("", String::as_str);
    if version(fact("version")) < OLDEST {
        return Err(too_old(address, fact("version")));
    }
    if fact("mode") == "cluster" {
        return Err(Error::new(ErrorKind::Refused, cluster_refusal(address)));
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
    use super::*;

    fn facts(version: &str, mode: &str, role: &str) -> HashMap<String, String> {
        [("version", version), ("mode", mode), ("role", role)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn a_fitting_server_is_accepted() {
        for version in ["6.2.14", "7.0.15", "8.0.1", "10.0.0"] {
            assert!(judge(&facts(version, "standalone", "master"), "a:1").is_ok());
        }
    }

    #[test]
    fn an_unfitting_server_is_refused_with_the_reason() {
        for (facts, said) in [
            (facts("6.0.16", "standalone", "master"), "version 6.0.16: jobq needs 6.2"),
            (facts("5", "standalone", "master"), "version 5: jobq needs 6.2"),
            (facts("7.0.15", "cluster", "master"), "cluster mode"),
            (facts("7.0.15", "standalone", "replica"), "read-only replica"),
        ] {
            let error = judge(&facts, "a:1").unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn only_policies_that_delete_jobs_are_warned_of() {
        assert!(eviction_warning("allkeys-lru", "a:1").unwrap().contains("noeviction"));
        // jobq's keys have no time to live, so these leave them alone.
        assert_eq!(eviction_warning("volatile-lru", "a:1"), None);
        assert_eq!(eviction_warning("noeviction", "a:1"), None);
    }
}
