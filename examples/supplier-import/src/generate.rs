//! Writes supplier files that look like real ones: the same arguments give the same bytes.

use std::io::{self, Write};

use crate::catalogue::Product;
use crate::mapping::Field;
use crate::rows::Format;

/// Every so many rows one is of a product we do not have.
pub const UNMATCHED_EVERY: u64 = 100;
/// The numbers of products we do not have begin here.
const UNKNOWN: u64 = 500_000_000;

/// What to write.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the command line")]
pub struct Recipe {
    /// How many rows, bad ones included.
    pub rows: u64,
    /// How many of them are malformed, spread evenly.
    pub bad: u64,
    /// Stock, prices and delivery days follow from it.
    pub seed: u64,
    /// The format.
    pub format: Format,
}

impl Recipe {
    /// Writes the file, row by row.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Format::Csv => {
                writeln!(out, "sku,ean,stock_quantity,delivery_days,purchase_price,name")?
            }
            Format::Xml => writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<products>")?,
        }
        let mut random = fastrand::Rng::with_seed(self.seed);
        for number in 1..=self.rows {
            let mut line = Line::good(number, &mut random);
            if let Some(nth) = self.nth_bad(number) {
                line.spoil(nth);
            }
            match self.format {
                Format::Csv => line.write_csv(out)?,
                Format::Xml => line.write_xml(out)?,
            }
        }
        if self.format == Format::Xml {
            writeln!(out, "</products>")?;
        }
        out.flush()
    }

    /// If the row is to be bad: which of the bad ones it is.
    fn nth_bad(&self, number: u64) -> Option<u64> {
        let up_to = |number: u64| {
            let bad = u128::from(number) * u128::from(self.bad.min(self.rows));
            (bad / u128::from(self.rows)) as u64
        };
        (up_to(number) > up_to(number - 1)).then(|| up_to(number))
    }
}

struct Line {
    values: [String; 5],
    name: String,
}

impl Line {
    fn good(number: u64, random: &mut fastrand::Rng) -> Self {
        let product = if number.is_multiple_of(UNMATCHED_EVERY) {
            Product::nth(UNKNOWN + number)
        } else {
            Product::nth(number)
        };
        // Some suppliers' rows lack one of the two numbers, never both.
        let (sku, ean) = match random.u32(..50) {
            0 => (String::new(), product.ean),
            1 => (product.sku, String::new()),
            _ => (product.sku, product.ean),
        };
        let stock = if random.u32(..4) == 0 { 0 } else { random.u32(1..500) };
        let (units, cents) = (random.u32(1..2_000), random.u32(..100));
        Self {
            values: [
                sku,
                ean,
                stock.to_string(),
                random.u32(1..15).to_string(),
                format!("{units}.{cents:02}"),
            ],
            name: product.name,
        }
    }

    /// Makes one value impossible.
    fn spoil(&mut self, nth: u64) {
        let (field, value) = match nth % 7 {
            0 => (Field::StockQuantity, "brak"),
            1 => (Field::StockQuantity, "-4"),
            2 => (Field::PurchasePrice, "12.3.4"),
            3 => (Field::PurchasePrice, "99999999.00"),
            4 => (Field::Ean, "5901234123450"),
            5 => (Field::DeliveryDays, ""),
            _ => {
                self.values[Field::Ean as usize].clear();
                (Field::Sku, "")
            }
        };
        value.clone_into(&mut self.values[field as usize]);
    }

    fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        for value in &self.values {
            write!(out, "{value},")?;
        }
        writeln!(out, "\"{}\"", self.name.replace('"', "\"\""))
    }

    fn write_xml(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "  <product>")?;
        for (field, value) in Field::ALL.into_iter().zip(&self.values) {
            writeln!(out, "    <{field}>{value}</{field}>")?;
        }
        let name = quick_xml::escape::escape(&self.name);
        writeln!(out, "    <name>{name}</name>\n  </product>")
    }
}
