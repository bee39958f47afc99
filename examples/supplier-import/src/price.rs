//! Prices: exact, in ten-thousandths, because suppliers quote up to four decimals.

use std::fmt;

const PER_UNIT: u64 = 10_000;
const DECIMALS: usize = 4;

/// The highest price we believe. Above it a column has been mixed up: it is longer than any price
/// and shorter than any EAN.
const MAX: Price = Price(1_000_000 * PER_UNIT);

/// A price that is neither negative nor absurd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// A price in hundredths of its currency's unit.
    #[must_use]
    pub const fn from_cents(cents: u32) -> Self {
        Self(cents as u64 * (PER_UNIT / 100))
    }

    /// Reads `12`, `12.3`, `12.3456` or the same with a decimal comma; but three digits behind a comma,
    /// as in `1,234`, may as well be thousands, and a guess would be wrong by a factor of 1,000.
    ///
    /// # Errors
    ///
    /// Says why it is no price.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(amount) = text.strip_prefix('-')
            && amount.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err("is negative".to_owned());
        }
        let (units, decimals) = text.split_once(['.', ',']).unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(units) || !digits(decimals) {
            return Err("is not a price such as 12.30".to_owned());
        }
        if decimals.len() == 3 && text.contains(',') {
            return Err(format!(
                "may mean thousands or three decimals: write {units}{decimals} or {units}.{decimals}0"
            ));
        }
        if decimals.len() > DECIMALS {
            return Err(format!("has more than {DECIMALS} decimals"));
        }
        let too_high = || "is more than 1,000,000.00".to_owned();
        let units: u64 = units.parse().map_err(|_| too_high())?;
        // At most four digits, padded to four.
        let fraction: u64 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| too_high())?;
        let price = units
            .checked_mul(PER_UNIT)
            .and_then(|units| units.checked_add(fraction))
            .map(Self)
            .ok_or_else(too_high)?;
        if price > MAX { Err(too_high()) } else { Ok(price) }
    }
}

impl fmt::Display for Price {
    /// Two decimals, or as many as it needs: a JSON number, written without ever being a float.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (units, fraction) = (self.0 / PER_UNIT, self.0 % PER_UNIT);
        let decimals = format!("{fraction:0DECIMALS$}");
        let shown = decimals.trim_end_matches('0').len().max(2);
        write!(f, "{units}.{}", &decimals[..shown])
    }
}
