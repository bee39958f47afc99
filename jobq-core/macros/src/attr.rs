//! Reads `#[job(…)]`: which keys there are and what kind of value each takes. Whether a value makes
//! sense is not decided here.

use proc_macro2::{Group, Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Ident, LitInt, LitStr, Path, Token, token};

use crate::mistakes::Mistakes;
use crate::nearest;

/// What people look for here, and what is not the business of a job type.
const LIMITS: [&str; 6] = ["weight", "rate", "concurrency", "max_size", "breaker", "limits"];

const KEYS: [&str; 17] = [
    "kind",
    "queue",
    "max_attempts",
    "max_crashes",
    "timeout",
    "backoff",
    "jitter",
    "priority",
    "unique",
    "unique_mode",
    "unique_scope",
    "lane",
    "cost",
    "retention",
    "version",
    "upcast",
    "crate",
];

/// What all `#[job(…)]` of a type say.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) kind: Option<LitStr>,
    pub(crate) queue: Option<LitStr>,
    pub(crate) max_attempts: Option<LitInt>,
    pub(crate) max_crashes: Option<LitInt>,
    pub(crate) timeout: Option<LitStr>,
    pub(crate) backoff: Option<LitStr>,
    pub(crate) jitter: Option<LitStr>,
    pub(crate) priority: Option<LitInt>,
    pub(crate) unique: Option<Unique>,
    pub(crate) unique_mode: Option<LitStr>,
    pub(crate) unique_scope: Option<LitStr>,
    pub(crate) lane: Option<Lane>,
    pub(crate) cost: Option<LitInt>,
    pub(crate) retention: Option<LitStr>,
    pub(crate) version: Option<LitInt>,
    pub(crate) upcast: Option<Path>,
    pub(crate) krate: Option<LitStr>,
    /// Every key met, also those whose value is broken.
    keys: Vec<Ident>,
}

/// Names of fields.
pub(crate) type Names = Punctuated<Ident, Token![,]>;

/// What makes a job unique.
pub(crate) enum Unique {
    /// `unique`: the whole job.
    Whole,
    /// `unique(a, b)`: these fields; `place` is that of the parentheses.
    Fields { names: Names, place: Span },
    /// `unique = path`: what the function returns.
    Function(Path),
}

/// What names the lane of a job.
pub(crate) enum Lane {
    /// `lane = store`: this field.
    Field(Ident),
    /// `lane = Self::lane`: what the function returns.
    Function(Path),
}

impl Parse for Lane {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // A single word is a field, also one that is a keyword elsewhere: `r#type` given as `type`.
        if input.peek(Ident::peek_any) && !input.peek2(Token![::]) {
            input.call(Ident::parse_any).map(Self::Field)
        } else {
            input.parse().map(Self::Function)
        }
    }
}

impl Attributes {
    /// Reads them, as far as they can be read.
    pub(crate) fn read(attrs: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut all = Self::default();
        for attr in attrs.iter().filter(|attr| is_job(attr)) {
            let entries = |input: ParseStream<'_>| all.entries(input, mistakes);
            let read = attr.meta.require_list().and_then(|list| list.parse_args_with(entries));
            if let Err(mistake) = read {
                mistakes.push(mistake);
            }
        }
        all
    }

    /// Whether they hold this key, be it with a broken value.
    pub(crate) fn mention(&self, key: &str) -> bool {
        self.keys.iter().any(|mentioned| mentioned == key)
    }

