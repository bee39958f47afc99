//! Finds the first byte of a stream that is not UTF-8 text.

use crate::fault::FileFault;

/// Checks a stream of bytes piece by piece, in constant memory.
#[derive(Debug, Default)]
pub(crate) struct Utf8Check {
    /// The beginning of a character that the last piece broke off in.
    carried: Vec<u8>,
    /// Complete lines before the current one.
    lines: u64,
    /// Characters before the current one in its line.
    chars: u64,
}

impl Utf8Check {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// The first byte that is not UTF-8, with its line and place in the line.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), FileFault> {
        let mut rest = piece;
        while !self.carried.is_empty() {
            let Some((&next, after)) = rest.split_first() else {
                return Ok(());
            };
            self.carried.push(next);
            rest = after;
            let carried = std::mem::take(&mut self.carried);
            self.check(&carried)?;
        }
        self.check(rest)
    }

    /// Checks that the stream does not end inside a character.
    ///
    /// # Errors
    ///
    /// When it does: the file has been cut off.
    pub(crate) fn finish(&self) -> Result<(), FileFault> {
        if self.carried.is_empty() {
            return Ok(());
        }
        Err(FileFault::at(
            self.lines + 1,
            "the file ends in the middle of a character: it is truncated, fetch it again",
        ))
    }

    fn check(&mut self, bytes: &[u8]) -> Result<(), FileFault> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.count(text),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                // Just found valid; an empty text would only spoil the place in the report.
                self.count(std::str::from_utf8(valid).unwrap_or_default())?;
                if error.error_len().is_some() {
                    return Err(self.not_utf8(rest[0]));
                }
                self.carried = rest.to_vec();
                Ok(())
            }
        }
    }

    fn count(&mut self, text: &str) -> Result<(), FileFault> {
        if let Some(place) = text.find('\0') {
            self.advance(&text[..place]);
            return Err(FileFault::at(
                self.lines + 1,
                format!(
                    "character {} is a zero byte: this is not a text file, or it is UTF-16; save it \
                     as UTF-8",
                    self.chars + 1
                ),
            ));
        }
        self.advance(text);
        Ok(())
    }

    fn advance(&mut self, text: &str) {
        match text.rfind('\n') {
            Some(end) => {
                self.lines += text.bytes().filter(|byte| *byte == b'\n').count() as u64;
                self.chars = text[end + 1..].chars().count() as u64;
            }
            None => self.chars += text.chars().count() as u64,
        }
    }

    fn not_utf8(&self, byte: u8) -> FileFault {
        FileFault::at(
            self.lines + 1,
            format!(
                "character {} (byte 0x{byte:02X}) is not UTF-8: the file is in another encoding, \
                 perhaps Windows-1250 or ISO-8859-2; save it as UTF-8, or convert it with `iconv -f \
                 WINDOWS-1250 -t UTF-8`",
                self.chars + 1
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_in_pieces(bytes: &[u8], size: usize) -> Result<(), FileFault> {
        let mut check = Utf8Check::default();
        for piece in bytes.chunks(size) {
            check.push(piece)?;
        }
        check.finish()
    }

    #[test]
    fn the_place_of_a_bad_byte_does_not_depend_on_the_pieces() {
        let mut bytes = "sku;name\nA1;żółć\nA2;".as_bytes().to_vec();
        bytes.extend(b"\xb3 \n");

        for size in 1..=bytes.len() {
            let fault = check_in_pieces(&bytes, size).unwrap_err();
            assert_eq!(fault.line(), Some(3));
            assert!(fault.to_string().contains("character 4 (byte 0xB3)"), "{fault}");
        }
    }

    #[test]
    fn text_of_any_script_passes_in_pieces_of_any_size() {
        let text = "zażółć gęślą jaźń\nΩμέγα 漢字 🦀\n";

        for size in 1..=text.len() {
            assert_eq!(check_in_pieces(text.as_bytes(), size), Ok(()));
        }
    }

    #[test]
    fn a_file_that_ends_inside_a_character_is_truncated() {
        let text = "a\nż";

        let fault = check_in_pieces(&text.as_bytes()[..3], 8).unwrap_err();

        assert_eq!(fault.line(), Some(2));
        assert!(fault.to_string().contains("truncated"));
    }

    #[test]
    fn a_zero_byte_is_not_text() {
        let fault = check_in_pieces(b"s\0k\0u\0", 4).unwrap_err();

        assert!(fault.to_string().contains("UTF-16"), "{fault}");
    }
}
