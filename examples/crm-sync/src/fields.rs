//! What a record says, in our own words. Each provider has its own.

use serde::{Deserialize, Serialize};

use crate::entity::Entity;
use crate::ids::RecordId;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a provider must have words for each")]
pub enum Fields {
    /// Of a customer.
    Customer(Customer),
    /// Of a product.
    Product(Product),
    /// Of a sale.
    Sale(Sale),
    /// Of an activity.
    Activity(Activity),
}

/// Somebody who buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by shops and providers")]
pub struct Customer {
    /// In full.
    pub name: String,
    /// Where to write to.
    pub email: String,
    /// Where to call.
    pub phone: Option<String>,
}

/// Something that is sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by shops and providers")]
pub struct Product {
    /// The article's number.
    pub sku: String,
    /// What it is called.
    pub title: String,
    /// In hundredths of the store's currency: money is never a float.
    pub price_cents: i64,
}

/// A purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by shops and providers")]
pub struct Sale {
    /// The number on the invoice.
    pub number: String,
    /// Who bought.
    pub customer: RecordId,
    /// In hundredths of the store's currency.
    pub total_cents: i64,
    /// The day, as `2026-11-22`.
    pub sold_on: String,
}

/// Something that was done about a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by shops and providers")]
pub struct Activity {
    /// About whom.
    pub customer: RecordId,
    /// A call, a visit, a letter.
    pub sort: String,
    /// What was said.
    pub note: String,
    /// The day, as `2026-11-22`.
    pub done_on: String,
}

impl Fields {
    /// What they are fields of.
    #[must_use]
    pub const fn entity(&self) -> Entity {
        match self {
            Self::Customer(_) => Entity::Customer,
            Self::Product(_) => Entity::Product,
            Self::Sale(_) => Entity::Sale,
            Self::Activity(_) => Entity::Activity,
        }
    }

    /// The form in which they are kept.
    pub(crate) fn to_json(&self) -> String {
        let json = match self {
            Self::Customer(fields) => serde_json::to_string(fields),
            Self::Product(fields) => serde_json::to_string(fields),
            Self::Sale(fields) => serde_json::to_string(fields),
            Self::Activity(fields) => serde_json::to_string(fields),
        };
        // Texts and numbers always have a JSON form.
        json.unwrap_or_default()
    }

    pub(crate) fn from_json(entity: Entity, json: &str) -> serde_json::Result<Self> {
        Ok(match entity {
            Entity::Customer => Self::Customer(serde_json::from_str(json)?),
            Entity::Product => Self::Product(serde_json::from_str(json)?),
            Entity::Sale => Self::Sale(serde_json::from_str(json)?),
            Entity::Activity => Self::Activity(serde_json::from_str(json)?),
        })
    }
}

/// `1250` as `12.50`.
pub(crate) fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// `12.50` as `1250`; also `12` and `12.5`. `None` for what would lose something.
pub(crate) fn cents(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 2 {
        return None;
    }
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(part)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_back_to_the_cent() {
        for (number, text) in [(0, "0.00"), (5, "0.05"), (1_250, "12.50"), (-305, "-3.05")] {
            assert_eq!(money(number), text);
            assert_eq!(cents(text), Some(number));
        }
        assert_eq!((cents("12"), cents("12.5")), (Some(1_200), Some(1_250)));
    }

    #[test]
    fn what_is_no_money_is_not_guessed_at() {
        for text in
            ["", ".", "1.", ".5", "1.234", "1,50", "1e3", "+1", " 1", "99999999999999999999"]
        {
            assert_eq!(cents(text), None, "{text:?}");
        }
    }
}
