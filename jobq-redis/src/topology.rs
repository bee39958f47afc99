//! How servers are arranged, and the URLs that say so.

use std::sync::Arc;

use jobq_core::{Error, Result};
use redis::{ConnectionAddr, ConnectionInfo};

use crate::error::address_of;
use crate::url::{Parts, check_options, connection, decoded, no_sentinel_options, tcp};

/// Where a sentinel listens unless its address says so.
const SENTINEL_PORT: u16 = 26379;

/// Which servers there are, and who knows which of them to talk to.
#[derive(Clone)]
pub(crate) enum Topology {
    /// One server.
    One(ConnectionInfo),
    /// A cluster. These are some of its nodes, and tell of the others.
    Cluster(Vec<ConnectionInfo>),
    /// One server out of several, and the sentinels that know which it is at the moment.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        master: Arc<str>,
        /// How to log in to the server; its address is not known yet.
        server: ConnectionInfo,
    },
}

impl Topology {
    /// What a URL says.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if let Some(scheme) = scheme.strip_suffix("+cluster") {
            Self::cluster(scheme, &Parts::of(rest))
        } else if let Some(scheme) = scheme.strip_suffix("+sentinel") {
            Self::sentinel(scheme, &Parts::of(rest))
        } else {
            no_sentinel_options(Parts::of(rest).options)?;
            check_options(scheme, Parts::of(rest).options)?;
            connection(url).map(Self::One)
        }
    }

    fn cluster(scheme: &str, parts: &Parts<'_>) -> Result<Self> {
        parts.check_user()?;
        no_sentinel_options(parts.options)?;
        check_options(scheme, parts.options)?;
        if !matches!(parts.path, "" | "/" | "/0") {
            return Err(Error::invalid_input(
                "the Redis URL is malformed: a cluster has no databases but 0",
            ));
        }
        let node =
            |host| tcp(connection(&format!("{scheme}://{}{host}/{}", parts.user, parts.options))?);
        parts.hosts().map(node).collect::<Result<_>>().map(Self::Cluster)
    }

    fn sentinel(scheme: &str, parts: &Parts<'_>) -> Result<Self> {
        parts.check_user()?;
        let (master, database) = parts.path[parts.path.len().min(1)..]
            .split_once('/')
            .unwrap_or_else(|| (parts.path.trim_start_matches('/'), ""));
        if master.is_empty() {
            return Err(Error::invalid_input(
                "the Redis URL is malformed: after the sentinels comes the name of their master, as \
                 in redis+sentinel://host:26379/mymaster",
            ));
        }
        // What sentinels themselves allow. Anything else comes from a password that holds a slash, and would be shown.
        let is_named =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !master.bytes().all(is_named) {
            return Err(Error::invalid_input(
                "the Redis URL is malformed: the name of the sentinels' master has letters, digits, ., - and _ \
                 only; a / in a password is written %2F, and an @ %40",
            ));
        }
        let (query, fragment) = parts.options.split_once('#').unwrap_or((parts.options, ""));
        let (mut user, mut password, mut others) = (None, None, Vec::new());
        for option in query.trim_start_matches('?').split('&').filter(|it| !it.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let of_it = match name {
                "sentinel_username" => &mut user,
                "sentinel_password" => &mut password,
                _ if name.starts_with("sentinel") => {
                    return Err(Error::invalid_input(
                        "the Redis URL has an unknown option that begins with \"sentinel\": there are \
                         sentinel_username and sentinel_password",
                    ));
                }
                _ => {
                    others.push(option);
                    continue;
                }
            };
            if value.is_empty() {
                return Err(Error::invalid_input(format!(
                    "the Redis URL has no value in {name}=…"
                )));
            }
            if of_it.replace(decoded(value)?).is_some() {
                return Err(Error::invalid_input(format!("the Redis URL has {name} twice")));
            }
        }
        if user.is_some() && password.is_none() {
            return Err(Error::invalid_input(
                "the Redis URL has a sentinel_username without a sentinel_password",
            ));
        }
        let hash = if fragment.is_empty() { "" } else { "#" };
        let options = format!("?{}{hash}{fragment}", others.join("&"));
        check_options(scheme, &options)?;
        let sentinel = |host: &str| {
            // What follows the bracket of an IPv6 address, or all of another.
            let is_complete = host.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
            let port = if is_complete { String::new() } else { format!(":{SENTINEL_PORT}") };
            let info = tcp(connection(&format!("{scheme}://{host}{port}/{options}"))?)?;
            let mut login = info.redis_settings().clone();
            if let Some(user) = &user {
                login = login.set_username(user);
            }
            if let Some(password) = &password {
                login = login.set_password(password);
            }
            Ok(info.set_redis_settings(login))
        };
        let sentinels = parts.hosts().map(sentinel).collect::<Result<Vec<_>>>()?;
        let some_host = parts.hosts().next().unwrap_or_default();
        let server =
            connection(&format!("{scheme}://{}{some_host}/{database}{options}", parts.user))?;
        Ok(Self::Sentinel { sentinels, master: Arc::from(master), server })
    }

    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Where that is, without user or password.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::One(server) => address_of(server),
            Self::Cluster(nodes) => format!("cluster {}", list(nodes)),
            Self::Sentinel { sentinels, master, server } => {
                let database = match server.redis_settings().db() {
                    0 => String::new(),
                    database => format!(", database {database}"),
                };
                format!("{master} (Sentinel {}){database}", list(sentinels))
            }
        }
    }
}

