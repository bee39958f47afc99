//! Which column or element of a supplier's file holds which of our five fields.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A field we take from a supplier's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the import knows these five and no other")]
pub enum Field {
    /// The supplier's article number.
    Sku,
    /// The international article number on the package.
    Ean,
    /// How many the supplier has.
    StockQuantity,
    /// In how many days the supplier delivers.
    DeliveryDays,
    /// What the supplier charges.
    PurchasePrice,
}

impl Field {
    /// All of them; a field's place here is its place in every array of fields.
    pub const ALL: [Self; 5] =
        [Self::Sku, Self::Ean, Self::StockQuantity, Self::DeliveryDays, Self::PurchasePrice];

    /// Its name: in `--map`, in reports, and by default in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Ean => "ean",
            Self::StockQuantity => "stock_quantity",
            Self::DeliveryDays => "delivery_days",
            Self::PurchasePrice => "purchase_price",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|field| field.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("there is no field {text:?}; the fields are {known}")
        })
    }
}

/// The name in the file of each field, `None` for one that the file does not have.
///
/// Only `sku` or `ean` may be missing, and only one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    names: [Option<String>; 5],
}

impl Default for Mapping {
    /// Every field under its own name.
    fn default() -> Self {
        Self { names: Field::ALL.map(|field| Some(field.name().to_owned())) }
    }
}

impl Mapping {
    /// The default mapping with some entries replaced, as the command line gives them.
    ///
    /// # Errors
    ///
    /// When a required field is left out, or two fields are read from one column.
    pub fn with(entries: impl IntoIterator<Item = MapEntry>) -> Result<Self, String> {
        let mut mapping = Self::default();
        for entry in entries {
            mapping.names[entry.field as usize] = entry.name;
        }
        mapping.check()?;
        Ok(mapping)
    }

    /// What the field is called in the file.
    #[must_use]
    pub fn name(&self, field: Field) -> Option<&str> {
        self.names[field as usize].as_deref()
    }

    /// The fields that the file has, with their names.
    pub fn entries(&self) -> impl Iterator<Item = (Field, &str)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.name(field)?)))
    }

    fn check(&self) -> Result<(), String> {
        for field in [Field::StockQuantity, Field::DeliveryDays, Field::PurchasePrice] {
            if self.name(field).is_none() {
                return Err(format!("{field} cannot be left out of the mapping"));
            }
        }
        if self.name(Field::Sku).is_none() && self.name(Field::Ean).is_none() {
            return Err("sku and ean cannot both be left out of the mapping".to_owned());
        }
        for (place, (field, name)) in self.entries().enumerate() {
            if let Some((other, _)) = self.entries().take(place).find(|(_, n)| *n == name) {
                return Err(format!("{other} and {field} are both mapped to {name:?}"));
            }
        }
        Ok(())
    }
}

/// One `--map FIELD=NAME`; an empty name says that the file does not have the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapEntry {
    field: Field,
    name: Option<String>,
}

impl FromStr for MapEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((field, name)) = text.split_once('=') else {
            return Err(format!("{text:?} is not FIELD=NAME, such as sku=KOD"));
        };
        let name = name.trim();
        Ok(Self { field: field.trim().parse()?, name: (!name.is_empty()).then(|| name.to_owned()) })
    }
}
