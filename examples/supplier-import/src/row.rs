//! One row of a supplier's file: as it was read, and as it is once checked.

use serde::{Deserialize, Serialize};

use crate::ean;
use crate::fault::shown;
use crate::mapping::Field;
use crate::price::Price;

const MAX_SKU_CHARS: usize = 64;
const MAX_VALUE_CHARS: usize = 32;
const MAX_STOCK: u32 = 10_000_000;
const MAX_DELIVERY_DAYS: u32 = 365;

/// A row as it travels in a chunk job: where it begins in the file, and what was found there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawRow {
    /// The line the row begins at, from 1.
    pub line: u64,
    /// What was found.
    pub found: Found,
}

/// What was found where a row should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a row is whole or it is not")]
pub enum Found {
    /// The five values, in the order of [`Field::ALL`]; empty for a field the file does not have.
    Values([String; 5]),
    /// Something that cannot be a row, and why.
    Fault(String),
}

impl RawRow {
    /// A row of five values, or its fault if one of them is too long to travel.
    ///
    /// The bound keeps a chunk's payload below jobq's limit, whatever the file contains.
    pub(crate) fn of(line: u64, mut values: [String; 5]) -> Self {
        for (field, value) in Field::ALL.into_iter().zip(&mut values) {
            let trimmed = value.trim();
            if trimmed.len() != value.len() {
                *value = trimmed.to_owned();
            }
            let max = match field {
                Field::Sku => MAX_SKU_CHARS,
                _ => MAX_VALUE_CHARS,
            };
            if value.len() > max && value.chars().count() > max {
                return Self::fault(
                    line,
                    format!("{field} \"{}\" is longer than {max} characters", shown(value)),
                );
            }
        }
        Self { line, found: Found::Values(values) }
    }

    pub(crate) fn fault(line: u64, reason: impl Into<String>) -> Self {
        Self { line, found: Found::Fault(reason.into()) }
    }
}

/// A row that holds what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The line it begins at, from 1.
    pub line: u64,
    /// The supplier's article number; not empty.
    pub sku: Option<String>,
    /// The international article number, checked; a row has this, the sku, or both.
    pub ean: Option<String>,
    /// How many the supplier has.
    pub stock_quantity: u32,
    /// In how many days the supplier delivers.
    pub delivery_days: u32,
    /// What the supplier charges.
    pub purchase_price: Price,
}

impl Row {
    /// What is stored with the link, to the byte. Written by hand so that the price keeps its
    /// decimals; everything in it is a number, so nothing needs escaping.
    #[must_use]
    pub fn availability(&self, contractor_id: i64) -> String {
        format!(
            r#"{{"contractor_id":{contractor_id},"stock_quantity":{},"delivery_days":{},"purchase_price":{}}}"#,
            self.stock_quantity, self.delivery_days, self.purchase_price
        )
    }
}

/// A row that is not imported: where it begins, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The line the row begins at, from 1.
    pub line: u64,
    /// Which field, which value, what is wrong with it.
    pub reason: String,
}

/// Checks a row.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn check(raw: RawRow) -> Result<Row, Rejection> {
    let line = raw.line;
    let values = match raw.found {
        Found::Values(values) => values,
        Found::Fault(reason) => return Err(Rejection { line, reason }),
    };
    check_values(line, values).map_err(|reason| Rejection { line, reason })
}

fn check_values(line: u64, values: [String; 5]) -> Result<Row, String> {
    let [sku, ean, stock_quantity, delivery_days, purchase_price] = values;
    if sku.is_empty() && ean.is_empty() {
        return Err("sku and ean are both missing".to_owned());
    }
    if sku.contains(char::is_control) {
        return Err(format!("sku \"{}\" contains a control character", shown(&sku)));
    }
    let ean = if ean.is_empty() { None } else { Some(value(Field::Ean, &ean, ean::parse)?) };
    Ok(Row {
        line,
        sku: (!sku.is_empty()).then_some(sku),
        ean,
        stock_quantity: value(Field::StockQuantity, &stock_quantity, |text| {
            count(text, MAX_STOCK)
        })?,
        delivery_days: value(Field::DeliveryDays, &delivery_days, |text| {
            count(text, MAX_DELIVERY_DAYS)
        })?,
        purchase_price: value(Field::PurchasePrice, &purchase_price, Price::parse)?,
    })
}

fn value<T>(
    field: Field,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, String> {
    if text.is_empty() {
        return Err(format!("{field} is missing"));
    }
    parse(text).map_err(|why| format!("{field} \"{}\" {why}", shown(text)))
}

fn count(text: &str, max: u32) -> Result<u32, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a whole number".to_owned());
    }
    if digits.len() != text.len() {
        return Err("is negative".to_owned());
    }
    // Only digits, so it can fail in one way.
    match digits.parse() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(format!("is more than {max}")),
    }
}