    fn entries(&mut self, input: ParseStream<'_>, mistakes: &mut Mistakes) -> syn::Result<()> {
        while !input.is_empty() {
            if let Err(mistake) = self.entry(input) {
                mistakes.push(mistake);
                // What is left of this entry would repeat the mistake; the next may hold another.
                while !at_end_of_entry(input) {
                    input.parse::<TokenTree>()?;
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        // `crate` is a keyword, and a key.
        let key = input
            .call(Ident::parse_any)
            .map_err(|mistake| Error::new(mistake.span(), "expected a key, such as `queue`"))?;
        if self.mention(&key.to_string()) {
            return Err(Error::new_spanned(&key, format!("`{key}` is given twice")));
        }
        self.keys.push(key.clone());
        match key.to_string().as_str() {
            "kind" => self.kind = Some(value(&key, input, r#"a string: `kind = "crm.sync"`"#)?),
            "queue" => self.queue = Some(value(&key, input, r#"a string: `queue = "mail"`"#)?),
            "max_attempts" => self.max_attempts = Some(number(&key, input)?),
            "max_crashes" => self.max_crashes = Some(number(&key, input)?),
            "timeout" => self.timeout = Some(duration(&key, input)?),
            "backoff" => {
                let form = r#"a string: `backoff = "exponential(2s..10m)"`"#;
                self.backoff = Some(value(&key, input, form)?);
            }
            "jitter" => self.jitter = Some(value(&key, input, r#""full" or "none""#)?),
            "priority" => self.priority = Some(number(&key, input)?),
            "unique" => self.unique = Some(unique(&key, input)?),
            "unique_mode" => {
                let form = r#"a string: `unique_mode = "until_started"`"#;
                self.unique_mode = Some(value(&key, input, form)?);
            }
            "unique_scope" => {
                self.unique_scope = Some(value(&key, input, r#""queue" or "everywhere""#)?);
            }
            "lane" => {
                let form = "the name of a field or the path of a function: `lane = store`, \
                            `lane = Self::lane`";
                self.lane = Some(value(&key, input, form)?);
            }
            "cost" => self.cost = Some(number(&key, input)?),
            "retention" => self.retention = Some(duration(&key, input)?),
            "version" => self.version = Some(number(&key, input)?),
            "upcast" => {
                let form = "the path of a function: `upcast = from_older`";
                self.upcast = Some(value(&key, input, form)?);
            }
            "crate" => {
                let form = r#"a path in quotes: `crate = "my_crate::jobq_core"`"#;
                self.krate = Some(value(&key, input, form)?);
            }
            unknown if LIMITS.contains(&unknown) => {
                let rule = format!(
                    "`{key}` is not said of a job type but of a queue or its lanes: by the worker \
                     (`limit_queue`, `limit_lanes`), in `jobq.toml`, or by `jobq limits set`"
                );
                return Err(Error::new_spanned(&key, rule));
            }
            unknown => {
                let hint = nearest::hint(unknown, &KEYS);
                return Err(Error::new_spanned(&key, format!("unknown key `{key}`: {hint}")));
            }
        }
        if at_end_of_entry(input) { Ok(()) } else { Err(input.error("expected `,`")) }
    }
}

/// Whether this is `#[job …]`.
pub(crate) fn is_job(attr: &Attribute) -> bool {
    attr.path().is_ident("job")
}

fn at_end_of_entry(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// The value in `key = value`.
fn value<T: Parse>(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<T> {
    let rule = format!("`{key}` takes {form}");
    if !input.peek(Token![=]) {
        return Err(Error::new_spanned(key, rule));
    }
    input.parse::<Token![=]>()?;
    input.parse().map_err(|mistake| Error::new(mistake.span(), rule))
}

fn number(key: &Ident, input: ParseStream<'_>) -> syn::Result<LitInt> {
    value(key, input, &format!("a whole number: `{key} = 3`"))
}

fn duration(key: &Ident, input: ParseStream<'_>) -> syn::Result<LitStr> {
    value(key, input, &format!(r#"a duration in quotes: `{key} = "1h30m"`"#))
}

fn unique(key: &Ident, input: ParseStream<'_>) -> syn::Result<Unique> {
    if at_end_of_entry(input) {
        Ok(Unique::Whole)
    } else if input.peek(token::Paren) {
        let list: Group = input.parse()?;
        let names = |input: ParseStream<'_>| Names::parse_terminated_with(input, field);
        let names = names.parse2(list.stream())?;
        if names.is_empty() {
            let rule = "name the fields that make a job unique, or write `unique` alone for all";
            return Err(Error::new_spanned(list, rule));
        }
        Ok(Unique::Fields { names, place: list.span() })
    } else {
        let forms = "fields, nothing or a function: `unique(user)`, `unique`, `unique = to_key`";
        value(key, input, forms).map(Unique::Function)
    }
}

fn field(input: ParseStream<'_>) -> syn::Result<Ident> {
    // `parse_any` because `r#type` may be given as `type`.
    input.call(Ident::parse_any).map_err(|mistake| {
        let rule = "expected the name of a field; for anything else write `unique = function`";
        Error::new(mistake.span(), rule)
    })
}
