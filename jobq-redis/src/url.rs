//! The parts of a Redis URL, and which of them is wrong. No part that may be a secret is repeated.

use jobq_core::{Error, Result};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// The parts of a URL, perhaps with several hosts, after its scheme.
pub(crate) struct Parts<'a> {
    /// User and password with the `@`; empty if there are none.
    pub(crate) user: &'a str,
    pub(crate) hosts: &'a str,
    /// With the slash before it.
    pub(crate) path: &'a str,
    /// With the question mark before it.
    pub(crate) options: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(rest: &'a str) -> Self {
        let (rest, options) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        Self { user, hosts, path, options }
    }

    /// Refuses what looks like a user for each host.
    pub(crate) fn check_user(&self) -> Result<()> {
        if self.user.contains(',') && self.user.matches('@').count() > 1 {
            return Err(Error::invalid_input(
                "the Redis URL is malformed: user and password come once, for all hosts, as in \
                 redis+cluster://user:password@host:port,host:port; an @ within them is written %40",
            ));
        }
        Ok(())
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.hosts.split(',')
    }
}

/// How to reach and log in to the one server of a URL.
pub(crate) fn connection(url: &str) -> Result<ConnectionInfo> {
    if let Some(fault) = fault(url) {
        return Err(fault);
    }
    url.into_connection_info().map_err(|_| malformed("it is no URL"))
}

/// The same, of what cannot be a socket of this machine.
pub(crate) fn tcp(info: ConnectionInfo) -> Result<ConnectionInfo> {
    match info.addr() {
        ConnectionAddr::Unix(_) => {
            Err(malformed("a cluster or sentinels are reached by host and port"))
        }
        _ => Ok(info),
    }
}

/// Which part of the URL of one server is wrong.
fn fault(url: &str) -> Option<Error> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Some(malformed("it does not begin with a scheme and ://"));
    };
    let parts = Parts::of(rest);
    let is_socket = is_socket(scheme);
    if !is_socket && !["redis", "valkey"].contains(&scheme) && !is_tls(scheme) {
        return Some(malformed("its scheme is not known"));
    }
    if is_tls(scheme) && cfg!(not(feature = "tls")) {
        return Some(Error::invalid_input(
            "the Redis URL asks for TLS, which this program is built without: the feature is `tls` of \
             jobq-redis",
        ));
    }
    if !is_known_protocol(parts.options) {
        return Some(wrong("in protocol=…, which is resp2 or resp3"));
    }
    if is_socket {
        return None;
    }
    let host = parts.hosts;
    // What was meant for a password ends the host as soon as it has one of these letters.
    let is_password = parts.user.is_empty() && rest.contains('@');
    let wrong = |place| Some(wrong(if is_password { PASSWORD } else { place }));
    // A colon within brackets belongs to an IPv6 address.
    let port = host.rsplit(']').next().and_then(|rest| rest.split_once(':')).map(|(_, port)| port);
    let place = host.strip_suffix(port.unwrap_or_default()).unwrap_or(host);
    if place.trim_end_matches(':').is_empty() {
        return wrong("before its port or path: it names no host");
    }
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if port.is_some_and(|port| !port.is_empty() && !is_port(port)) {
        return wrong("in its port, which is a number from 1 to 65535");
    }
    let database = parts.path.trim_matches('/');
    let is_number = database.parse::<i64>().is_ok_and(|number| number >= 0);
    if !database.is_empty() && !is_number {
        return wrong("after its slash: there comes the number of a database");
    }
    None
}

const PASSWORD: &str = "in its password: there a / is written %2F, a ? %3F, a # %23 and an @ %40";

fn is_socket(scheme: &str) -> bool {
    ["unix", "redis+unix", "valkey+unix"].contains(&scheme)
}

fn is_tls(scheme: &str) -> bool {
    ["rediss", "valkeys"].contains(&scheme)
}

fn is_known_protocol(options: &str) -> bool {
    let options = options.split('#').next().unwrap_or_default().trim_start_matches('?');
    let mut protocols = options.split('&').filter_map(|option| option.strip_prefix("protocol="));
    protocols.all(|protocol| ["2", "resp2", "3", "resp3"].contains(&protocol))
}

/// Refuses options that nobody would follow: who gives one relies on it.
pub(crate) fn check_options(scheme: &str, options: &str) -> Result<()> {
    let (query, fragment) = options.split_once('#').unwrap_or((options, ""));
    let of_socket: &[&str] = if is_socket(scheme) { &["db", "user", "pass"] } else { &[] };
    for option in query.trim_start_matches('?').split('&').filter(|it| !it.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or(("", option));
        if name == "protocol" || of_socket.contains(&name) {
            continue;
        }
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        // What has an @ behind it was meant to be a password.
        if name.is_empty() || !is_name || value.contains('@') {
            return Err(wrong("after a question mark, where options come as name=value"));
        }
        return Err(Error::invalid_input(match name {
            "db" => "the Redis URL has the unknown option \"db\": the number of a database comes after a \
                     slash, as in redis://host/3"
                .to_owned(),
            name => format!(
                "the Redis URL has the unknown option {name:?}: there are {}wait_replicas, wait_disk, \
                 wait_within and protocol",
                of_socket.iter().map(|known| format!("{known}, ")).collect::<String>()
            ),
        }));
    }
    match fragment {
        "" => Ok(()),
        "insecure" if is_tls(scheme) => Ok(()),
        "insecure" => Err(Error::invalid_input(
            "the Redis URL has #insecure, which says nothing without TLS: that is rediss://",
        )),
        _ => Err(wrong(
            "after a #: options come after a question mark, and in a password a # is \
                        written %23",
        )),
    }
}

