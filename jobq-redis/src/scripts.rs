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
        let size: usize = keys.iter().map(|key| key.as_ref().len()).sum();
        let mut command = roomy("EVALSHA", keys.len(), size);
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

/// A command with room for keys of so many bytes in all and a few arguments, so that it does not grow with each.
fn roomy(name: &str, keys: usize, size: usize) -> Cmd {
    let mut command = Cmd::with_capacity(keys + 16, size + 256);
    command.arg(name);
    command
}

/// The files of a script, put together.
macro_rules! body {
    // What moves jobs about in any queue.
    ([moves $($part:literal)+]) => {
        body!([
            "lib/keys.lua" "lib/flow/keys.lua" "lib/base.lua" "lib/flow/enter.lua"
            "lib/record.lua" "lib/watchers.lua" "lib/ready.lua"
            "lib/forget.lua" "lib/flow/record.lua" "lib/flow/limits.lua" "lib/flow/rates.lua" "lib/flow/shared.lua"
            "lib/flow/lanes.lua" "lib/flow/unique.lua" "lib/flow/outbox.lua" "lib/flow/parents.lua"
            "lib/flow/forget.lua" "lib/flow/batches.lua" "lib/flow/family.lua" "lib/flow/moves.lua"
            "lib/flow/children.lua"
            $($part)+ "lib/flow/leave.lua"
        ])
    };
    // What is put around an enqueue to claim a tick with it.
    ([tick $($part:tt)+]) => {
        concat!(
            include_str!("../lua/lib/tick/mark.lua"), "\n",
            include_str!("../lua/lib/tick/enter.lua"), "\n",
            body!([$($part)+]),
            include_str!("../lua/lib/tick/leave.lua")
        )
    };
    ([$($part:literal)+]) => {
        concat!($(include_str!(concat!("../lua/", $part)), "\n"),+)
    };
}

macro_rules! scripts {
    ($($name:ident = $parts:tt;)+) => {
        $(
            pub(crate) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(body!($parts)));
        )+

        /// Every script with its name, for tests.
        #[cfg(test)]
        fn all() -> Vec<(&'static str, &'static Script)> {
            vec![$((stringify!($name), &*$name)),+]
        }
    };
}

scripts! {
    ENQUEUE = ["enqueue.lua"];
    EXCHANGE = ["lib/keys.lua" "lib/base.lua" "lib/record.lua" "lib/watchers.lua" "lib/ready.lua" "lib/forget.lua"
        "lib/moves.lua" "lib/reclaim.lua" "exchange.lua"];
    ENQUEUE_FLOW = [moves "lib/places.lua" "lib/withdraw.lua" "lib/flow/join.lua" "enqueue_flow.lua"];
    EXCHANGE_FLOW = [moves "lib/reclaim.lua" "lib/flow/completing.lua" "lib/flow/room.lua" "lib/flow/turns.lua"
        "exchange_flow.lua"];
    SETTLE = [moves "settle.lua"];
    EXTEND = ["lib/keys.lua" "lib/base.lua" "extend.lua"];
    REPORT = ["lib/keys.lua" "lib/base.lua" "lib/watchers.lua" "report.lua"];
    WATCH = [moves "lib/places.lua" "watch.lua"];
    FORFEIT = [moves "lib/reclaim.lua" "forfeit.lua"];
    MAINTAIN = [moves "lib/reclaim.lua" "lib/flow/idle.lua" "lib/flow/pace.lua" "maintain.lua"];
    CANCEL = [moves "lib/places.lua" "lib/withdraw.lua" "cancel.lua"];
    REQUEUE = [moves "lib/places.lua" "requeue.lua"];
    DELETE = [moves "lib/places.lua" "lib/withdraw.lua" "delete.lua"];
    PAUSE = ["lib/keys.lua" "lib/base.lua" "lib/ready.lua" "pause.lua"];
    VIEW = ["lib/keys.lua" "lib/flow/keys.lua" "lib/base.lua" "lib/record.lua" "lib/places.lua" "view.lua"];
    LIST = ["lib/keys.lua" "lib/flow/keys.lua" "lib/base.lua" "list.lua"];
    STATS = ["lib/keys.lua" "lib/flow/keys.lua" "lib/base.lua" "lib/record.lua" "stats.lua"];
    LIMIT = [moves "limit.lua"];
    COME_BACK = [moves "come_back.lua"];
    LANES = [moves "lanes.lua"];
    SHARE = ["share.lua"];
    STANDING = [moves "lib/places.lua" "lib/flow/pace.lua" "standing.lua"];
    HOLDERS = [moves "holders.lua"];
    HEARTBEAT = ["heartbeat.lua"];
    CHECKPOINT = ["lib/keys.lua" "lib/base.lua" "checkpoint.lua"];
    SUBSCRIBE = [moves "subscribe.lua"];
    OUTBOX = ["lib/keys.lua" "lib/flow/keys.lua" "outbox.lua"];
    DELIVER = [moves "deliver.lua"];
    PARENTS = [moves "parents.lua"];
    OPEN_BATCH = [moves "open_batch.lua"];
    CLOSE_BATCH = [moves "close_batch.lua"];
    CANCEL_BATCH = [moves "cancel_batch.lua"];
    BATCHES = ["lib/keys.lua" "lib/flow/keys.lua" "batches.lua"];
    CLAIM = [tick "enqueue.lua"];
    CLAIM_FLOW = [tick moves "lib/places.lua" "lib/withdraw.lua" "lib/flow/join.lua" "enqueue_flow.lua"];
    MARK = ["lib/tick/mark.lua" "mark.lua"];
    AMEND = ["amend.lua"];
    ENTRIES = ["entries.lua"];
    ATTEND = ["lib/tick/mark.lua" "attend.lua"];
    FAILED = ["lib/keys.lua" "lib/flow/keys.lua" "failed.lua"];
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
