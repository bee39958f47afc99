//! The rows of an XML file: elements of one name at one depth, with an element in them for each field.
//!
//! Which elements are the rows is found out from the first element that the mapping names: its parent
//! is a row, and so is every element of that name at that depth.

use std::io::{BufReader, Read, Seek};

use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::events::{BytesRef, Event};

use super::empty;
use super::xml_input::XmlInput;
use crate::fault::{FileFault, listed, shown};
use crate::mapping::{Field, Mapping};
use crate::row::RawRow;

/// Longer values are cut here while they are read; the row is rejected as overlong.
const MAX_VALUE_BYTES: usize = 1024;
const MAX_DEPTH: usize = 64;
/// How many unknown names are remembered for the report of a missing element.
const MAX_NAMES: usize = 12;

/// The elements that are rows.
#[derive(Debug, PartialEq, Eq)]
struct RowElement {
    depth: usize,
    name: String,
}

#[derive(Debug)]
pub(super) struct XmlRows<R> {
    parser: Parser<R>,
    mapping: Mapping,
    /// `None` when there are no rows.
    row_element: Option<RowElement>,
    /// Which fields some row has had.
    seen: [bool; 5],
    other_names: Vec<String>,
    rows: u64,
}

impl<R: Read + Seek> XmlRows<R> {
    pub(super) fn open(mut file: R, mapping: &Mapping) -> Result<Self, FileFault> {
        let row_element = find_row_element(&mut file, mapping)?;
        file.rewind().map_err(|error| FileFault::from_io(&error))?;
        Ok(Self {
            parser: Parser::new(file),
            mapping: mapping.clone(),
            row_element,
            seen: [false; 5],
            other_names: Vec::new(),
            rows: 0,
        })
    }
}

impl<R: Read> XmlRows<R> {
    pub(super) fn next_row(&mut self) -> Result<Option<RawRow>, FileFault> {
        let Some(row_element) = &self.row_element else {
            // Nothing in it is a row, but a broken file is to be told from an empty one.
            while self.parser.next_token()? != Token::End {}
            return Ok(None);
        };
        let mut row: Option<RowSoFar> = None;
        loop {
            let token = self.parser.next_token()?;
            let depth = self.parser.open.len();
            match token {
                Token::End => return Ok(None),
                Token::Opened if depth == row_element.depth => {
                    let is_row =
                        self.parser.open.last().is_some_and(|name| *name == row_element.name);
                    row = is_row.then(|| RowSoFar::at(self.parser.line));
                }
                Token::Opened if depth == row_element.depth + 1 => {
                    let (Some(row), Some(name)) = (&mut row, self.parser.open.last()) else {
                        continue;
                    };
                    match self.mapping.entries().find(|(_, mapped)| mapped == name) {
                        Some((field, _)) => {
                            self.seen[field as usize] = true;
                            row.begin(field);
                        }
                        None if self.other_names.len() < MAX_NAMES
                            && !self.other_names.contains(name) =>
                        {
                            self.other_names.push(name.clone());
                        }
                        None => {}
                    }
                }
                Token::Opened if depth == row_element.depth + 2 => {
                    if let (Some(row), Some(name)) = (&mut row, self.parser.open.last()) {
                        row.begin_inner(name);
                    }
                }
                Token::Closed if depth == row_element.depth => {
                    if let Some(row) = &mut row {
                        row.field = None;
                    }
                }
                Token::Closed if depth + 1 == row_element.depth => {
                    if let Some(row) = row.take() {
                        self.rows += 1;
                        return Ok(Some(row.finish()));
                    }
                }
                Token::Text(text) if depth == row_element.depth + 1 => {
                    if let Some(row) = &mut row {
                        row.add(&text);
                    }
                }
                Token::Opened | Token::Closed | Token::Text(_) => {}
            }
        }
    }

    /// After the last row: whether a field was in no row at all, so that the mapping must be wrong.
    pub(super) fn check_fields_seen(&self) -> Result<(), FileFault> {
        let Some(row_element) = &self.row_element else {
            return Ok(());
        };
        let found = |field: Field| self.seen[field as usize];
        let is_missing = |field: Field| match field {
            // A row can be found by its sku or by its ean, so one of the two is enough.
            Field::Sku | Field::Ean => !found(Field::Sku) && !found(Field::Ean),
            Field::StockQuantity | Field::DeliveryDays | Field::PurchasePrice => !found(field),
        };
        if self.rows == 0 {
            return Ok(());
        }
        match self.mapping.entries().find(|(field, _)| is_missing(*field)) {
            None => Ok(()),
            Some((field, name)) => Err(FileFault::new(format!(
                "no row <{}> has an element <{name}> (for {field}); they have {}. Name the right one \
                 with --map {field}=ELEMENT",
                shown(&row_element.name),
                listed(self.names_seen())
            ))),
        }
    }

    fn names_seen(&self) -> impl Iterator<Item = &str> {
        self.mapping
            .entries()
            .filter(|(field, _)| self.seen[*field as usize])
            .map(|(_, name)| name)
            .chain(self.other_names.iter().map(String::as_str))
    }
}

/// Finds the first element that the mapping names. `None` if the file holds nothing at all.
fn find_row_element<R: Read>(file: R, mapping: &Mapping) -> Result<Option<RowElement>, FileFault> {
    let mut parser = Parser::new(file);
    let mut names: Vec<String> = Vec::new();
    loop {
        match parser.next_token()? {
            Token::End if names.len() <= 1 => return Ok(None),
            Token::End => {
                let mapped = mapping.entries().map(|(_, name)| name);
                return Err(FileFault::new(format!(
                    "the file has none of the elements {}; it has {}. Name the right ones with --map \
                     FIELD=ELEMENT",
                    listed(mapped),
                    listed(names.iter().map(String::as_str)),
                )));
            }
            Token::Opened => {
                let [.., parent, name] = parser.open.as_slice() else {
                    names.extend(parser.open.last().cloned());
                    refuse_html(&names)?;
                    continue;
                };
                if mapping.entries().any(|(_, mapped)| mapped == name) {
                    return Ok(Some(RowElement {
                        depth: parser.open.len() - 1,
                        name: parent.clone(),
                    }));
                }
                if names.len() <= MAX_NAMES && !names.contains(name) {
                    names.push(name.clone());
                }
            }
            Token::Closed | Token::Text(_) => {}
        }
    }
}

