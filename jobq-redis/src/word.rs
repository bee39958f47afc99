//! What sentinels say, and which of several to believe.

use std::cmp::Reverse;
use std::net::IpAddr;

use redis::{ConnectionAddr, ConnectionInfo};

/// What one sentinel says.
#[derive(Clone)]
pub(crate) struct Word {
    /// Where the master is.
    pub(crate) server: ConnectionInfo,
    /// How new that is: it grows with each failover. `None` if its user may not know.
    pub(crate) epoch: Option<u64>,
}

/// The newest word; of words of one age that of the most, and then the one that was believed before. One that has
/// come back with an old configuration does not know of a failover yet, and most do not for two seconds after one.
pub(crate) fn believed<'a>(words: &'a [Word], before: Option<&ConnectionInfo>) -> Option<&'a Word> {
    let all_tell = words.iter().all(|word| word.epoch.is_some());
    let weight = |(nth, word): &(usize, &Word)| {
        let epoch = word.epoch.filter(|_| all_tell);
        let is_known = before.is_some_and(|before| is_same_place(before, &word.server));
        (epoch, votes(words, word), is_known, Reverse(*nth))
    };
    words.iter().enumerate().max_by_key(weight).map(|(_, word)| word)
}

/// How many at most say the same.
pub(crate) fn agreeing(words: &[Word]) -> usize {
    words.iter().map(|word| votes(words, word)).max().unwrap_or(0)
}

fn votes(words: &[Word], word: &Word) -> usize {
    words.iter().filter(|other| is_same_place(&other.server, &word.server)).count()
}

/// Whether two addresses are written differently at most.
pub(crate) fn is_same_place(one: &ConnectionInfo, other: &ConnectionInfo) -> bool {
    let site = |info: &ConnectionInfo| match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            let host =
                host.parse().map_or(host, |address: IpAddr| address.to_canonical().to_string());
            Some((host, *port))
        }
        _ => None,
    };
    match (site(one), site(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.addr() == other.addr(),
    }
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    fn server(place: &str) -> ConnectionInfo {
        format!("redis://{place}").into_connection_info().unwrap()
    }

    fn word(place: &str, epoch: impl Into<Option<u64>>) -> Word {
        Word { server: server(place), epoch: epoch.into() }
    }

    fn told(words: &[Word], before: Option<&str>) -> String {
        let before = before.map(server);
        believed(words, before.as_ref()).unwrap().server.addr().to_string()
    }

    #[test]
    fn the_newest_word_is_believed_though_it_is_alone() {
        let words = [word("a:1", 3), word("b:1", 4), word("a:1", 3)];

        assert_eq!(told(&words, Some("a:1")), "b:1");
    }

    #[test]
    fn among_words_of_one_age_most_are_right() {
        for epoch in [Some(0), None] {
            let words = [word("a:1", epoch), word("b:1", epoch), word("b:1", epoch)];
            assert_eq!(told(&words, Some("a:1")), "b:1");
        }
        // One alone tells how old its word is, which can be compared to nothing.
        let words = [word("a:1", 9), word("b:1", None), word("b:1", None)];
        assert_eq!(told(&words, None), "b:1");
    }

    #[test]
    fn two_that_contradict_each_other_change_nothing() {
        let words = [word("a:1", 0), word("b:1", 0)];

        assert_eq!(told(&words, Some("b:1")), "b:1");
        assert_eq!(told(&words, Some("c:1")), "a:1");
        assert_eq!((agreeing(&words), agreeing(&[])), (1, 0));
        assert_eq!(told(&words[1..], Some("a:1")), "b:1", "one alone is believed");
        assert!(believed(&[], None).is_none());
    }

    #[test]
    fn an_address_may_be_written_in_several_ways() {
        for (one, other) in [
            ("Redis.example:1", "redis.example.:1"),
            ("[::1]:1", "[0:0::0:1]:1"),
            ("[::ffff:10.0.0.1]:1", "10.0.0.1:1"),
        ] {
            assert!(is_same_place(&server(one), &server(other)), "{one}, {other}");
        }
        assert!(!is_same_place(&server("a:1"), &server("a:2")));
    }
}
