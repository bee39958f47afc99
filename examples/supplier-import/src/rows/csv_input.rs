//! What the CSV parser reads from: the file, watched.
//!
//! The parser alone would not tell where a row really begins (it counts blank lines into the row after
//! them), would take a quote that is never closed for an ordinary end of the file, and would read such
//! a row into memory whole.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::MAX_ROW_BYTES;
use crate::fault::FileFault;

/// The only value of the row that is added after the end of the file. If the parser finds it inside
/// another row, a quote was open. No file contains it: zero bytes are refused before.
pub(super) const END: &str = "\0end of file\0";

/// The file, followed by one row with the value [`END`].
#[derive(Debug)]
pub(super) struct CsvInput<R> {
    file: R,
    /// How many bytes of the file have been read.
    offset: u64,
    /// How many bytes the file has, once its end was seen.
    length: Option<u64>,
    /// What is still to come of the row after the end.
    tail: &'static [u8],
    /// The number of the line that `offset` is in, from 1.
    line: u64,
    /// Where lines begin that are not blank, and their numbers; those before the row are dropped.
    starts: VecDeque<(u64, u64)>,
    inside_line: bool,
    after_cr: bool,
    row_begins_at: u64,
}

impl<R: Read> CsvInput<R> {
    pub(super) fn new(file: R) -> Self {
        Self {
            file,
            offset: 0,
            length: None,
            tail: b"\n\0end of file\0\n",
            line: 1,
            starts: VecDeque::new(),
            inside_line: false,
            after_cr: false,
            row_begins_at: 0,
        }
    }

    /// The parser is about to read the row that begins at `offset`, or after some line breaks there.
    pub(super) fn begin_row(&mut self, offset: u64) {
        self.row_begins_at = offset;
        while self.starts.front().is_some_and(|(start, _)| *start < offset) {
            self.starts.pop_front();
        }
    }

    /// The line that the row begins at, from 1.
    pub(super) fn row_line(&self) -> u64 {
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }

    /// Whether a row that ends at `offset` ends with the file, without a line break.
    pub(super) fn is_cut_at(&self, offset: u64) -> bool {
        self.length.is_some_and(|length| offset > length)
    }

    fn watch(&mut self, bytes: &[u8]) {
        for (at, byte) in (self.offset..).zip(bytes) {
            match byte {
                b'\n' if self.after_cr => {}
                b'\n' | b'\r' => {
                    self.line += 1;
                    self.inside_line = false;
                }
                _ if self.inside_line => {}
                _ => {
                    self.starts.push_back((at, self.line));
                    self.inside_line = true;
                }
            }
            self.after_cr = *byte == b'\r';
        }
        self.offset += bytes.len() as u64;
    }
}

impl<R: Read> Read for CsvInput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.offset - self.row_begins_at > MAX_ROW_BYTES {
            return Err(FileFault::at(
                self.row_line(),
                "a row of more than 1 MiB begins here: a quote that is never closed?",
            )
            .into_io());
        }
        if self.length.is_none() {
            let n = self.file.read(buf)?;
            self.watch(&buf[..n]);
            if n > 0 {
                return Ok(n);
            }
            self.length = Some(self.offset);
        }
        self.tail.read(buf)
    }
}
