//! Implementation detail of `jobq-core`: the derive macro `Job`, documented at its re-export.

mod attr;
mod backoff;
mod duration;
mod expand;
mod mistakes;
mod name;
mod nearest;
#[cfg(test)]
mod property;
mod unique_mode;
mod validate;

/// Implements `jobq_core::Job`.
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::derive(&syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
