//! "Did you mean …?"

use jobq_core::nearest::nearest;

/// Ends a message about an unknown word: with the candidate it was probably meant to be, or else with
/// all of them.
pub(super) fn hint(word: &str, candidates: &[&str]) -> String {
    // Of two letters, half would be left to guess.
    let near =
        if word.chars().count() < 3 { None } else { nearest(word, candidates.iter().copied()) };
    match near {
        Some(candidate) => format!("did you mean {candidate:?}?"),
        None if candidates.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", candidates.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_the_nearest_word_and_anything_else_gets_all() {
        assert_eq!(hint("concurency", &["rate", "concurrency"]), "did you mean \"concurrency\"?");
        assert_eq!(hint("corn", &["every", "cron"]), "did you mean \"cron\"?");
        assert_eq!(hint("colour", &["rate", "weight"]), "there are rate, weight");
        assert_eq!(hint("colour", &[]), "there are none");
        assert_eq!(hint("a", &["0", "mail"]), "there are 0, mail");
        assert_eq!(hint("b", &["b-2"]), "there are b-2");
    }
}
