//! What the XML parser reads from: the file, with its lines counted and the parser's appetite bounded.

use std::io::{self, BufRead, Read};

use super::MAX_ROW_BYTES;
use crate::fault::FileFault;

/// A file that knows which line the parser has come to.
#[derive(Debug)]
pub(super) struct XmlInput<R> {
    file: R,
    /// The line of the next byte that the parser will take, from 1.
    line: u64,
    /// How many bytes the parser has taken for the current tag or text.
    taken: u64,
}

impl<R: BufRead> XmlInput<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, line: 1, taken: 0 }
    }

    /// The parser is about to read the next tag or text, which begins at the line returned.
    pub(super) fn begin_event(&mut self) -> u64 {
        self.taken = 0;
        self.line
    }
}

impl<R: BufRead> Read for XmlInput<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for XmlInput<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken > MAX_ROW_BYTES {
            let message = "a tag or text of more than 1 MiB ends here: a tag that is never closed?";
            return Err(FileFault::at(self.line, message).into_io());
        }
        self.file.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        // What is about to be taken is in the buffer already, so this reads nothing and cannot fail.
        if let Ok(buffered) = self.file.fill_buf() {
            let taken = &buffered[..n.min(buffered.len())];
            self.line += taken.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        self.taken += n as u64;
        self.file.consume(n);
    }
}