/// Refuses what is meant for sentinels where there are none.
pub(crate) fn no_sentinel_options(options: &str) -> Result<()> {
    let mut names = options.trim_start_matches('?').split('&');
    if names.any(|option| option.starts_with("sentinel")) {
        return Err(Error::invalid_input(
            "the Redis URL has options for sentinels and names none: expected \
             redis+sentinel://host:port,host:port,…/master",
        ));
    }
    Ok(())
}

/// The text that an option stands for: bytes may be written as `%2F`.
pub(crate) fn decoded(option: &str) -> Result<String> {
    let mut parts = option.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(malformed_escape)?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| malformed_escape())
}

fn malformed_escape() -> Error {
    Error::invalid_input(
        "the Redis URL is malformed: in an option a percent sign is written %25, and what follows any \
         other are the two digits of a byte of UTF-8",
    )
}

/// The error of a URL that has the right form but for one place.
fn wrong(place: &str) -> Error {
    Error::invalid_input(format!("the Redis URL is malformed {place}"))
}

/// The error of a URL of which nobody knows what it was meant to be.
fn malformed(why: &str) -> Error {
    Error::invalid_input(format!(
        "the Redis URL is malformed: {why}: expected redis://[user:password@]host[:port][/database], \
         rediss://… for TLS, unix:///path/to/socket, redis+cluster://host:port,host:port,…, or \
         redis+sentinel://host:port,host:port,…/master",
    ))
}

#[cfg(test)]
mod tests {
    use crate::config::RedisConfig;

    fn refused(url: &str) -> String {
        let error = RedisConfig::new(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{url}: {error:?}");
        assert!(std::error::Error::source(&error).is_none(), "{url}: {error:?}");
        error.to_string()
    }

    #[test]
    fn the_part_that_is_wrong_is_named_and_the_url_is_not_repeated() {
        for (url, part) in [
            ("foo", "it does not begin with a scheme and ://: expected redis://"),
            ("memory", "it does not begin with a scheme"),
            ("localhost:6379", "it does not begin with a scheme"),
            ("http://a", "its scheme is not known: expected redis://"),
            ("redis://", "it names no host"),
            ("redis://:secret@", "it names no host"),
            ("redis://:secret@:6379", "it names no host"),
            ("redis://127.0.0.1:99999", "in its port, which is a number from 1 to 65535"),
            ("redis://u:secret@h:port", "in its port"),
            ("redis://h:0", "in its port"),
            ("redis://[::1]:x", "in its port"),
            ("redis+cluster://h:1,h:x", "in its port"),
            ("redis+sentinel://h:1,h:x/m", "in its port"),
            ("redis://h/one", "after its slash: there comes the number of a database"),
            ("redis://h/-1", "the number of a database"),
            ("redis://:sec/secret@h", "in its password: there a / is written %2F"),
            ("redis://:1/secret@h", "in its password"),
            ("redis://h?protocol=secret", "in protocol=…, which is resp2 or resp3"),
            ("redis://a b", "it is no URL"),
        ] {
            let told = refused(url);
            assert!(told.starts_with("the Redis URL is malformed"), "{url}: {told}");
            assert!(told.contains(part), "{url}: {told}");
        }
    }

    #[test]
    fn an_option_that_nobody_follows_is_refused_by_its_name() {
        for (url, why) in [
            (
                "redis://h/0?db=3",
                "unknown option \"db\": the number of a database comes after a slash",
            ),
            ("rediss+cluster://h,i?db=3", "unknown option \"db\""),
            ("redis+sentinel://h/m?db=3&sentinel_password=x", "unknown option \"db\""),
            (
                "redis://h?ssl_cert_reqs=secret",
                "unknown option \"ssl_cert_reqs\": there are wait_replicas",
            ),
            ("redis://h?wait_replicas=1&x=secret", "unknown option \"x\""),
            (
                "unix:///run/x.sock?db=1&password=secret",
                "unknown option \"password\": there are db, user",
            ),
            ("redis://h?secret", "after a question mark, where options come as name=value"),
            ("redis://:pa?ss=secret@h", "after a question mark"),
            ("redis://:pa#secret@h", "after a #"),
            ("redis://h#insecure", "#insecure, which says nothing without TLS"),
            ("redis+cluster://h,i#insecure", "#insecure, which says nothing without TLS"),
            ("rediss://h#secret", "after a #"),
        ] {
            let told = refused(url);
            assert!(told.contains(why), "{url}: {told}");
        }
        for url in [
            "redis://h:1/2?protocol=resp3&wait_replicas=1",
            "redis+sentinel://h/m?sentinel_password=x&protocol=2",
            "unix:///run/x.sock?db=1&user=a&pass=b",
            "redis://h/?",
            "redis://[::1]:7/",
            "valkey://h",
        ] {
            assert!(RedisConfig::new(url).is_ok(), "{url}");
        }
    }
}
