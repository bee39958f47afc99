//! How many there are of something, as people say it.

/// `1 job`, `3 jobs`: of what has a plural that ends in s.
pub(super) fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_one() {
        let told = [0, 1, 2].map(|number| count(number, "dead job"));
        assert_eq!(told, ["0 dead jobs", "1 dead job", "2 dead jobs"]);
    }
}
