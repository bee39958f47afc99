//! Which URLs jobs of kind `http` may ask for.

use reqwest::Url;

/// The beginnings of URLs that a worker allows.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedUrls(Vec<Url>);

impl AllowedUrls {
    /// Adds a beginning, such as `https://api.example.com/hooks`.
    ///
    /// # Errors
    ///
    /// For what is no beginning of a URL: it says which, and why.
    pub(super) fn add(&mut self, prefix: &str) -> Result<(), String> {
        self.0.push(beginning(prefix)?);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a URL is at an allowed server, and its path goes on where the allowed one ends. Both have
    /// been taken apart as a browser would, so no spelling of a URL leads elsewhere.
    pub(super) fn allows(&self, url: &Url) -> bool {
        is_web(url) && self.0.iter().any(|prefix| goes_on(prefix, url))
    }
}

pub(super) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// Whether both are at the same server.
pub(super) fn same_place(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn goes_on(prefix: &Url, url: &Url) -> bool {
    let (allowed, path) = (prefix.path(), url.path());
    same_place(prefix, url)
        && path
            .strip_prefix(allowed)
            .is_some_and(|rest| rest.is_empty() || allowed.ends_with('/') || rest.starts_with('/'))
}

fn beginning(prefix: &str) -> Result<Url, String> {
    let wrong = |why: &str| {
        Err(format!("{why}: give what URLs begin with, such as https://api.example.com/"))
    };
    let Ok(url) = prefix.parse::<Url>() else {
        return wrong(&match prefix.contains('@') {
            true => "is not a URL".to_owned(),
            false => format!("{prefix:?} is not a URL"),
        });
    };
    if !is_web(&url) {
        return wrong(&format!("{prefix:?} is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("a user or password does not belong there");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(&format!("{prefix:?} goes beyond the path"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_so_is_allowed_and_what_only_looks_so_is_not() {
        let prefixes = ["https://api.example.com/hooks", "http://127.0.0.1:8080"];
        let mut allowed = AllowedUrls::default();
        prefixes.iter().for_each(|prefix| allowed.add(prefix).unwrap());
        for (url, is_allowed) in [
            ("https://api.example.com/hooks", true),
            ("https://api.example.com/hooks/7?x=1", true),
            ("https://API.example.com:443/hooks?x=1", true),
            ("https://user:pw@api.example.com/hooks/7", true),
            ("http://127.0.0.1:8080/anything", true),
            ("https://api.example.com/hooks2", false),
            ("https://api.example.com/hooks/../admin", false),
            ("https://api.example.com/hooks/%2e%2e/admin", false),
            ("https://api.example.com/hooks/..\\admin", false),
            ("http://api.example.com/hooks", false),
            ("https://api.example.com:8443/hooks", false),
            ("https://api.example.com.evil.net/hooks", false),
            ("https://api.example.com@evil.net/hooks", false),
            ("https://evil.net/https://api.example.com/hooks", false),
            ("http://127.0.0.1:80801/", false),
            ("http://localhost:8080/", false),
            ("file:///etc/passwd", false),
        ] {
            let found = url.parse().is_ok_and(|url| allowed.allows(&url));
            assert_eq!(found, is_allowed, "{url}");
        }
        assert!(!AllowedUrls::default().allows(&"https://api.example.com/".parse().unwrap()));
    }

    #[test]
    fn what_is_no_beginning_is_refused_without_its_password() {
        for (prefix, why) in [
            ("api.example.com", "\"api.example.com\" is not a URL"),
            ("", "\"\" is not a URL"),
            ("//user:secret@example.com", "is not a URL"),
            ("ftp://example.com/", "is neither http nor https"),
            ("https://user:secret@example.com/", "a user or password"),
            ("https://example.com/?a=", "goes beyond the path"),
        ] {
            let told = AllowedUrls::default().add(prefix).unwrap_err();
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }
    }
}
