//! Slots of a cluster: which one a key is in, and who has it.

use jobq_core::Result;
use redis::{Arg, Cmd, RedisError, Value};

use crate::error::malformed;
use crate::reply;

/// A node's host and port.
pub(crate) type Site = (String, u16);

/// A range of slots, ends included, and who has it: the primary first, then its replicas.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) sites: Vec<Site>,
}

/// The slot of a key: what is in its first braces counts, if there is anything.
pub(crate) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then_some(&rest[..close])
    });
    crc16(tag.unwrap_or(key)) % 16_384
}

/// The slot of a command's first key; `None` if it has no key.
pub(crate) fn slot_of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().map(|word| match word {
        Arg::Simple(bytes) => bytes,
        _ => &[],
    });
    let key = match words.next()? {
        b"EVALSHA" | b"EVAL" => words.nth(2)?,
        b"PING" | b"TIME" | b"HELLO" | b"INFO" | b"CONFIG" | b"SCRIPT" | b"DBSIZE" => return None,
        _ => words.next()?,
    };
    Some(slot_of(key))
}

/// CRC-16 as XMODEM does it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

static TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The answer of a node to `CLUSTER SLOTS`. A node that does not know its own host means the one under
/// which it was `asked`.
pub(crate) fn ranges(answer: Value, asked: &str) -> Result<Vec<Range>> {
    let number = |value| {
        u16::try_from(reply::count(value)?).map_err(|_| malformed("a slot or port beyond 65,535"))
    };
    let mut ranges = Vec::new();
    for range in reply::list(answer)? {
        let mut parts = reply::list(range)?.into_iter();
        let (first, last) = (
            number(parts.next().unwrap_or(Value::Nil))?,
            number(parts.next().unwrap_or(Value::Nil))?,
        );
        let mut sites = Vec::new();
        let mut is_known = true;
        for (nth, node) in parts.enumerate() {
            let mut facts = reply::list(node)?.into_iter();
            let host = match facts.next() {
                None | Some(Value::Nil) => String::new(),
                Some(host) => reply::text(host)?,
            };
            let port = number(facts.next().unwrap_or(Value::Nil))?;
            match host.as_str() {
                "" => sites.push((asked.to_owned(), port)),
                // Its name is not known to the one that was asked. No replica may pass for the primary.
                "?" => is_known &= nth > 0,
                _ => sites.push((host, port)),
            }
        }
        if is_known {
            ranges.push(Range { first, last, sites });
        }
    }
    ranges.sort_by_key(|range| range.first);
    Ok(ranges)
}

/// Where else a command belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    /// There, from now on.
    Moved(Site),
    /// There, this once.
    Ask(Site),
    /// Here, when all keys of the slot have been moved: scripts name keys that are not there, and while a
    /// slot is moved nobody knows whether those are elsewhere.
    Later,
}

/// Where else a command belongs, if that is what the node at `host` says.
pub(crate) fn detour(error: &RedisError, host: &str) -> Option<Detour> {
    let site = || {
        let (address, _) = error.redirect_node()?;
        let (to, port) = address.rsplit_once(':')?;
        let to = if to.is_empty() { host } else { to };
        Some((to.to_owned(), port.parse().ok()?))
    };
    match error.code()? {
        "MOVED" => site().map(Detour::Moved),
        "ASK" => site().map(Detour::Ask),
        "TRYAGAIN" => Some(Detour::Later),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"foo"), 12_182);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{}{bar}"), crc16(b"foo{}{bar}") % 16_384);
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_eq!(slot_of(b"{jobq:mail}:jobs"), slot_of(b"jobq:mail"));
    }

    #[test]
    fn a_command_is_in_the_slot_of_its_first_key() {
        let slot = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            slot_of_command(&command)
        };
        let expected = Some(slot_of(b"k"));

        assert_eq!(slot(&["EVALSHA", "sha", "2", "k", "other"]), expected);
        assert_eq!(slot(&["EVAL", "return 1", "1", "k"]), expected);
        assert_eq!(slot(&["HGET", "k", "field"]), expected);
        assert_eq!(slot(&["BLPOP", "k", "10"]), expected);
        for words in
            [&["PING"][..], &["TIME"], &["CONFIG", "GET", "save"], &["SCRIPT", "LOAD", "x"]]
        {
            assert_eq!(slot(words), None);
        }
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn ranges_are_read_whatever_nodes_call_themselves() {
        let node = |host, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let answer = Value::Array(vec![
            range(100, 200, vec![node(Value::Nil, 1), node(text("?"), 2)]),
            range(0, 99, vec![node(text(""), 3), node(text("b"), 4)]),
            range(201, 300, vec![node(text("?"), 5), node(text("b"), 6)]),
        ]);

        let ranges = ranges(answer, "a").unwrap();
        let site = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            ranges,
            [
                Range { first: 0, last: 99, sites: vec![site("a", 3), site("b", 4)] },
                Range { first: 100, last: 200, sites: vec![site("a", 1)] },
            ]
        );
        assert!(super::ranges(Value::Array(vec![range(0, 70_000, vec![])]), "a").is_err());
        assert!(super::ranges(text("OK"), "a").is_err());
    }

    #[test]
    fn a_detour_may_leave_out_the_host() {
        let error = |line: &str| {
            redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
                .unwrap()
                .extract_error()
                .unwrap_err()
        };
        let site = |host: &str| (host.to_owned(), 6_381);

        assert_eq!(detour(&error("MOVED 3999 b:6381"), "a"), Some(Detour::Moved(site("b"))));
        assert_eq!(detour(&error("MOVED 3999 :6381"), "a"), Some(Detour::Moved(site("a"))));
        assert_eq!(detour(&error("ASK 3999 ::1:6381"), "a"), Some(Detour::Ask(site("::1"))));
        assert_eq!(detour(&error("TRYAGAIN Multiple keys"), "a"), Some(Detour::Later));
        assert_eq!(detour(&error("ERR wrong"), "a"), None);
    }
}
