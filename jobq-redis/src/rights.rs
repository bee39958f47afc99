//! Which rights a Redis user lacks of those that jobq needs.

use jobq_core::{Error, ErrorKind, Result};

use crate::backend::{RedisBackend, Store};
use crate::reply;

/// What a Redis user lacks of what jobq needs, by [`RedisBackend::rights`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rights {
    /// The commands that the user may not use.
    pub missing: Vec<&'static str>,
    /// The commands that the server does not have: they were renamed, or a proxy hides them.
    pub unknown: Vec<&'static str>,
    /// The commands of which nobody can tell without a change to something: none from Redis 7.0 on.
    pub untold: Vec<&'static str>,
}

impl Rights {
    /// What is missing, as a sentence for people; `None` if nothing is known to be.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let refused = (!self.missing.is_empty())
            .then(|| format!("the Redis user may not {}", self.missing.join(", ")));
        let unknown = match self.unknown.as_slice() {
            [] => None,
            [name] => Some(format!(
                "the server does not have the command {name}: it was renamed or a proxy hides it"
            )),
            names => Some(format!(
                "the server does not have the commands {}: they were renamed or a proxy hides them",
                names.join(", ")
            )),
        };
        let faults: Vec<_> = [refused, unknown].into_iter().flatten().collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

impl RedisBackend {
    /// Which of the commands that jobq uses the Redis user may not use, or the server does not have. Nothing is changed by asking.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn rights(&self) -> Result<Rights> {
        self.store.rights().await
    }
}

impl Store {
    /// Tries each command in a form that changes nothing: a server looks at the user's rights before it
    /// looks at the arguments. Of commands that have no such form the server is asked.
    async fn rights(&self) -> Result<Rights> {
        let (key, channel) = (self.keys.rights(), self.keys.watch_channel());
        let tries: Vec<_> = HARMLESS
            .iter()
            .map(|words| {
                let mut command = redis::cmd(words[0]);
                words[1..].iter().for_each(|word| {
                    command.arg(match *word {
                        "KEY" => key.as_str(),
                        "CHANNEL" => channel.as_str(),
                        word => word,
                    });
                });
                command
            })
            .collect();
        let answers = tries.iter().map(|command| self.link.send(command));
        let (mut missing, mut unknown) = (Vec::new(), Vec::new());
        for (words, answer) in HARMLESS.iter().zip(futures_util::future::join_all(answers).await) {
            match answer {
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) if is_unknown_command(&error) => unknown.push(words[0]),
                Err(error) if error.kind() == ErrorKind::Refused => missing.push(words[0]),
                _ => {}
            }
        }
        let mut untold = Vec::new();
        let question = redis::cmd("EVAL").arg(ASK).arg(1).arg(&key).arg(&channel).take();
        let answer = match self.link.send(&question).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            answer => answer.ok(),
        };
        let answer = answer.map(reply::text).transpose()?;
        if let Some((refused, not_there)) = answer.as_deref().and_then(|text| text.split_once('|'))
        {
            let among = |list: &str, name: &str| list.split(' ').any(|word| word == name);
            missing.extend(CHANGING.into_iter().filter(|name| among(refused, name)));
            unknown.extend(CHANGING.into_iter().filter(|name| among(not_there, name)));
        } else {
            // An old server; or the user has no EVAL, which is told already.
            untold.extend(CHANGING);
        }
        missing.sort_unstable();
        unknown.sort_unstable();
        Ok(Rights { missing, unknown, untold })
    }
}

fn is_unknown_command(error: &Error) -> bool {
    error.to_string().contains("does not have the command")
}

/// The commands that jobq uses and that have no harmless form.
const CHANGING: [&str; 6] = ["HSETNX", "INCR", "LPUSH", "RPUSH", "SADD", "SUBSCRIBE"];

