//! "Did you mean …?"

/// The candidate that a word was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in three letters is a typo; more is another word. The same limit as rustc's.
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to make one word the
/// other. Whether they are small or capital is all one.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // Distances from what of `one` was read before the last letter, and with it, to each beginning of `other`.
    let mut last: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, candidate) in other.iter().enumerate() {
            let replaced = row[j] + usize::from(!letter.eq_ignore_ascii_case(candidate));
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0
                && j > 0
                && letter.eq_ignore_ascii_case(&other[j - 1])
                && one[i - 1].eq_ignore_ascii_case(candidate)
            {
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
    fn distance_counts_single_letters() {
        assert_eq!(distance("queue", "queue"), 0);
        assert_eq!(distance("quue", "queue"), 1);
        assert_eq!(distance("qeuue", "queue"), 1);
        assert_eq!(distance("Queue", "queue"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "kind"), 4);
    }

    #[test]
    fn a_typo_gets_the_nearest_word_and_anything_else_none() {
        let zones = ["Europe/Paris", "Europe/Warsaw"];

        assert_eq!(nearest("Europe/Warsa", zones), Some("Europe/Warsaw"));
        assert_eq!(nearest("europe/pairs", zones), Some("Europe/Paris"));
        assert_eq!(nearest("Moon", zones), None);
    }
}
