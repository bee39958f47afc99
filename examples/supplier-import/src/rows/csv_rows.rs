//! The rows of a CSV file.

use std::io::Read;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::csv_input::{CsvInput, END};
use super::{Layout, empty};
use crate::fault::{FileFault, listed};
use crate::mapping::{Field, Mapping};
use crate::row::RawRow;

/// The rows after the header.
#[derive(Debug)]
pub(super) struct CsvRows<R> {
    reader: Reader<CsvInput<R>>,
    record: StringRecord,
    columns: Columns,
}

impl<R: Read> CsvRows<R> {
    pub(super) fn open(file: R, layout: &Layout) -> Result<Self, FileFault> {
        let mut reader = ReaderBuilder::new()
            .delimiter(layout.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(64 * 1024)
            .from_reader(CsvInput::new(file));
        let mut record = StringRecord::new();
        let Some(line) = read(&mut reader, &mut record)? else {
            return Err(empty());
        };
        let columns =
            Columns::of(&record, layout).map_err(|message| FileFault::at(line, message))?;
        Ok(Self { reader, record, columns })
    }

    pub(super) fn next_row(&mut self) -> Result<Option<RawRow>, FileFault> {
        loop {
            let Some(line) = read(&mut self.reader, &mut self.record)? else {
                return Ok(None);
            };
            // Spreadsheets leave lines of nothing but delimiters below their tables.
            if self.record.iter().any(|value| !value.trim().is_empty()) {
                return self.row(line).map(Some);
            }
        }
    }

    fn row(&self, line: u64) -> Result<RawRow, FileFault> {
        let end = self.reader.position().byte();
        let is_cut = self.reader.get_ref().is_cut_at(end);
        let (got, expected) = (self.record.len(), self.columns.count);
        if is_cut && got < expected {
            return Err(FileFault::at(
                line,
                format!(
                    "the file ends in the middle of this row (column {got} of {expected}): it is \
                     truncated, fetch it again"
                ),
            ));
        }
        if got != expected {
            return Ok(RawRow::fault(line, self.wrong_count(got)));
        }
        if is_cut && self.columns.ends_with_a_field() {
            return Ok(RawRow::fault(
                line,
                "the file ends in this row without a line break, so its last value may be cut off",
            ));
        }
        Ok(RawRow::of(line, self.columns.values(&self.record)))
    }

    fn wrong_count(&self, got: usize) -> String {
        let expected = self.columns.count;
        let columns = if got == 1 { "column" } else { "columns" };
        let breaks: usize = self.record.iter().map(|value| value.matches('\n').count()).sum();
        match breaks {
            0 => format!("has {got} {columns}, the header has {expected}"),
            _ => format!(
                "has {got} {columns}, the header has {expected}, and quoted values that span {} \
                 lines: is a quote missing?",
                breaks + 1
            ),
        }
    }
}

/// Reads the next record and says which line it begins at; `None` at the end.
fn read<R: Read>(
    reader: &mut Reader<CsvInput<R>>,
    record: &mut StringRecord,
) -> Result<Option<u64>, FileFault> {
    let begins_at = reader.position().byte();
    reader.get_mut().begin_row(begins_at);
    let found = reader.read_record(record).map_err(|error| fault(&error))?;
    let line = reader.get_ref().row_line();
    match record.iter().next_back() {
        Some(END) if record.len() == 1 => Ok(None),
        Some(last) if last.contains(END) => Err(FileFault::at(
            line,
            "a quoted value in this row is never closed: the file is truncated, or a quote is missing",
        )),
        _ => Ok(found.then_some(line)),
    }
}

fn fault(error: &csv::Error) -> FileFault {
    match error.kind() {
        csv::ErrorKind::Io(error) => FileFault::from_io(error),
        // The text has been checked and rows of any length are accepted, so nothing else is left.
        _ => FileFault::new(format!("the file cannot be read as CSV: {error}")),
    }
}

/// Where in a record our fields are.
#[derive(Debug)]
struct Columns {
    places: [Option<usize>; 5],
    count: usize,
}

impl Columns {
    fn of(header: &StringRecord, layout: &Layout) -> Result<Self, String> {
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        let mut places = [None; 5];
        for (field, name) in layout.mapping.entries() {
            let mut found = (0..names.len()).filter(|place| names[*place] == name);
            let Some(place) = found.next() else {
                return Err(missing_column(field, name, &names, layout));
            };
            if found.next().is_some() {
                return Err(format!("the header has two columns \"{name}\" (for {field})"));
            }
            places[field as usize] = Some(place);
        }
        Ok(Self { places, count: names.len() })
    }

    fn values(&self, record: &StringRecord) -> [String; 5] {
        self.places.map(|place| place.and_then(|place| record.get(place)).unwrap_or("").to_owned())
    }

    fn ends_with_a_field(&self) -> bool {
        self.places.contains(&Some(self.count - 1))
    }
}

fn missing_column(field: Field, name: &str, names: &[&str], layout: &Layout) -> String {
    let mut message = format!(
        "the header has no column \"{name}\" (for {field}); it has {}",
        listed(names.iter().copied())
    );
    let other = [';', ',', '\t', '|']
        .into_iter()
        .filter(|other| *other != char::from(layout.delimiter))
        .find(|other| names.len() == 1 && names[0].contains(*other));
    match other {
        Some('\t') => message.push_str(". Is the delimiter a tab? Then add --delimiter tab"),
        Some(other) => {
            message
                .push_str(&format!(". Is the delimiter {other:?}? Then add --delimiter '{other}'"));
        }
        None => message.push_str(&format!(
            ". Name the right one with --map {field}=COLUMN{}",
            if may_be_left_out(field, &layout.mapping) {
                format!(", or leave it out with --map {field}=")
            } else {
                String::new()
            }
        )),
    }
    message
}

/// A row can be found by its sku or by its ean, so one of the two is enough.
fn may_be_left_out(field: Field, mapping: &Mapping) -> bool {
    match field {
        Field::Sku => mapping.name(Field::Ean).is_some(),
        Field::Ean => mapping.name(Field::Sku).is_some(),
        Field::StockQuantity | Field::DeliveryDays | Field::PurchasePrice => false,
    }
}
