//! The file itself: found and read, whatever it turns out to be.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::cli::output;

/// The file that is read if it is there and no other is named.
const DEFAULT: &str = "jobq.toml";

/// How large the file may be: a thousand times what people write.
const MOST_BYTES: u64 = 1 << 20;

/// The name and the text of the file; no text if no file was named and there is none.
pub(super) fn read(named: Option<&Path>) -> Result<(String, String), String> {
    let path = named.unwrap_or(Path::new(DEFAULT));
    let shown = path.display().to_string();
    match text(path) {
        Ok(text) => {
            if named.is_none() && is_of_another_user(path) {
                output::complain(&format!(
                    "warning: {shown} here belongs to another user: name it by --config if it is meant"
                ));
            }
            Ok((shown, text))
        }
        Err(Fault::NotThere) if named.is_none() => Ok((shown, String::new())),
        Err(fault) => Err(format!("cannot read {shown}: {}", fault.sentence())),
    }
}

/// Whether somebody else can say what it holds: neither this user nor the system's administrator.
#[cfg(unix)]
fn is_of_another_user(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let owner = |path| fs::metadata(path).map(|file| file.uid());
    match (owner(path), owner(Path::new("/proc/self"))) {
        (Ok(owner), Ok(user)) => owner != 0 && owner != user,
        // Where it cannot be told.
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_of_another_user(_: &Path) -> bool {
    false
}

enum Fault {
    NotThere,
    Folder,
    NotPlain,
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
            Self::NotPlain => {
                "it is no plain file, and reading it might never end: name a file by --config or JOBQ_CONFIG"
                    .to_owned()
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
    // Before it is opened, which waits for a writer of a pipe that may never come. Those that a shell makes
    // for one command have theirs.
    let kind = fs::metadata(path)?;
    if kind.is_dir() {
        return Err(Fault::Folder);
    }
    if !kind.is_file() && !path.starts_with("/dev") && !path.starts_with("/proc") {
        return Err(Fault::NotPlain);
    }
    let file = File::open(path)?;
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
    use super::*;

    #[test]
    fn whatever_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("binary"), b"listen = \"x\"\n\xff\xfe").unwrap();
        fs::write(at("large"), vec![b'#'; 2 << 20]).unwrap();
        fs::write(at("small"), "# nothing").unwrap();

        let told = |name: &str| read(Some(&at(name))).unwrap_err();
        #[cfg(unix)]
        {
            let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
            assert!(made.success());
            assert!(told("pipe").contains("it is no plain file"));
        }
        assert!(
            told("").ends_with("it is a directory: name the file in it by --config or JOBQ_CONFIG")
        );
        assert!(told("none").contains("there is no such file"));
        assert!(told("binary").ends_with("line 2 is not UTF-8: save the file as UTF-8 text"));
        assert!(told("large").contains("it has more than 1048576 bytes"));
        assert_eq!(read(Some(&at("small"))).unwrap().1, "# nothing");
    }
}
