//! Names of kinds and queues.

/// The longest name, in bytes.
const MAX_LEN: usize = 100;

/// Why a name is refused, or `None` if it is fine.
///
/// The rules of `jobq_core::Kind` and `jobq_core::QueueName`, which cannot be called from here:
/// they are in the crate that depends on this one.
pub(crate) fn fault(name: &str) -> Option<&'static str> {
    let may_start = |c: char| c.is_ascii_alphanumeric();
    let may_follow = |c: char| may_start(c) || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > MAX_LEN {
        Some("is longer than 100 bytes")
    } else if !name.starts_with(may_start) {
        Some("must start with a letter or a digit")
    } else if !name.chars().all(may_follow) {
        Some("may hold only ASCII letters, digits, '.', '_' and '-'")
    } else {
        None
    }
}

/// The kind of a type that does not name one: `SendWelcome` is `send_welcome`, `HTTPFetch` is
/// `http_fetch`.
///
/// Stored jobs are found by it: this must give the same name for ever.
pub(crate) fn snake_case(type_name: &str) -> String {
    let letters: Vec<char> = type_name.chars().collect();
    let mut snake = String::new();
    for (i, &letter) in letters.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| letters[i]);
        let after = letters.get(i + 1);
        let ends_a_word = before.is_some_and(|c| c.is_lowercase() || c.is_numeric());
        // The F of `HTTPFetch`: the last capital of several begins the next word.
        let ends_an_acronym =
            before.is_some_and(char::is_uppercase) && after.is_some_and(|c| c.is_lowercase());
        if letter.is_uppercase() && (ends_a_word || ends_an_acronym) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snake_case_begins_a_word_at_each_capital_but_keeps_acronyms_whole() {
        for (type_name, kind) in [
            ("SendWelcome", "send_welcome"),
            ("HTTPFetch", "http_fetch"),
            ("FetchHTTP", "fetch_http"),
            ("Sync2Crm", "sync2_crm"),
            ("SHA256Sum", "sha256_sum"),
            ("Utf8", "utf8"),
            ("AB", "ab"),
            ("A", "a"),
            ("already_snake", "already_snake"),
            ("Mixed_Case", "mixed_case"),
        ] {
            assert_eq!(snake_case(type_name), kind);
        }
    }

    // The same names as in the tests of `jobq-core/src/name.rs`.
    #[test]
    fn the_rules_are_those_of_the_core() {
        for name in ["default", "crm.sync", "send_welcome", "a-1", "7up", &"x".repeat(100)] {
            assert_eq!(fault(name), None, "{name:?}");
        }
        for name in ["", " ", "a b", "a:b", "{a}", "a/b", "é", ".a", "-a", &"x".repeat(101)] {
            assert!(fault(name).is_some(), "{name:?}");
        }
    }
}
