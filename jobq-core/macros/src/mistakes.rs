//! All mistakes of one type, reported together: nobody wants to meet them one build at a time.

use std::fmt::Display;

use quote::ToTokens;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Adds a mistake, shown under `place`.
    pub(crate) fn add(&mut self, place: impl ToTokens, rule: impl Display) {
        self.push(syn::Error::new_spanned(place, rule));
    }

    /// Adds a mistake.
    pub(crate) fn push(&mut self, mistake: syn::Error) {
        match &mut self.0 {
            Some(earlier) => earlier.combine(mistake),
            None => self.0 = Some(mistake),
        }
    }

    /// What `rule` makes of the value, or nothing and one mistake more.
    pub(crate) fn check<T, U>(
        &mut self,
        given: Option<T>,
        rule: impl FnOnce(T) -> syn::Result<U>,
    ) -> Option<U> {
        rule(given?).map_err(|mistake| self.push(mistake)).ok()
    }

    /// All of them as one error, or `None` if there were none.
    pub(crate) fn into_error(self) -> Option<syn::Error> {
        self.0
    }
}
