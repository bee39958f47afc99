//! The rules of `#[job(…)]`.

use std::ops::RangeInclusive;

use syn::ext::IdentExt;
use syn::{
    Attribute, Data, DataStruct, DeriveInput, Error, Field, Fields, GenericParam, Ident, LitInt,
    LitStr, Path, Variant, parse_quote,
};

use crate::attr::{Attributes, Lane, Names, Unique, is_job};
use crate::backoff::{self, Growth};
use crate::duration::{self, Millis};
use crate::mistakes::Mistakes;
use crate::unique_mode::{self, Mode};
use crate::{name, nearest};

/// The longest tuple that serde serialises.
const MAX_UNIQUE_FIELDS: usize = 16;

/// A job type that keeps the rules. Where a value is `None`, the trait's default stands.
pub(crate) struct JobType {
    pub(crate) ident: Ident,
    pub(crate) krate: Path,
    pub(crate) kind: String,
    pub(crate) queue: Option<String>,
    pub(crate) max_attempts: Option<u16>,
    pub(crate) max_crashes: Option<u16>,
    pub(crate) timeout: Option<Millis>,
    pub(crate) growth: Option<Growth>,
    pub(crate) jitter: Option<bool>,
    pub(crate) priority: Option<u16>,
    pub(crate) retention: Option<Millis>,
    pub(crate) version: Option<u16>,
    pub(crate) unique: Option<Unique>,
    pub(crate) unique_mode: Option<Mode>,
    pub(crate) unique_scope: Option<Scope>,
    pub(crate) lane: Option<Lane>,
    pub(crate) cost: Option<u16>,
    pub(crate) upcast: Option<Path>,
}

/// Among which jobs a unique key counts; the variants of `jobq_core::UniqueScope`.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Queue,
    Everywhere,
}

impl JobType {
    /// The job type that `input` describes. It is of use only if no mistake was added.
    pub(crate) fn of(input: &DeriveInput, mistakes: &mut Mistakes) -> Self {
        check_shape(input, mistakes);
        let given = Attributes::read(&input.attrs, mistakes);
        check_upcast(&given, mistakes);
        check_unique(&given, mistakes);
        Self {
            ident: input.ident.clone(),
            krate: mistakes.check(given.krate, crate_path).unwrap_or(parse_quote!(::jobq_core)),
            kind: match given.kind {
                Some(kind) => mistakes.check(Some(kind), |kind| known_name("kind", &kind)),
                None => mistakes.check(Some(&input.ident), default_kind),
            }
            .unwrap_or_default(),
            queue: mistakes.check(given.queue, |queue| known_name("queue name", &queue)),
            max_attempts: mistakes
                .check(given.max_attempts, |n| number("max_attempts", &n, 1..=u16::MAX)),
            max_crashes: mistakes.check(given.max_crashes, |n| number("max_crashes", &n, 1..=255)),
            timeout: mistakes.check(given.timeout, |timeout| {
                let rule = "a timeout of zero lets no attempt run: leave it out for none";
                let millis = above_zero(&timeout, rule)?;
                between(&timeout, millis, 1, MAX_TIMEOUT_MS, "a timeout is 49 days at most")
            }),
            growth: mistakes.check(given.backoff, |growth| {
                backoff::parse(&growth.value()).map_err(|why| Error::new_spanned(growth, why))
            }),
            jitter: mistakes.check(given.jitter, |jitter| has_jitter(&jitter)),
            priority: mistakes.check(given.priority, |n| number("priority", &n, 0..=15)),
            retention: mistakes.check(given.retention, |retention| {
                let rule = "a retention of zero keeps nothing: leave it out for that";
                let millis = above_zero(&retention, rule)?;
                let rule = "a retention is 1s at least, and 136 years at most";
                between(&retention, millis, MIN_RETENTION_MS, MAX_RETENTION_MS, rule)
            }),
            version: mistakes.check(given.version, |n| number("version", &n, 1..=u16::MAX)),
            unique: given.unique.map(|unique| match unique {
                Unique::Fields { names, place } => {
                    Unique::Fields { names: known_fields(&names, input, mistakes), place }
                }
                Unique::Whole | Unique::Function(_) => unique,
            }),
            unique_mode: mistakes.check(given.unique_mode, |mode| {
                unique_mode::parse(&mode.value()).map_err(|why| Error::new_spanned(mode, why))
            }),
            unique_scope: mistakes.check(given.unique_scope, |scope| unique_scope(&scope)),
            lane: mistakes.check(given.lane, |lane| match lane {
                Lane::Field(name) => lane_field(name, input).map(Lane::Field),
                Lane::Function(_) => Ok(lane),
            }),
            cost: mistakes.check(given.cost, |n| number("cost", &n, 1..=u16::MAX)),
            upcast: given.upcast,
        }
    }
}

