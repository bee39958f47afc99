//! The rows of a supplier's file, one at a time and in bounded memory, whatever its format.

mod csv_input;
mod csv_rows;
mod xml_input;
mod xml_rows;

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek};

use serde::{Deserialize, Serialize};

use crate::fault::FileFault;
use crate::mapping::Mapping;
use crate::row::RawRow;
use csv_rows::CsvRows;
use xml_rows::XmlRows;

/// No row is longer than this: what looks longer is an opening quote that is never closed, and would
/// otherwise take the rest of the file into memory.
const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// How a supplier's file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the import reads these two")]
pub enum Format {
    /// A header line, then one line a row (RFC 4180 with any delimiter).
    Csv,
    /// One element a row, one element in it for each field.
    Xml,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csv => "CSV",
            Self::Xml => "XML",
        })
    }
}

/// How to read a supplier's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by whoever starts an import")]
pub struct Layout {
    /// The format; `None` to go by the file's first character.
    pub format: Option<Format>,
    /// What our fields are called in the file.
    pub mapping: Mapping,
    /// What separates the columns of a CSV file: one ASCII character.
    pub delimiter: u8,
    /// The most rows to read; the rest of the file is not looked at.
    pub limit: Option<u64>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { format: None, mapping: Mapping::default(), delimiter: b',', limit: None }
    }
}

/// The rows of a file, good and bad ones, from the top.
///
/// Ends with the first [`FileFault`].
#[derive(Debug)]
pub struct Rows {
    rows: AnyRows,
    left: u64,
    over: bool,
}

#[derive(Debug)]
enum AnyRows {
    Csv(Box<CsvRows<File>>),
    Xml(Box<XmlRows<File>>),
}

impl Rows {
    /// Opens a file of UTF-8 text (without a byte order mark, as [`spool`](crate::spool) leaves it) and
    /// reads as far as the first row.
    ///
    /// # Errors
    ///
    /// When the file is empty, or does not have the columns that the mapping names.
    pub fn open(mut file: File, layout: &Layout) -> Result<Self, FileFault> {
        file.rewind().map_err(|error| FileFault::from_io(&error))?;
        let format = match layout.format {
            Some(format) => format,
            None => sniff(&mut file)?,
        };
        let rows = match format {
            Format::Csv => AnyRows::Csv(Box::new(CsvRows::open(file, layout)?)),
            Format::Xml => AnyRows::Xml(Box::new(XmlRows::open(file, &layout.mapping)?)),
        };
        Ok(Self { rows, left: layout.limit.unwrap_or(u64::MAX), over: false })
    }

    /// The next row; `None` after the last one, or after as many as there should be.
    fn advance(&mut self) -> Result<Option<RawRow>, FileFault> {
        let row = match (&mut self.rows, self.left) {
            (_, 0) => None,
            (AnyRows::Csv(rows), _) => rows.next_row()?,
            (AnyRows::Xml(rows), _) => rows.next_row()?,
        };
        match (&row, &self.rows) {
            (Some(_), _) => self.left -= 1,
            (None, AnyRows::Xml(rows)) => rows.check_fields_seen()?,
            (None, AnyRows::Csv(_)) => {}
        }
        Ok(row)
    }
}

impl Iterator for Rows {
    type Item = Result<RawRow, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.advance().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// XML begins with `<`, and no sensible CSV header does.
fn sniff(file: &mut File) -> Result<Format, FileFault> {
    let mut format = None;
    for byte in BufReader::new(&mut *file).bytes() {
        let byte = byte.map_err(|error| FileFault::from_io(&error))?;
        if !byte.is_ascii_whitespace() {
            format = Some(if byte == b'<' { Format::Xml } else { Format::Csv });
            break;
        }
    }
    file.rewind().map_err(|error| FileFault::from_io(&error))?;
    format.ok_or_else(empty)
}

fn empty() -> FileFault {
    FileFault::new("the file is empty: there is not even a header")
}
