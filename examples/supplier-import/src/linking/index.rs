//! Products by their numbers.

use std::collections::HashMap;

/// Products that may be found by article number or EAN, neither of which need be the only one of its kind.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_sku: HashMap<String, Vec<i64>>,
    by_ean: HashMap<String, Vec<i64>>,
}

/// What is found under two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    One {
        product: i64,
        /// What only the EAN belongs to, if that is something else.
        by_ean: Option<i64>,
    },
    /// Several, and why.
    Several(String),
}

impl Index {
    pub(super) fn add(&mut self, product: i64, sku: Option<&str>, ean: Option<&str>) {
        for (index, number) in [(&mut self.by_sku, sku), (&mut self.by_ean, ean)] {
            if let Some(number) = number.filter(|number| !number.is_empty()) {
                index.entry(number.to_owned()).or_default().push(product);
            }
        }
    }

    /// By the article number, or else by the EAN.
    pub(super) fn find(&self, sku: Option<&str>, ean: Option<&str>) -> Found {
        let under = |index: &'_ HashMap<String, Vec<i64>>, number: Option<&str>| {
            number.and_then(|number| index.get(number)).cloned().unwrap_or_default()
        };
        let (by_sku, by_ean) = (under(&self.by_sku, sku), under(&self.by_ean, ean));
        match (by_sku.as_slice(), by_ean.as_slice()) {
            ([], []) => Found::Nothing,
            ([product], [other]) if product != other => {
                Found::One { product: *product, by_ean: Some(*other) }
            }
            ([product], _) | ([], [product]) => Found::One { product: *product, by_ean: None },
            ([], several) => Found::Several(of_several("ean", ean, several)),
            (several, _) => Found::Several(of_several("sku", sku, several)),
        }
    }
}

fn of_several(what: &str, number: Option<&str>, products: &[i64]) -> String {
    const SHOWN: usize = 5;
    let mut ids: Vec<String> = products.iter().take(SHOWN).map(i64::to_string).collect();
    if products.len() > SHOWN {
        ids.push("…".to_owned());
    }
    let (number, count) = (number.unwrap_or_default(), products.len());
    format!("{what} \"{number}\" belongs to {count} products: {}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_article_number_goes_before_the_ean() {
        let mut index = Index::default();
        index.add(1, Some("A"), Some("111"));
        index.add(2, Some("B"), Some("222"));

        let one = |product, by_ean| Found::One { product, by_ean };
        assert_eq!(index.find(Some("A"), Some("111")), one(1, None));
        assert_eq!(index.find(Some("A"), Some("222")), one(1, Some(2)));
        assert_eq!(index.find(Some("X"), Some("222")), one(2, None));
        assert_eq!(index.find(None, Some("333")), Found::Nothing);
        assert_eq!(index.find(None, None), Found::Nothing);
    }

    #[test]
    fn a_number_of_several_products_tells_nothing() {
        let mut index = Index::default();
        index.add(1, Some("A"), Some("111"));
        index.add(2, Some("A"), Some("111"));
        index.add(3, Some("C"), Some("111"));
        index.add(4, Some(""), Some(""));

        assert!(matches!(index.find(Some("A"), None), Found::Several(_)));
        assert!(matches!(index.find(Some("X"), Some("111")), Found::Several(_)));
        assert_eq!(index.find(Some("C"), Some("111")), Found::One { product: 3, by_ean: None });
        assert_eq!(index.find(Some(""), Some("")), Found::Nothing);
    }
}
