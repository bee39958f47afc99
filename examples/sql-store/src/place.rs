//! Where a database is, and of which kind.

use crate::error::StoreError;

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are all")]
pub enum Kind {
    /// One file, no server.
    Sqlite,
    /// MariaDB or MySQL.
    Mysql,
}

impl Kind {
    /// The kind of the database at an address.
    ///
    /// # Errors
    ///
    /// For what is no such address. It is not repeated: nobody knows where in it a password may be.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Ok(Self::Sqlite),
            Some(("mysql" | "mariadb", rest)) if rest.starts_with("//") => Ok(Self::Mysql),
            _ => Err(StoreError::new(
                "a database is sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME",
            )),
        }
    }
}

/// Where a database is: nothing of an address in which a password may hide elsewhere than in its place.
pub(crate) fn place_of(url: &str) -> String {
    let shown = || {
        let url = url::Url::parse(url).ok()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let is_plain = !url.path().contains(['@', ':']);
        is_plain.then_some(format!(" at {}{port}{}", url.host_str()?, url.path()))
    };
    shown().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_is_refused_without_being_repeated() {
        for url in ["", "postgres://app:hunter2@db/crm", "mysql:app:hunter2@db/crm", "hunter2"] {
            let said = Kind::of(url).unwrap_err().to_string();
            assert!(said.contains("sqlite://FILE") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn a_place_has_no_password() {
        for (url, place) in [
            ("mysql://app:hunter2@db.example:3307/crm", " at db.example:3307/crm"),
            ("mysql://app@127.0.0.1/crm?password=hunter2", " at 127.0.0.1/crm"),
            ("mysql://app:hunter2/crm", ""),
            ("mysql://app:1/hunter2@127.0.0.1/crm", ""),
            ("mysql:app:hunter2@127.0.0.1/crm", ""),
        ] {
            assert_eq!(place_of(url), place, "{url}");
        }
    }
}
