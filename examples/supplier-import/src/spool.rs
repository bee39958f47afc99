//! Fetches a supplier's file into a temporary one, so that it can be read twice: first to check that it
//! is whole, then to import it. What others do to the original meanwhile has no effect.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use sha2::{Digest, Sha256};

use crate::encoding::Utf8Check;
use crate::fault::FileFault;
use crate::location::Location;

const PIECE: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much longer than one read all of a download may take.
const WHOLE_DOWNLOAD: u32 = 30;

/// What bounds the fetching of a file.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the parent job")]
pub struct Limits {
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// How long a server may keep us waiting for its next bytes.
    pub http_timeout: Duration,
}

/// A supplier's file on the local disk: UTF-8 without a byte order mark, deleted when this is dropped.
#[derive(Debug)]
#[non_exhaustive]
pub struct Spool {
    /// The file, which has no name.
    pub file: File,
    /// The SHA-256 of what was fetched, in hexadecimal.
    pub digest: String,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "what can be tried again, and what cannot")]
pub enum FetchError {
    /// It would be the same the next time.
    #[error(transparent)]
    Fault(FileFault),
    /// The next time it may be there.
    #[error("{0}")]
    Transient(String),
}

impl From<FileFault> for FetchError {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

/// Fetches the file at `location` and checks its size and its encoding.
///
/// # Errors
///
/// Says what is wrong, and whether fetching it again could help.
pub async fn spool(location: &Location, limits: Limits) -> Result<Spool, FetchError> {
    match location {
        Location::Path(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || copy(&path, limits.max_bytes))
                .await
                .map_err(|stopped| FetchError::Transient(stopped.to_string()))?
        }
        Location::Url(url) => download(url, limits).await,
    }
}

/// Says what is wrong with a path before anything is read from it.
///
/// # Errors
///
/// When there is nothing, or no ordinary file, or it is too large.
pub fn check_path(path: &Path, max_bytes: u64) -> Result<(), FileFault> {
    let shown = path.display();
    let metadata = path.metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileFault::new(format!("there is no file {shown}")),
        _ => FileFault::new(format!("the file {shown} cannot be read: {error}")),
    })?;
    if metadata.is_dir() {
        return Err(FileFault::new(format!("{shown} is a directory, not a file")));
    }
    if !metadata.is_file() {
        return Err(FileFault::new(format!("{shown} is not an ordinary file")));
    }
    if metadata.len() > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

fn copy(path: &Path, max_bytes: u64) -> Result<Spool, FetchError> {
    check_path(path, max_bytes)?;
    let unreadable = |error: io::Error| {
        FetchError::Fault(FileFault::new(format!(
            "the file {} cannot be read: {error}",
            path.display()
        )))
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut writer = Writer::new(max_bytes)?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return writer.finish(),
            n => writer.push(&piece[..n])?,
        }
    }
}

async fn download(url: &Url, limits: Limits) -> Result<Spool, FetchError> {
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(limits.http_timeout))
        .read_timeout(limits.http_timeout)
        .timeout(limits.http_timeout * WHOLE_DOWNLOAD)
        .user_agent(concat!("jobq-supplier-import/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| transient("the HTTP client cannot be set up", error))?;
    let mut response = client
        .get(url.clone())
        .send()
        .await
        .map_err(|error| transient("the server cannot be reached", error))?;
    check_status(response.status())?;
    if response.content_length().is_some_and(|length| length > limits.max_bytes) {
        return Err(too_large(limits.max_bytes).into());
    }
    let mut writer = Writer::new(limits.max_bytes)?;
    while let Some(piece) = response.chunk().await.map_err(|error| {
        let so_far = format!("the download broke off after {} bytes", writer.bytes);
        transient(&so_far, error)
    })? {
        // A piece is some kilobytes and goes to the page cache: not worth a trip to another thread.
        writer.push(&piece)?;
    }
    writer.finish()
}

fn check_status(status: StatusCode) -> Result<(), FetchError> {
    let message = format!("the server answers HTTP {status}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(FetchError::Transient(message))
        }
        _ if status.is_server_error() => Err(FetchError::Transient(message)),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(FileFault::new(format!("{message}: check the user, password or key")).into())
        }
        _ => Err(FileFault::new(format!("{message}: check the address")).into()),
    }
}

/// One line with the causes, without the address, which may hold a password.
fn transient(what: &str, error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Transient(format!("{what}: it does not answer in time"));
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    // The innermost cause is what a person can act on ("connection refused").
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    FetchError::Transient(format!("{what}: {cause}"))
}

fn too_large(max_bytes: u64) -> FileFault {
    FileFault::new(format!(
        "the file is larger than {max_bytes} bytes; allow more with --max-bytes"
    ))
}

/// Writes pieces to the temporary file and looks at them on the way.
#[derive(Debug)]
struct Writer {
    file: BufWriter<File>,
    hash: Sha256,
    encoding: Utf8Check,
    bytes: u64,
    max_bytes: u64,
    /// The first bytes, until there are enough of them to tell a byte order mark.
    head: Option<Vec<u8>>,
}

impl Writer {
    fn new(max_bytes: u64) -> Result<Self, FetchError> {
        let file = tempfile::tempfile().map_err(|error| no_room(&error))?;
        Ok(Self {
            file: BufWriter::new(file),
            hash: Sha256::new(),
            encoding: Utf8Check::default(),
            bytes: 0,
            max_bytes,
            head: Some(Vec::new()),
        })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.max_bytes {
            return Err(too_large(self.max_bytes).into());
        }
        self.hash.update(piece);
        let Some(mut head) = self.head.take() else {
            return self.write(piece);
        };
        head.extend_from_slice(piece);
        if head.len() < BYTE_ORDER_MARK.len() {
            self.head = Some(head);
            return Ok(());
        }
        self.write_head(&head)
    }

    fn write_head(&mut self, head: &[u8]) -> Result<(), FetchError> {
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Err(FileFault::new("the file is UTF-16: save it as UTF-8").into());
        }
        self.write(head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head))
    }

    fn write(&mut self, text: &[u8]) -> Result<(), FetchError> {
        self.encoding.push(text)?;
        self.file.write_all(text).map_err(|error| no_room(&error))
    }

    fn finish(mut self) -> Result<Spool, FetchError> {
        if let Some(head) = self.head.take() {
            self.write_head(&head)?;
        }
        self.encoding.finish()?;
        let file = self.file.into_inner().map_err(|error| no_room(error.error()))?;
        let digest = self.hash.finalize();
        Ok(Spool { file, digest: digest.iter().map(|byte| format!("{byte:02x}")).collect() })
    }
}

fn no_room(error: &io::Error) -> FetchError {
    let place = std::env::temp_dir();
    FetchError::Transient(format!(
        "the file cannot be kept in {} while it is read: {error}",
        place.display()
    ))
}
