//! The name by which this program was called: that of a user's own binary, where it is not `jobq`.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static NAME: LazyLock<String> = LazyLock::new(|| {
    let file = std::env::args_os().next().map(PathBuf::from);
    let name = file.as_deref().and_then(Path::file_stem).and_then(|name| name.to_str());
    name.unwrap_or("jobq").to_owned()
});

/// The name.
pub(super) fn name() -> &'static str {
    &NAME
}

/// A text that names commands of `jobq`, with those of this program.
pub(super) fn in_words(text: &str) -> Cow<'_, str> {
    match text.contains("`jobq ") {
        true => Cow::Owned(text.replace("`jobq ", &format!("`{} ", name()))),
        false => Cow::Borrowed(text),
    }
}
