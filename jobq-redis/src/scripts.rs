//! One static per script; the only `include_str!`s of Lua.

use std::sync::LazyLock;

use redis::Cmd;

/// A script and the digest by which the server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    body: &'static str,
    sha: String,
}

impl Script {
    fn new(body: &'static str) -> Self {
        Self { body, sha: redis::Script::new(body).get_hash().to_owned() }
    }

    /// The command that makes a server know the script.
    pub(crate) fn load(&self) -> Cmd {
        redis::cmd("SCRIPT").arg("LOAD").arg(self.body).take()
    }

    /// A call by digest, with these keys and as yet no arguments.
    pub(crate) fn call<K: AsRef<str>>(&self, keys: &[K]) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.sha).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
        command
    }

    /// The same call with the whole script, for a server that does not know the digest. It knows it
    /// from then on; `SCRIPT LOAD` would need one more permission, and in a cluster every node.
    pub(crate) fn call_whole(&self, by_digest: &Cmd) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(self.body);
        for argument in by_digest.args_iter().skip(2) {
            match argument {
                redis::Arg::Simple(bytes) => command.arg(bytes),
                _ => &mut command,
            };
        }
        command
    }
}

macro_rules! scripts {
    ($($name:ident = $($part:literal)+;)+) => {
        $(
            pub(crate) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(concat!($(include_str!(concat!("../lua/", $part)), "\n"),+)));
        )+

        /// Every script with its name, for tests.
        #[cfg(test)]
        fn all() -> Vec<(&'static str, &'static Script)> {
            vec![$((stringify!($name), &*$name)),+]
        }
    };
}

scripts! {
    ENQUEUE = "enqueue.lua";
    EXCHANGE = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/reclaim.lua" "exchange.lua";
    SETTLE = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "settle.lua";
    EXTEND = "lib/keys.lua" "lib/base.lua" "extend.lua";
    REPORT = "lib/keys.lua" "lib/base.lua" "report.lua";
    FORFEIT = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/reclaim.lua" "forfeit.lua";
    MAINTAIN = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/reclaim.lua" "maintain.lua";
    CANCEL = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/state.lua" "cancel.lua";
    REQUEUE = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/state.lua" "requeue.lua";
    DELETE = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "lib/state.lua" "delete.lua";
    PAUSE = "lib/keys.lua" "lib/base.lua" "lib/moves.lua" "pause.lua";
    VIEW = "lib/keys.lua" "lib/base.lua" "lib/state.lua" "view.lua";
    LIST = "lib/keys.lua" "lib/base.lua" "list.lua";
    STATS = "lib/keys.lua" "lib/base.lua" "stats.lua";
    HEARTBEAT = "heartbeat.lua";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The highest `KEYS[n]` or `ARGV[n]` in some lines.
    fn highest<'a>(lines: impl Iterator<Item = &'a str>, table: &str) -> usize {
        let opening = format!("{table}[");
        lines
            .flat_map(|line| line.split(opening.as_str()).skip(1))
            .filter_map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            })
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn headers_tell_of_every_key_and_argument_that_is_used() {
        for (name, script) in all() {
            let header = || script.body.lines().filter(|line| line.starts_with("--"));
            let code = || script.body.lines().filter(|line| !line.trim_start().starts_with("--"));
            for table in ["KEYS", "ARGV"] {
                assert!(
                    highest(header(), table) >= highest(code(), table),
                    "{name} uses a {table} that its header does not tell of"
                );
            }
            assert!(
                header().any(|line| line.contains("Returns")),
                "{name} does not say what it returns"
            );
        }
    }

    #[test]
    fn scripts_keep_to_what_every_server_has() {
        for (name, script) in all() {
            for word in
                ["cjson", "cmsgpack", "setfenv", "getn", "\"KEYS\"", "\"INFO\"", "\"CONFIG\"", "#!"]
            {
                assert!(!script.body.contains(word), "{name} uses {word}");
            }
        }
    }
}
