//! Where a supplier's file is: a local path or an HTTP address.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// A place a file can be read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(clippy::exhaustive_enums, reason = "the import reads from these two")]
pub enum Location {
    /// A file on the machine of the worker that runs the parent job.
    Path(PathBuf),
    /// An `http` or `https` address.
    Url(Url),
}

impl FromStr for Location {
    type Err = String;

    /// Reads an address or a path. A relative path is made absolute: the worker that opens it may run
    /// in another directory.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((scheme, _)) = text.split_once("://") {
            if scheme != "http" && scheme != "https" {
                return Err(format!(
                    "cannot read from {scheme}://: give a path, http:// or https://"
                ));
            }
            let url = Url::parse(text).map_err(|why| format!("{text:?} is no address: {why}"))?;
            return Ok(Self::Url(url));
        }
        std::path::absolute(text)
            .map(Self::Path)
            .map_err(|why| format!("{text:?} is no path: {why}"))
    }
}

impl TryFrom<String> for Location {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        match location {
            Location::Path(path) => path.to_string_lossy().into_owned(),
            Location::Url(url) => url.into(),
        }
    }
}

impl fmt::Display for Location {
    /// For reports and the database: without the user and password of an address, and without the
    /// values of its query, which are often keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Url(url) => {
                let mut url = url.clone();
                // An address that cannot have them has none.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                let query = url.query().map(without_values);
                url.set_query(query.as_deref());
                url.set_fragment(None);
                url.fmt(f)
            }
        }
    }
}

/// `a=1&b=2` as `a=***&b=***`.
fn without_values(query: &str) -> String {
    let shown = |part: &str| match part.split_once('=') {
        Some((name, _)) => format!("{name}=***"),
        None => "***".to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}
