//! "Did you mean …?"

/// The candidate that a word was probably meant to be.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    // One slip in four letters is a typo; more is another word.
    let limit = (word.chars().count() / 4).max(1);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, removed or replaced to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    // Distances from the letters of `one` read so far to each beginning of `other`.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for letter in one.chars() {
        let mut diagonal = row[0];
        row[0] += 1;
        for (i, candidate) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(&candidate));
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
    fn a_typo_gets_the_nearest_word_and_anything_else_none() {
        let zones = || ["Europe/Paris", "Europe/Warsaw"].into_iter();

        assert_eq!(nearest("Europe/Warsa", zones()), Some("Europe/Warsaw"));
        assert_eq!(nearest("Moon", zones()), None);
    }
}