/// The same way to log in at another address.
pub(crate) fn at(info: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let host = host.to_owned();
    let address = match info.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    info.clone().set_addr(address)
}

fn list(servers: &[ConnectionInfo]) -> String {
    servers.iter().map(|server| server.addr().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Topology {
        Topology::parse(url).unwrap()
    }

    #[test]
    fn the_nodes_of_a_cluster_share_a_user() {
        let topology = parsed("redis+cluster://user:p%40ss@10.0.0.1:7000,10.0.0.2,[::1]:7002/0");

        assert_eq!(topology.address(), "cluster 10.0.0.1:7000, 10.0.0.2:6379, ::1:7002");
        let Topology::Cluster(nodes) = topology else { panic!("no cluster") };
        for node in nodes {
            assert_eq!(node.redis_settings().username(), Some("user"));
            assert_eq!(node.redis_settings().password(), Some("p@ss"));
        }
    }

    #[test]
    fn sentinels_and_their_server_have_passwords_of_their_own() {
        let topology = parsed(
            "redis+sentinel://app:one@a:5000,b,[::1]/mymaster/3?sentinel_username=w&sentinel_password=two",
        );

        assert_eq!(
            topology.address(),
            "mymaster (Sentinel a:5000, b:26379, ::1:26379), database 3"
        );
        let Topology::Sentinel { sentinels, master, server } = topology else {
            panic!("no sentinels")
        };
        assert_eq!(&*master, "mymaster");
        assert_eq!(server.redis_settings().username(), Some("app"));
        assert_eq!(server.redis_settings().password(), Some("one"));
        assert_eq!(server.redis_settings().db(), 3);
        for sentinel in sentinels {
            assert_eq!(sentinel.redis_settings().username(), Some("w"));
            assert_eq!(sentinel.redis_settings().password(), Some("two"));
            assert_eq!(sentinel.redis_settings().db(), 0);
        }
    }

    #[test]
    fn a_password_of_sentinels_may_hold_any_character() {
        for (option, password) in [
            ("p%40%2Fss", "p@/ss"),
            ("a@b:c/d+e", "a@b:c/d+e"),
            ("%25%C3%A9", "%é"),
            ("a=b", "a=b"),
        ] {
            let url = format!("redis+sentinel://a,[::1]/m?sentinel_password={option}");
            let Topology::Sentinel { sentinels, .. } = parsed(&url) else { panic!("no sentinels") };
            for sentinel in sentinels {
                assert_eq!(sentinel.redis_settings().password(), Some(password));
                assert_eq!(sentinel.redis_settings().username(), None);
            }
        }
    }

    #[test]
    fn sentinels_need_no_password() {
        let Topology::Sentinel { sentinels, .. } = parsed("redis+sentinel://:one@a/m") else {
            panic!("no sentinels")
        };

        assert_eq!(sentinels[0].redis_settings().password(), None);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_for_all_of_them() {
        let Topology::Sentinel { sentinels, server, .. } = parsed("rediss+sentinel://a,b/m") else {
            panic!("no sentinels")
        };
        for info in sentinels.iter().chain([&at(&server, "c", 1)]) {
            assert!(matches!(info.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        }
        // Kept, so that connecting is refused as it is for a single server.
        let Topology::Cluster(nodes) = parsed("rediss+cluster://a#insecure") else {
            panic!("no cluster")
        };
        assert!(matches!(nodes[0].addr(), ConnectionAddr::TcpTls { insecure: true, .. }));
    }

    #[test]
    fn a_malformed_url_is_refused_without_being_repeated() {
        for (url, said) in [
            ("redis+cluster://", "malformed"),
            ("redis+cluster://a:secret@b:port", "malformed"),
            ("redis+cluster://a,,b", "malformed"),
            ("redis+cluster://a/1", "no databases but 0"),
            ("unix+cluster:///secret", "malformed"),
            ("redis+sentinel://a:secret@b", "name of their master"),
            ("redis+sentinel://a:secret@b/", "name of their master"),
            ("redis+sentinel://a/m/secret", "malformed"),
            ("redis+sentinel://app:1234/secret@h", "/ in a password is written"),
            ("redis+sentinel://app:1234/secret@h/m", "/ in a password is written"),
            ("redis+cluster://u:secret@a,u:secret@b", "once, for all hosts"),
            ("redis+sentinel://u:secret@a,u:secret@b/m", "once, for all hosts"),
            ("redis+sentinel://a/m?sentinel_username=secret", "without a sentinel_password"),
            ("redis+sentinel://a/m?sentinel_password", "no value in sentinel_password=…"),
            ("redis+sentinel://a/m?sentinel_pass=secret", "that begins with \"sentinel\""),
            (
                "redis+sentinel://a/m?sentinel_password=secret&sentinel_password=secret",
                "sentinel_password twice",
            ),
            ("redis+sentinel://a/m?sentinel_password=secret%4", "written %25"),
            ("redis+sentinel://a/m?sentinel_password=secret%é", "written %25"),
            ("redis+sentinel://a/m?sentinel_password=secret%ff", "written %25"),
            ("redis://a?sentinel_password=secret", "options for sentinels and names none"),
            ("redis+cluster://a,b?sentinel_password=secret", "options for sentinels"),
            ("http+sentinel://a/m", "malformed"),
        ] {
            let error = Topology::parse(url).map(drop).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(said) && !told.contains("secret"), "{url}: {told}");
        }
    }
}
