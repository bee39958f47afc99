//! What a shop says of a product that suppliers have or have not: by their stock, and in whose words.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the shop's columns hold.
const MAX_TEXT_CHARS: usize = 255;
/// Stands for the days until a delivery.
const DAYS: &str = "{days}";

/// What one supplier says of a product: a part of `supplier_availability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, read from a column")]
pub struct Supply {
    /// How many the supplier has.
    pub stock_quantity: u32,
    /// In how many days the supplier delivers.
    pub delivery_days: u32,
}

/// Whether a product can be ordered that the shop itself does not have in stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "it can or it cannot")]
pub enum Availability {
    /// No supplier has enough of it: `out_of_stock` is 0.
    Denied,
    /// A supplier has: `out_of_stock` is 1.
    Allowed {
        /// In how many days the quickest of them delivers.
        days: u32,
    },
}

impl Availability {
    /// What follows from all supplies of a product, of which those of at least `min_stock` count.
    #[must_use]
    pub fn of(supplies: &[Supply], min_stock: u32) -> Self {
        let enough = supplies.iter().filter(|supply| supply.stock_quantity >= min_stock);
        match enough.map(|supply| supply.delivery_days).min() {
            Some(days) => Self::Allowed { days },
            None => Self::Denied,
        }
    }

    /// Whether it can be ordered.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// The words for availability: in all languages of the shop, and those of some in place of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    everywhere: Wording,
    languages: BTreeMap<u32, Wording>,
}

/// The words in a language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wording {
    now: String,
    later: String,
}

impl Default for Texts {
    /// "In stock", and "Delivery time: 3 d".
    fn default() -> Self {
        let later = format!("Delivery time: {DAYS} d");
        Self {
            everywhere: Wording { now: "In stock".to_owned(), later },
            languages: BTreeMap::new(),
        }
    }
}

impl Texts {
    /// The default words with some replaced: `available_now`, for a product that the shop has in stock, and
    /// `available_later`, for one that can be ordered, with `{days}` where the days until delivery go.
    #[must_use]
    pub fn with(
        available_now: impl IntoIterator<Item = TextEntry>,
        available_later: impl IntoIterator<Item = TextEntry>,
    ) -> Self {
        let mut texts = Self::default();
        let mut own: BTreeMap<u32, (Option<String>, Option<String>)> = BTreeMap::new();
        for TextEntry { language, text } in available_now {
            match language {
                None => texts.everywhere.now = text,
                Some(id) => own.entry(id).or_default().0 = Some(text),
            }
        }
        for TextEntry { language, text } in available_later {
            match language {
                None => texts.everywhere.later = text,
                Some(id) => own.entry(id).or_default().1 = Some(text),
            }
        }
        for (id, (now, later)) in own {
            let Wording { now: same_now, later: same_later } = texts.everywhere.clone();
            let wording =
                Wording { now: now.unwrap_or(same_now), later: later.unwrap_or(same_later) };
            texts.languages.insert(id, wording);
        }
        texts
    }

    /// What is written, and for which languages.
    pub(crate) fn of(&self, availability: Availability) -> Vec<Text> {
        let others = self.languages.keys().map(|id| i64::from(*id)).collect();
        let mut texts = vec![self.everywhere.text(Languages::AllBut(others), availability)];
        for (id, wording) in &self.languages {
            texts.push(wording.text(Languages::One(*id), availability));
        }
        texts
    }
}

impl Wording {
    fn text(&self, languages: Languages, availability: Availability) -> Text {
        let later = match availability {
            // There is nothing to promise.
            Availability::Denied => String::new(),
            Availability::Allowed { days } => self.later.replace(DAYS, &days.to_string()),
        };
        Text { languages, now: self.now.clone(), later }
    }
}

/// What is written for some languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) languages: Languages,
    pub(crate) now: String,
    pub(crate) later: String,
}

/// Languages, by the shop's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Languages {
    AllBut(Vec<i64>),
    One(u32),
}

/// One `[LANGUAGE=]TEXT` of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextEntry {
    language: Option<u32>,
    text: String,
}

impl FromStr for TextEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (language, text) = match text.split_once('=') {
            Some((id, rest)) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                let id = id.parse().map_err(|_| format!("there is no language {id}"))?;
                (Some(id), rest)
            }
            _ => (None, text),
        };
        // The days never take more room than the mark they replace.
        if text.chars().count() > MAX_TEXT_CHARS {
            return Err(format!("the shop has room for {MAX_TEXT_CHARS} characters"));
        }
        if text.contains(char::is_control) {
            return Err("the text contains a control character".to_owned());
        }
        Ok(Self { language, text: text.to_owned() })
    }
}

/// What the shop was told of a product, as it is kept in `metadata.last_availability`.
#[derive(Serialize)]
pub(crate) struct Told<'a> {
    /// Another shop has not been told.
    shop: &'a str,
    out_of_stock: u8,
    available_now: &'a str,
    available_later: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    languages: BTreeMap<u32, [&'a str; 2]>,
}

/// The JSON that says what the shop is told.
pub(crate) fn told(shop: &str, availability: Availability, texts: &Texts) -> serde_json::Value {
    let written = texts.of(availability);
    let languages = written.iter().filter_map(|text| match text.languages {
        Languages::One(id) => Some((id, [text.now.as_str(), text.later.as_str()])),
        Languages::AllBut(_) => None,
    });
    let everywhere = &written[0];
    serde_json::json!(Told {
        shop,
        out_of_stock: u8::from(availability.is_allowed()),
        available_now: &everywhere.now,
        available_later: &everywhere.later,
        languages: languages.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn supply(stock_quantity: u32, delivery_days: u32) -> Supply {
        Supply { stock_quantity, delivery_days }
    }

    #[test]
    fn a_product_can_be_ordered_from_the_threshold_on() {
        assert_eq!(Availability::of(&[supply(19, 2)], 20), Availability::Denied);
        assert_eq!(Availability::of(&[supply(20, 2)], 20), Availability::Allowed { days: 2 });
        assert_eq!(Availability::of(&[], 0), Availability::Denied);
    }

    #[test]
    fn of_several_suppliers_the_quickest_that_has_enough_counts() {
        let supplies = [supply(19, 1), supply(500, 9), supply(20, 4)];

        assert_eq!(Availability::of(&supplies, 20), Availability::Allowed { days: 4 });
    }

    #[test]
    fn a_language_has_its_own_words_where_they_are_given() {
        let entry = |text: &str| text.parse::<TextEntry>().unwrap();

        let texts = Texts::with([entry("Na stanie")], [entry("2=in {days} days")]);

        let allowed = texts.of(Availability::Allowed { days: 3 });
        let said: Vec<_> = allowed.iter().map(|t| (t.now.as_str(), t.later.as_str())).collect();
        assert_eq!(said, [("Na stanie", "Delivery time: 3 d"), ("Na stanie", "in 3 days")]);
        assert_eq!(allowed[0].languages, Languages::AllBut(vec![2]));
        assert!(texts.of(Availability::Denied).iter().all(|text| text.later.is_empty()));
    }

    #[test]
    fn a_text_that_has_no_room_in_the_shop_is_refused() {
        assert!("x".repeat(255).parse::<TextEntry>().is_ok());
        assert!("x".repeat(256).parse::<TextEntry>().is_err());
        assert!("2=a\nb".parse::<TextEntry>().is_err());
    }
}
