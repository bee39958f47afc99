//! "Did you mean …?"

/// Ends a message about an unknown word: with the candidate it was probably meant to be, or else
/// with all of them.
pub(crate) fn hint<T: AsRef<str>>(word: &str, candidates: &[T]) -> String {
    let candidates: Vec<&str> = candidates.iter().map(AsRef::as_ref).collect();
    if let Some(nearest) = nearest(word, &candidates) {
        return format!("did you mean `{nearest}`?");
    }
    if candidates.is_empty() {
        return "there are none".to_owned();
    }
    format!("there are `{}`", candidates.join("`, `"))
}

fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // One slip in three letters is a typo; more is another word. The same limit as rustc's.
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
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
    fn distance_counts_single_letters() {
        assert_eq!(distance("queue", "queue"), 0);
        assert_eq!(distance("quue", "queue"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "kind"), 4);
    }

    #[test]
    fn a_typo_gets_the_nearest_word_and_anything_else_gets_all() {
        assert_eq!(hint("max_attempt", &["max_attempts", "kind"]), "did you mean `max_attempts`?");
        assert_eq!(hint("colour", &["queue", "kind"]), "there are `queue`, `kind`");
        assert_eq!(hint::<&str>("colour", &[]), "there are none");
    }
}
