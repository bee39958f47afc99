//! The leads that somebody wants to change.

/// Numbers of leads, ascending, each once: all that touch leads lock them in the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadIds(Vec<i64>);

impl LeadIds {
    /// Sorts and merges a list, and says how many of its entries were repeats. Otherwise the first
    /// number that no lead can have.
    ///
    /// # Errors
    ///
    /// The number, when it is not positive.
    pub fn merge(mut ids: Vec<i64>) -> Result<(Self, usize), i64> {
        if let Some(wrong) = ids.iter().find(|id| **id < 1) {
            return Err(*wrong);
        }
        let given = ids.len();
        ids.sort_unstable();
        ids.dedup();
        let repeats = given - ids.len();
        Ok((Self(ids), repeats))
    }

    /// The leads of a list that was stored.
    pub(crate) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    pub(crate) fn to_json(&self) -> String {
        // Numbers always have a JSON form.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The numbers.
    #[must_use]
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }

    /// The chunks, and their numbers from 0.
    pub(crate) fn chunks(&self, leads: u64) -> impl Iterator<Item = (u64, &[i64])> {
        let leads = usize::try_from(leads).unwrap_or(usize::MAX).max(1);
        (0..).zip(self.0.chunks(leads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_merged_and_counted() {
        let (ids, repeats) = LeadIds::merge(vec![3, 1, 3, 2, 1]).unwrap();

        assert_eq!((ids.as_slice(), repeats), (&[1, 2, 3][..], 2));
        assert_eq!(LeadIds::from_json(&ids.to_json()).unwrap(), ids);
    }

    #[test]
    fn numbers_that_no_lead_has_are_refused() {
        for wrong in [0, -1, i64::MIN] {
            assert_eq!(LeadIds::merge(vec![1, wrong, 2]), Err(wrong));
        }
    }

    #[test]
    fn chunks_are_numbered() {
        let (ids, _) = LeadIds::merge((1..=5).collect()).unwrap();

        let chunks: Vec<_> = ids.chunks(2).collect();
        assert_eq!(chunks, [(0, &[1, 2][..]), (1, &[3, 4][..]), (2, &[5][..])]);
    }
}