/// Asks which of these the user may not use, and which the server does not have, without using them:
/// `redis.acl_check_cmd` is of Redis 7.0.
const ASK: &str = r#"
if not redis.acl_check_cmd then return "untold" end
local refused, unknown = {}, {}
for _, words in ipairs({
  { "HSETNX", KEYS[1], "x", "x" }, { "INCR", KEYS[1] }, { "LPUSH", KEYS[1], "x" },
  { "RPUSH", KEYS[1], "x" }, { "SADD", KEYS[1], "x" }, { "SUBSCRIBE", ARGV[1] },
}) do
  local is_known, may = pcall(redis.acl_check_cmd, unpack(words))
  if not is_known then
    unknown[#unknown + 1] = words[1]
  elseif not may then
    refused[#refused + 1] = words[1]
  end
end
return table.concat(refused, " ") .. "|" .. table.concat(unknown, " ")
"#;

/// Each command that jobq uses, so that it does nothing to a key that is not there: either there is nothing to do, or
/// its last argument is refused.
const HARMLESS: [&[&str]; 43] = [
    &["BLPOP", "KEY", "x"],
    &["DEL", "KEY"],
    &["EVAL", "return 1", "1", "KEY"],
    &["EVALSHA", "0000000000000000000000000000000000000000", "1", "KEY"],
    &["EXISTS", "KEY"],
    &["GET", "KEY"],
    &["HDEL", "KEY", "x"],
    &["HEXISTS", "KEY", "x"],
    &["HGET", "KEY", "x"],
    &["HGETALL", "KEY"],
    &["HINCRBY", "KEY", "x", "x"],
    &["HKEYS", "KEY"],
    &["HLEN", "KEY"],
    &["HMGET", "KEY", "x"],
    &["HRANDFIELD", "KEY", "1"],
    &["HSET", "KEY", "x", "x", "x"],
    &["LINDEX", "KEY", "0"],
    &["LLEN", "KEY"],
    &["LPOP", "KEY"],
    &["LPOS", "KEY", "x"],
    &["LRANGE", "KEY", "0", "0"],
    &["LTRIM", "KEY", "0", "0"],
    &["PUBLISH", "CHANNEL", ""],
    &["SCRIPT", "LOAD", "return 1"],
    &["SET", "KEY", "x", "XX"],
    &["SMEMBERS", "KEY"],
    &["TIME"],
    &["ZADD", "KEY", "XX", "1", "x"],
    &["ZCARD", "KEY"],
    &["ZCOUNT", "KEY", "0", "1"],
    &["ZLEXCOUNT", "KEY", "-", "+"],
    &["ZMSCORE", "KEY", "x"],
    &["ZRANGE", "KEY", "0", "0"],
    &["ZRANGEBYLEX", "KEY", "-", "+"],
    &["ZRANGEBYSCORE", "KEY", "0", "1"],
    &["ZRANK", "KEY", "x"],
    &["ZREM", "KEY", "x"],
    &["ZREMRANGEBYLEX", "KEY", "-", "+"],
    &["ZREMRANGEBYRANK", "KEY", "0", "0"],
    &["ZREMRANGEBYSCORE", "KEY", "0", "1"],
    &["ZREVRANGE", "KEY", "0", "0"],
    &["ZREVRANGEBYLEX", "KEY", "+", "-"],
    &["ZSCORE", "KEY", "x"],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedisConfig;
    use crate::test_server::TestServer;

    #[tokio::test]
    async fn a_restricted_user_is_told_what_is_missing_and_no_more() {
        let server = TestServer::start().unwrap();
        let backend = RedisBackend::connect(&server.url()).await.unwrap();
        let user = |name: &str, rules: &[&str]| {
            let mut command = redis::cmd("ACL");
            command
                .arg("SETUSER")
                .arg(name)
                .arg("on")
                .arg(">pw")
                .arg("~{jobq*}:*")
                // In Redis 6.2 a new user may use all channels.
                .arg("resetchannels")
                .arg("&{jobq*}:*");
            command.arg("+@all").arg(rules).take()
        };
        let enough = user("enough", &["-@admin", "-@dangerous"]);
        let lacking = user("lacking", &["-@admin", "-@dangerous", "-zadd", "-publish"]);
        let changing = CHANGING.map(|name| format!("-{}", name.to_lowercase()));
        let mut rules = vec!["-@admin", "-@dangerous"];
        rules.extend(changing.iter().map(String::as_str));
        let reading = user("reading", &rules);
        for command in [enough, lacking, reading] {
            backend.store.link.send(&command).await.unwrap();
        }

        for (name, missing) in
            [("enough", &[] as &[&str]), ("lacking", &["PUBLISH", "ZADD"]), ("reading", &CHANGING)]
        {
            let url = format!("redis://{name}:pw@127.0.0.1:{}", server.port());
            let backend = RedisBackend::lazy(RedisConfig::new(&url).unwrap()).unwrap();
            let facts = backend.server_facts().await.unwrap();
            assert_eq!((facts.appends, facts.eviction), (None, None), "{name}");
            let rights = backend.rights().await.unwrap();
            if name == "reading" && !rights.untold.is_empty() {
                // Redis 6.2 cannot tell.
                assert_eq!(rights.untold, CHANGING);
                continue;
            }
            assert_eq!(rights.missing, missing, "{name}");
        }
    }

    #[tokio::test]
    async fn commands_that_were_renamed_are_told_apart_from_those_that_are_refused() {
        let renamed = ["EVALSHA", "BLPOP", "RPUSH"];
        let rules: Vec<_> =
            renamed.iter().flat_map(|name| ["--rename-command", name, "hidden_"]).collect();
        let hidden: Vec<_> = renamed.iter().map(|name| format!("hidden_{name}")).collect();
        let mut words = rules;
        for (word, name) in words.chunks_mut(3).zip(&hidden) {
            word[2] = name;
        }
        let server = TestServer::start_with(&words).unwrap();
        let backend = RedisBackend::lazy(RedisConfig::new(&server.url()).unwrap()).unwrap();

        let rights = backend.rights().await.unwrap();

        let is_old = !rights.untold.is_empty();
        let expected: &[&str] =
            if is_old { &["BLPOP", "EVALSHA"] } else { &["BLPOP", "EVALSHA", "RPUSH"] };
        assert_eq!((rights.missing.as_slice(), rights.unknown.as_slice()), (&[][..], expected));
        let fault = rights.fault().unwrap();
        assert!(
            fault.starts_with("the server does not have the commands BLPOP, EVALSHA"),
            "{fault}"
        );
        let error =
            jobq_core::Inspect::queue(&backend, &"mail".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(
            error.to_string().contains("does not have the command EVALSHA: it was renamed"),
            "{error}"
        );
    }
}
