//! Invented products: the same number is always the same product, so that a generated file and a
//! seeded database match without knowing of each other.

use serde::Serialize;

use crate::ean::check_digit;

const BRANDS: [&str; 12] = [
    "Łuczyk",
    "Żubr Tools",
    "Gräf & Söhne",
    "Bosque",
    "Świt",
    "Kowalska",
    "Ångström",
    "Čapek",
    "Nordwind",
    "Émile",
    "Wisła",
    "Tarnina",
];
const THINGS: [&str; 12] = [
    "wiertarka udarowa",
    "czajnik 1,7 l",
    "lampa biurkowa",
    "młotek 500 g",
    "kabel USB-C 2 m",
    "żelazko parowe",
    "taśma \"Duo\"",
    "zestaw śrub M6",
    "plecak 25 l",
    "kółko Ø 80",
    "farba biała 5 l",
    "nóż kuchenny",
];
const GROUPS: [&str; 6] = ["AGD", "NRZ", "ELK", "DOM", "BIU", "OGR"];

/// A product of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Product {
    /// Its key, from 1.
    pub id: u64,
    /// Our article number, and the supplier's.
    pub sku: String,
    /// Its EAN-13.
    pub ean: String,
    /// What people call it.
    pub name: String,
}

impl Product {
    /// The product with this number, from 1.
    #[must_use]
    pub fn nth(id: u64) -> Self {
        let pick = |stride: u64, count: usize| (id.wrapping_mul(stride) >> 7) as usize % count;
        let brand = BRANDS[pick(2_654_435_761, BRANDS.len())];
        let thing = THINGS[pick(40_503, THINGS.len())];
        let group = GROUPS[pick(97, GROUPS.len())];
        // 590 is Poland's prefix; nine digits are room for a billion products.
        let body = format!("590{:09}", id % 1_000_000_000);
        let check = char::from(check_digit(&body));
        Self {
            id,
            sku: format!("{group}-{id:07}"),
            ean: format!("{body}{check}"),
            name: format!("{brand} {thing}"),
        }
    }
}