fn refuse_html(names: &[String]) -> Result<(), FileFault> {
    match names {
        [root] if root.eq_ignore_ascii_case("html") => Err(FileFault::new(
            "this is an HTML page, perhaps a login or an error page, not a supplier's file",
        )),
        _ => Ok(()),
    }
}

/// A row while it is read.
#[derive(Debug)]
struct RowSoFar {
    line: u64,
    values: [Option<String>; 5],
    field: Option<Field>,
    /// The first thing that is wrong with it.
    fault: Option<String>,
}

impl RowSoFar {
    fn at(line: u64) -> Self {
        Self { line, values: Default::default(), field: None, fault: None }
    }

    fn begin(&mut self, field: Field) {
        if self.values[field as usize].replace(String::new()).is_some() {
            self.fault.get_or_insert_with(|| format!("has two values for {field}"));
        }
        self.field = Some(field);
    }

    /// An element begins inside of another one of the row.
    fn begin_inner(&mut self, name: &str) {
        if let Some(field) = self.field {
            self.fault.get_or_insert_with(|| {
                let name = shown(name);
                format!("has an element <{name}> inside of {field}, where only a value can be")
            });
        }
    }

    fn add(&mut self, text: &str) {
        let Some(value) = self.field.and_then(|field| self.values[field as usize].as_mut()) else {
            return;
        };
        if value.len() < MAX_VALUE_BYTES {
            value.push_str(text);
        }
    }

    fn finish(self) -> RawRow {
        match self.fault {
            Some(fault) => RawRow::fault(self.line, fault),
            None => RawRow::of(self.line, self.values.map(Option::unwrap_or_default)),
        }
    }
}

/// What matters of an XML event.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// An element was opened: the last of `open`.
    Opened,
    /// The last of `open` was closed, and is no longer in it.
    Closed,
    Text(String),
    End,
}

/// The parser, with the elements that are open.
#[derive(Debug)]
struct Parser<R> {
    reader: Reader<XmlInput<BufReader<R>>>,
    buffer: Vec<u8>,
    open: Vec<String>,
    /// The line that the last token begins at.
    line: u64,
    root_closed: bool,
}

impl<R: Read> Parser<R> {
    fn new(file: R) -> Self {
        let mut reader = Reader::from_reader(XmlInput::new(BufReader::new(file)));
        reader.config_mut().expand_empty_elements = true;
        Self { reader, buffer: Vec::new(), open: Vec::new(), line: 1, root_closed: false }
    }

    fn next_token(&mut self) -> Result<Token, FileFault> {
        loop {
            self.buffer.clear();
            self.line = self.reader.get_mut().begin_event();
            let line = self.line;
            let event = self
                .reader
                .read_event_into(&mut self.buffer)
                .map_err(|error| fault(line, &error))?;
            match event {
                Event::Start(tag) => {
                    if self.root_closed {
                        return Err(FileFault::at(line, "a second document begins here"));
                    }
                    if self.open.len() == MAX_DEPTH {
                        let message = format!("elements are nested more than {MAX_DEPTH} deep");
                        return Err(FileFault::at(line, message));
                    }
                    self.open.push(tag.name().as_ref().to_owned());
                    return Ok(Token::Opened);
                }
                Event::End(_) => {
                    self.open.pop();
                    self.root_closed = self.open.is_empty();
                    return Ok(Token::Closed);
                }
                Event::Text(text) => return Ok(Token::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Token::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(entity) => return resolve(line, &entity).map(Token::Text),
                Event::Eof => return self.end(),
                // The tag of an empty element comes as two events, and the rest says nothing of rows.
                Event::Empty(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_) => {}
            }
        }
    }

    fn end(&self) -> Result<Token, FileFault> {
        match self.open.last() {
            Some(name) => Err(FileFault::at(
                self.line,
                format!(
                    "the file ends inside of <{}>: it is truncated, fetch it again",
                    shown(name)
                ),
            )),
            None if self.root_closed => Ok(Token::End),
            None => Err(empty()),
        }
    }
}

fn resolve(line: u64, entity: &BytesRef<'_>) -> Result<String, FileFault> {
    let unknown = |name: &str| {
        FileFault::at(line, format!("the reference \"&{};\" is not known", shown(name)))
    };
    let name = entity.xml10_content();
    if entity.is_char_ref() {
        return match entity.resolve_char_ref() {
            Ok(Some(character)) => Ok(character.to_string()),
            _ => Err(unknown(&name)),
        };
    }
    quick_xml::escape::resolve_xml_entity(&name).map(str::to_owned).ok_or_else(|| unknown(&name))
}

fn fault(line: u64, error: &quick_xml::Error) -> FileFault {
    match error {
        quick_xml::Error::Io(error) => FileFault::from_io(error),
        quick_xml::Error::Syntax(_) => FileFault::at(
            line,
            "the file ends inside of the tag that begins here: it is truncated, fetch it again",
        ),
        quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => FileFault::at(
            line,
            "a \"&\" stands alone, which is not valid XML: it must be written \"&amp;\"",
        ),
        _ => FileFault::at(line, format!("this is not well-formed XML: {error}")),
    }
}
