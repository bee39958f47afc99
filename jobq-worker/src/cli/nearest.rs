//! "Did you mean …?"

/// Ends a message about an unknown word: with the candidate it was probably meant to be, or else with
/// all of them.
pub(super) fn hint(word: &str, candidates: &[&str]) -> String {
    // One slip in three letters is a typo; more is another word. Of two letters half is left to guess.
    let limit = word.chars().count() / 3;
    let nearest = candidates
        .iter()
        .filter(|_| limit > 0)
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    match nearest {
        Some((_, candidate)) => format!("did you mean {candidate:?}?"),
        None if candidates.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", candidates.join(", ")),
    }
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to make one word the
/// other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Distances from what of `one` was read before the last letter, and with it, to each beginning of `other`.
    let mut last: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, candidate) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(letter != candidate);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *candidate && *letter == other[j - 1] {
                least = least.min(last[j - 1] + 1);
            }
            next.push(least);
        }
        (last, row) = (row, next);
    }
    row[other.len()]
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
