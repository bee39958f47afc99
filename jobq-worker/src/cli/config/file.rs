//! The file itself: found and read, whatever it turns out to be.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The file that is read if it is there and no other is named.
const DEFAULT: &str = "jobq.toml";

/// How large the file may be: a thousand times what people write.
const MOST_BYTES: u64 = 1 << 20;

/// The name and the text of the file; no text if no file was named and there is none.
pub(super) fn read(named: Option<&Path>) -> Result<(String, String), String> {
    let path = named.unwrap_or(Path::new(DEFAULT));
    let shown = path.display().to_string();
    match text(path) {
        Ok(text) => Ok((shown, text)),
        Err(Fault::NotThere) if named.is_none() => Ok((shown, String::new())),
        Err(fault) => Err(format!("cannot read {shown}: {}", fault.sentence())),
    }
}

enum Fault {
    NotThere,
    Folder,
    TooLarge,
    NoText(usize),
    Other(io::Error),
}

impl Fault {
    fn sentence(&self) -> String {
        match self {
            Self::NotThere => "there is no such file: see --config and JOBQ_CONFIG".to_owned(),
            Self::Folder => {
                "it is a directory: name the file in it by --config or JOBQ_CONFIG".to_owned()
            }
            Self::TooLarge => format!(
                "it has more than {MOST_BYTES} bytes, so it is hardly a jobq.toml: see --config and JOBQ_CONFIG"
            ),
            Self::NoText(line) => format!("line {line} is not UTF-8: save the file as UTF-8 text"),
            Self::Other(error) => error.to_string(),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotThere,
            io::ErrorKind::IsADirectory => Self::Folder,
            _ => Self::Other(error),
        }
    }
}

fn text(path: &Path) -> Result<String, Fault> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(Fault::Folder);
    }
    let mut bytes = Vec::new();
    // Not by its length: a pipe has none.
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Fault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Fault::NoText(before.iter().filter(|byte| **byte == b'\n').count() + 1)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn whatever_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("binary"), b"listen = \"x\"\n\xff\xfe").unwrap();
        fs::write(at("large"), vec![b'#'; 2 << 20]).unwrap();
        fs::write(at("small"), "# nothing").unwrap();

        let told = |name: &str| read(Some(&at(name))).unwrap_err();
        assert!(
            told("").ends_with("it is a directory: name the file in it by --config or JOBQ_CONFIG")
        );
        assert!(told("none").contains("there is no such file"));
        assert!(told("binary").ends_with("line 2 is not UTF-8: save the file as UTF-8 text"));
        assert!(told("large").contains("it has more than 1048576 bytes"));
        assert_eq!(read(Some(&at("small"))).unwrap().1, "# nothing");
    }
}
