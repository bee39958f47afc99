//! Writes the implementation: constants, and the three methods that a job type may choose.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Ident, Path};

use crate::attr::{Lane, Unique};
use crate::backoff::Growth;
use crate::duration::Millis;
use crate::mistakes::Mistakes;
use crate::unique_mode::Mode;
use crate::validate::{JobType, Scope};

pub(crate) fn derive(input: &DeriveInput) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let job = JobType::of(input, &mut mistakes);
    match mistakes.into_error() {
        None => implementation(&job),
        Some(error) => {
            let errors = error.into_compile_error();
            let fallback = fallback(input, &job);
            quote!(#errors #fallback)
        }
    }
}

fn implementation(job: &JobType) -> TokenStream {
    let JobType { ident, krate, kind, .. } = job;
    let queue = constant("QUEUE", quote!(&'static str), job.queue.as_ref());
    let max_attempts = constant("MAX_ATTEMPTS", quote!(u32), job.max_attempts.map(number));
    let timeout = constant("TIMEOUT", optional_duration(), job.timeout.map(some));
    let backoff = constant("BACKOFF", quote!(#krate::Backoff), backoff(job));
    let priority = job.priority.map(number).map(|level| quote!(#krate::Priority::constant(#level)));
    let priority = constant("PRIORITY", quote!(#krate::Priority), priority);
    let retention = constant("RETENTION", optional_duration(), job.retention.map(some));
    let version = constant("VERSION", quote!(u32), job.version.map(number));
    let max_crashes = constant("MAX_CRASHES", quote!(u32), job.max_crashes.map(number));
    let mode = job.unique_mode.map(|mode| unique_mode(krate, mode));
    let unique_mode = constant("UNIQUE_MODE", quote!(#krate::UniqueMode), mode);
    let scope = job.unique_scope.map(|scope| unique_scope(krate, scope));
    let unique_scope = constant("UNIQUE_SCOPE", quote!(#krate::UniqueScope), scope);
    let cost = constant("COST", quote!(u32), job.cost.map(number));
    let unique_key = job.unique.as_ref().map(|unique| unique_key(krate, unique));
    let lane_key = job.lane.as_ref().map(|lane| lane_key(krate, lane));
    let upcast = job.upcast.as_ref().map(|path| upcast(krate, path));
    quote! {
        #[automatically_derived]
        impl #krate::Job for #ident {
            const KIND: &'static str = #kind;
            #queue
            #max_attempts
            #timeout
            #backoff
            #priority
            #retention
            #version
            #max_crashes
            #unique_mode
            #unique_scope
            #cost
            #unique_key
            #lane_key
            #upcast
        }
    }
}

/// An implementation for a type with mistakes, so that every use of the type is not one more error.
fn fallback(input: &DeriveInput, job: &JobType) -> Option<TokenStream> {
    // These cannot be jobs, and the compiler would go on about it.
    let hopeless = !input.generics.params.is_empty() || matches!(input.data, Data::Union(_));
    let JobType { ident, krate, .. } = job;
    (!hopeless).then(|| {
        quote! {
            #[automatically_derived]
            impl #krate::Job for #ident {
                const KIND: &'static str = "";
            }
        }
    })
}

/// `const NAME: Type = value;`, or nothing, which leaves the trait's default.
fn constant(name: &str, of_type: TokenStream, value: Option<impl ToTokens>) -> Option<TokenStream> {
    let name = Ident::new(name, Span::call_site());
    value.map(|value| quote!(const #name: #of_type = #value;))
}

/// A literal without a suffix: the constants are not all of one type.
fn number(n: u16) -> Literal {
    Literal::u16_unsuffixed(n)
}

fn optional_duration() -> TokenStream {
    quote!(::core::option::Option<::core::time::Duration>)
}

fn some(value: impl ToTokens) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

impl ToTokens for Millis {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self(millis) = self;
        tokens.extend(quote!(::core::time::Duration::from_millis(#millis)));
    }
}

/// The backoff, if the type says anything about it.
fn backoff(job: &JobType) -> Option<TokenStream> {
    let krate = &job.krate;
    let growth = job.growth.as_ref().map(|growth| match growth {
        Growth::Fixed(delay) => quote!(#krate::Backoff::fixed(#delay)),
        Growth::Linear { step, cap } => quote!(#krate::Backoff::linear(#step, #cap)),
        Growth::Exponential { base, cap } => quote!(#krate::Backoff::exponential(#base, #cap)),
        Growth::List(delays) => quote!(#krate::Backoff::list(const { &[#(#delays),*] })),
    });
    match job.jitter {
        Some(false) => {
            let growth = growth.unwrap_or_else(|| quote!(#krate::Backoff::DEFAULT));
            Some(quote!(#growth.without_jitter()))
        }
        Some(true) | None => growth,
    }
}

fn unique_key(krate: &Path, unique: &Unique) -> TokenStream {
    let value = match unique {
        Unique::Whole => quote!(self),
        Unique::Fields { names, place } => {
            let names = names.iter();
            quote_spanned!(written_at(*place)=> &(#(&self.#names,)*))
        }
        Unique::Function(path) => quote_spanned!(written_at(path.span())=> &#path(self)),
    };
    quote! {
        fn unique_key(&self) -> #krate::Result<::core::option::Option<#krate::UniqueKey>> {
            ::core::result::Result::map(
                #krate::UniqueKey::new(<Self as #krate::Job>::KIND, #value),
                ::core::option::Option::Some,
            )
        }
    }
}

fn unique_mode(krate: &Path, mode: Mode) -> TokenStream {
    let mode = match mode {
        Mode::UntilFinished => quote!(UntilFinished),
        Mode::UntilStarted => quote!(UntilStarted),
        Mode::WhileRunning => quote!(WhileRunning),
        Mode::Throttle { per } => quote!(Throttle { per: #per }),
        Mode::Debounce { delay, at_most } => {
            let at_most = at_most.map_or_else(|| quote!(::core::option::Option::None), some);
            quote!(Debounce { delay: #delay, at_most: #at_most })
        }
        Mode::LatestWins => quote!(LatestWins),
    };
    quote!(#krate::UniqueMode::#mode)
}

fn unique_scope(krate: &Path, scope: Scope) -> TokenStream {
    match scope {
        Scope::Queue => quote!(#krate::UniqueScope::Queue),
        Scope::Everywhere => quote!(#krate::UniqueScope::Everywhere),
    }
}

fn lane_key(krate: &Path, lane: &Lane) -> TokenStream {
    let key = match lane {
        Lane::Field(name) => {
            let key = quote_spanned!(written_at(name.span())=> &self.#name);
            quote! {
                ::core::result::Result::map(
                    #krate::LaneKey::new(#key),
                    ::core::option::Option::Some,
                )
            }
        }
        Lane::Function(path) => {
            let key = quote_spanned!(written_at(path.span())=> #path(self));
            quote! {
                ::core::option::Option::transpose(
                    ::core::option::Option::map(#key, #krate::LaneKey::new),
                )
            }
        }
    };
    quote! {
        fn lane_key(&self) -> #krate::Result<::core::option::Option<#krate::LaneKey>> {
            #key
        }
    }
}

fn upcast(krate: &Path, path: &Path) -> TokenStream {
    // Hygienic, so that the user's function may be called `older` too.
    let older = Ident::new("older", Span::mixed_site());
    let upcast = quote_spanned! {written_at(path.span())=>
        ::core::result::Result::map_err(#path(#older), ::core::convert::Into::into)
    };
    quote! {
        fn upcast(#older: #krate::OlderPayload) -> #krate::Result<Self> {
            #upcast
        }
    }
}

/// The span for code that is the macro's but comes from this place in the user's: what the compiler
/// has to say about it points there, and lints know that nobody wrote it.
fn written_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}
