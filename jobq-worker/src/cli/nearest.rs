//! "Did you mean …?"

/// Ends a message about an unknown word: with the candidate it was probably meant to be, or else with
/// all of them.
pub(super) fn hint(word: &str, candidates: &[&str]) -> String {
    // One slip in three letters is a typo; more is another word.
    let limit = (word.chars().count() / 3).max(1);
    let nearest = candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min();
    match nearest {
        Some((_, candidate)) => format!("did you mean {candidate:?}?"),
        None if candidates.is_empty() => "there are none".to_owned(),
        None => format!("there are {}", candidates.join(", ")),
    }
}

/// How many letters must be added, removed or replaced to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    // Distances from the letters of `one` read so far to each beginning of `other`.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for letter in one.chars() {
        let mut diagonal = row[0];
        row[0] += 1;
        for (i, candidate) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != candidate);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_gets_the_nearest_word_and_anything_else_gets_all() {
        assert_eq!(hint("concurency", &["rate", "concurrency"]), "did you mean \"concurrency\"?");
        assert_eq!(hint("colour", &["rate", "weight"]), "there are rate, weight");
        assert_eq!(hint("colour", &[]), "there are none");
    }
}
