//! Which rights a Redis user lacks of those that jobq needs.

use jobq_core::{ErrorKind, Result};

use crate::backend::{RedisBackend, Store};
use crate::reply;

/// What a Redis user lacks of what jobq needs, by [`RedisBackend::rights`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rights {
    /// The commands that the user may not use.
    pub missing: Vec<&'static str>,
    /// The commands of which nobody can tell without a change to something: none from Redis 7.0 on.
    pub untold: Vec<&'static str>,
}

impl RedisBackend {
    /// Which of the commands that jobq uses the Redis user may not use. Nothing is changed by asking.
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
        let key = self.keys.rights();
        let tries: Vec<_> = HARMLESS
            .iter()
            .map(|words| {
                let mut command = redis::cmd(words[0]);
                words[1..].iter().for_each(|word| {
                    command.arg(if *word == "KEY" { key.as_str() } else { word });
                });
                command
            })
            .collect();
        let answers = tries.iter().map(|command| self.link.send(command));
        let mut missing = Vec::new();
        for (words, answer) in HARMLESS.iter().zip(futures_util::future::join_all(answers).await) {
            match answer {
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) if error.kind() == ErrorKind::Refused => missing.push(words[0]),
                _ => {}
            }
        }
        let mut untold = Vec::new();
        let question = redis::cmd("EVAL").arg(ASK).arg(1).arg(&key).take();
        let answer = match self.link.send(&question).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            answer => answer.ok(),
        };
        match answer.map(reply::text).transpose()?.as_deref() {
            Some("all") => {}
            Some(lacking) if lacking != "unknown" => {
                let is_lacking = |name: &&str| lacking.split(' ').any(|word| word == *name);
                missing.extend(CHANGING.into_iter().filter(is_lacking));
            }
            // An old server; or the user has no EVAL, which is told already.
            _ => untold.extend(CHANGING),
        }
        missing.sort_unstable();
        Ok(Rights { missing, untold })
    }
}

/// The commands that jobq uses and that have no harmless form.
const CHANGING: [&str; 6] = ["HSETNX", "INCR", "LPUSH", "RPUSH", "SADD", "SUBSCRIBE"];

/// Asks which of these the user may not use, without using them: `redis.acl_check_cmd` is of Redis 7.0.
const ASK: &str = r#"
if not redis.acl_check_cmd then return "unknown" end
local lacking = {}
for _, words in ipairs({
  { "HSETNX", KEYS[1], "x", "x" }, { "INCR", KEYS[1] }, { "LPUSH", KEYS[1], "x" },
  { "RPUSH", KEYS[1], "x" }, { "SADD", KEYS[1], "x" }, { "SUBSCRIBE", KEYS[1] },
}) do
  if not redis.acl_check_cmd(unpack(words)) then lacking[#lacking + 1] = words[1] end
end
return #lacking == 0 and "all" or table.concat(lacking, " ")
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
    &["PUBLISH", "KEY", ""],
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
}