fn check_shape(input: &DeriveInput, mistakes: &mut Mistakes) {
    if let Data::Union(union) = &input.data {
        mistakes.add(union.union_token, "a job is a struct or an enum, not a union");
    }
    for param in &input.generics.params {
        mistakes.add(
            param,
            match param {
                GenericParam::Lifetime(_) => {
                    "a job owns its arguments, for it outlives the program that enqueued it: use \
                     `String` for `&str` and so on"
                }
                GenericParam::Type(_) | GenericParam::Const(_) => {
                    "a job type has no parameters, for one kind stands for one type: make the \
                     parameter an argument, or derive `Job` for a type of your own around this one"
                }
            },
        );
    }
    for attr in inner_attributes(&input.data).into_iter().filter(|attr| is_job(attr)) {
        mistakes.add(attr, "`#[job(…)]` stands before the type, not inside it");
    }
}

/// The attributes of variants and fields.
fn inner_attributes(data: &Data) -> Vec<&Attribute> {
    let (variants, fields): (Vec<&Variant>, Vec<&Field>) = match data {
        Data::Struct(data) => (Vec::new(), data.fields.iter().collect()),
        Data::Enum(data) => {
            (data.variants.iter().collect(), data.variants.iter().flat_map(|v| &v.fields).collect())
        }
        Data::Union(data) => (Vec::new(), data.fields.named.iter().collect()),
    };
    let of_variants = variants.into_iter().flat_map(|variant| &variant.attrs);
    of_variants.chain(fields.into_iter().flat_map(|field| &field.attrs)).collect()
}

fn check_upcast(given: &Attributes, mistakes: &mut Mistakes) {
    // A version that is no number is a mistake of its own, and says nothing about this one.
    let is_first = match &given.version {
        Some(version) => version.base10_parse::<u32>().is_ok_and(|version| version == 1),
        None => !given.mention("version"),
    };
    if let (Some(upcast), true) = (&given.upcast, is_first) {
        mistakes.add(upcast, "nothing is older than version 1: raise `version`, or drop `upcast`");
    }
}

/// A mode or a scope says something about a key that must be there.
fn check_unique(given: &Attributes, mistakes: &mut Mistakes) {
    if given.mention("unique") {
        return;
    }
    for (key, value) in [("unique_mode", &given.unique_mode), ("unique_scope", &given.unique_scope)]
    {
        if let Some(value) = value {
            let rule = format!(
                "`{key}` says nothing without `unique`: add `unique`, `unique(field)` or \
                 `unique = function`"
            );
            mistakes.add(value, rule);
        }
    }
}

fn unique_scope(scope: &LitStr) -> syn::Result<Scope> {
    match scope.value().as_str() {
        "queue" => Ok(Scope::Queue),
        "everywhere" => Ok(Scope::Everywhere),
        other => {
            let rule = format!("unknown scope {other:?}: write \"queue\" or \"everywhere\"");
            Err(Error::new_spanned(scope, rule))
        }
    }
}

fn crate_path(path: LitStr) -> syn::Result<Path> {
    path.parse_with(Path::parse_mod_style).map_err(|_| {
        let rule = format!("{:?} is not the path of a crate or module", path.value());
        Error::new_spanned(path, rule)
    })
}

fn known_name(what: &str, name: &LitStr) -> syn::Result<String> {
    match name::fault(&name.value()) {
        None => Ok(name.value()),
        Some(fault) => Err(Error::new_spanned(name, format!("{what} {:?} {fault}", name.value()))),
    }
}

fn default_kind(ident: &Ident) -> syn::Result<String> {
    let kind = name::snake_case(&ident.unraw().to_string());
    match name::fault(&kind) {
        None => Ok(kind),
        Some(fault) => {
            let rule =
                format!("kind {kind:?} {fault}: give one, such as `#[job(kind = \"sync\")]`");
            Err(Error::new_spanned(ident, rule))
        }
    }
}

fn number(key: &str, number: &LitInt, allowed: RangeInclusive<u16>) -> syn::Result<u16> {
    let parsed = if number.suffix().is_empty() { number.base10_parse().ok() } else { None };
    parsed.filter(|n| allowed.contains(n)).ok_or_else(|| {
        let (least, most) = allowed.into_inner();
        Error::new_spanned(number, format!("`{key}` is a number from {least} to {most}"))
    })
}

fn above_zero(duration: &LitStr, rule: &str) -> syn::Result<Millis> {
    match duration::parse(&duration.value()) {
        Ok(Millis::ZERO) => Err(Error::new_spanned(duration, rule)),
        Ok(millis) => Ok(millis),
        Err(why) => Err(Error::new_spanned(duration, why)),
    }
}

/// The longest timeout and the shortest and longest retention that records have room for.
const MAX_TIMEOUT_MS: u64 = u32::MAX as u64;
const MIN_RETENTION_MS: u64 = 1_000;
const MAX_RETENTION_MS: u64 = u32::MAX as u64 * 1_000;

fn between(
    duration: &LitStr,
    millis: Millis,
    least: u64,
    most: u64,
    rule: &str,
) -> syn::Result<Millis> {
    if (least..=most).contains(&millis.0) {
        Ok(millis)
    } else {
        Err(Error::new_spanned(duration, rule))
    }
}

fn has_jitter(jitter: &LitStr) -> syn::Result<bool> {
    match jitter.value().as_str() {
        "full" => Ok(true),
        "none" => Ok(false),
        other => {
            let rule = format!("unknown jitter {other:?}: write \"full\" or \"none\"");
            Err(Error::new_spanned(jitter, rule))
        }
    }
}

/// The names of the fields of a struct that has some; `None` for everything else.
fn named_fields(input: &DeriveInput) -> Option<Vec<&Ident>> {
    match &input.data {
        Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) => {
            Some(fields.named.iter().flat_map(|field| &field.ident).collect())
        }
        _ => None,
    }
}

/// One of the fields, as the struct spells it.
fn known_field(name: &Ident, fields: &[&Ident], input: &DeriveInput) -> syn::Result<Ident> {
    let Some(&field) = fields.iter().find(|field| field.unraw() == name.unraw()) else {
        let fields: Vec<String> = fields.iter().map(|field| field.unraw().to_string()).collect();
        let hint = nearest::hint(&name.to_string(), &fields);
        let rule = format!("`{}` has no field `{name}`: {hint}", input.ident);
        return Err(Error::new_spanned(name, rule));
    };
    let mut field = field.clone();
    // What the compiler has to say about the field's type belongs where the field is named.
    field.set_span(name.span());
    Ok(field)
}

fn lane_field(name: Ident, input: &DeriveInput) -> syn::Result<Ident> {
    match named_fields(input) {
        Some(fields) => known_field(&name, &fields, input),
        None => {
            let rule = format!(
                "only a struct with named fields has one to name: for a function write its path, such \
                 as `lane = Self::{name}`"
            );
            Err(Error::new_spanned(name, rule))
        }
    }
}

/// The fields that `unique(…)` names, as the struct spells them.
fn known_fields(names: &Names, input: &DeriveInput, mistakes: &mut Mistakes) -> Names {
    let Some(fields) = named_fields(input) else {
        let rule = "only a struct with named fields can list them: write `unique = function`";
        mistakes.add(names, rule);
        return Names::new();
    };
    let mut known = Names::new();
    for name in names {
        match known_field(name, &fields, input) {
            Err(mistake) => mistakes.push(mistake),
            Ok(field) if known.iter().any(|known| *known == field) => {
                mistakes.add(name, format!("field `{name}` is listed twice"));
            }
            Ok(field) => known.push(field),
        }
    }
    if let Some(name) = names.get(MAX_UNIQUE_FIELDS) {
        mistakes.add(name, "at most 16 fields can be listed: write `unique = function`");
    }
    known
}
