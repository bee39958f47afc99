//! Generated `#[job(…)]`: what is right becomes the constants that were asked for, and each thing that is wrong one
//! mistake at its own token.

use quote::ToTokens;
use syn::{DeriveInput, ImplItem, ItemImpl};

use crate::expand;
use crate::mistakes::Mistakes;
use crate::validate::JobType;

/// What an entry must come to.
#[derive(Clone, Copy, Debug)]
enum Comes {
    /// A constant or method of this name, whose tokens hold this.
    To(&'static str, &'static str),
    /// Nothing by itself.
    Nothing,
    /// A mistake at this token that says this.
    Wrong(&'static str, &'static str),
}

use Comes::{Nothing, To, Wrong};

/// For each key: entries as they may be written, and what they come to.
const ENTRIES: [(&str, &[(&str, Comes)]); 18] = [
    (
        "kind",
        &[
            (r#"kind = "crm.sync""#, To("KIND", r#""crm.sync""#)),
            (r#"kind = """#, Wrong(r#""""#, "kind")),
            (r#"kind = "a b""#, Wrong(r#""a b""#, "kind")),
            ("kind = 7", Wrong("7", "`kind` takes a string")),
            ("kind", Wrong("kind", "`kind` takes a string")),
        ],
    ),
    (
        "queue",
        &[
            (r#"queue = "mail""#, To("QUEUE", r#""mail""#)),
            ("queue = mail", Wrong("mail", "`queue` takes a string")),
            (r#"queue = "ma{il""#, Wrong(r#""ma{il""#, "queue name")),
        ],
    ),
    (
        "max_attempts",
        &[
            ("max_attempts = 1", To("MAX_ATTEMPTS", "= 1 ;")),
            ("max_attempts = 65_535", To("MAX_ATTEMPTS", "= 65535 ;")),
            ("max_attempts = 0", Wrong("0", "a number from 1 to 65535")),
            ("max_attempts = 65536", Wrong("65536", "a number from 1 to 65535")),
            ("max_attempts = 3u8", Wrong("3u8", "a number from 1 to 65535")),
            (r#"max_attempts = "3""#, Wrong(r#""3""#, "a whole number")),
        ],
    ),
    (
        "max_crashes",
        &[
            ("max_crashes = 255", To("MAX_CRASHES", "= 255 ;")),
            ("max_crashes = 256", Wrong("256", "a number from 1 to 255")),
        ],
    ),
    (
        "timeout",
        &[
            (r#"timeout = "1h30m""#, To("TIMEOUT", "from_millis (5400000u64)")),
            (r#"timeout = "0s""#, Wrong(r#""0s""#, "lets no attempt run")),
            (r#"timeout = "50d""#, Wrong(r#""50d""#, "49 days at most")),
            (r#"timeout = "soon""#, Wrong(r#""soon""#, "is not a duration")),
            ("timeout = 30", Wrong("30", "a duration in quotes")),
        ],
    ),
    (
        "backoff",
        &[
            (r#"backoff = "exponential(2s..10m)""#, To("BACKOFF", "exponential (")),
            (r#"backoff = "fixed(30s)""#, To("BACKOFF", "from_millis (30000u64)")),
            (r#"backoff = "list(1s, 1m)""#, To("BACKOFF", "from_millis (60000u64)")),
            (r#"backoff = "cubic(1s)""#, Wrong(r#""cubic(1s)""#, "is not a backoff")),
            (r#"backoff = "linear(9s..1s)""#, Wrong(r#""linear(9s..1s)""#, "below the first one")),
        ],
    ),
    (
        "jitter",
        &[
            (r#"jitter = "none""#, To("BACKOFF", "without_jitter")),
            (r#"jitter = "full""#, Nothing),
            (r#"jitter = "half""#, Wrong(r#""half""#, "unknown jitter")),
        ],
    ),
    (
        "priority",
        &[
            ("priority = 0", To("PRIORITY", "constant (0)")),
            ("priority = 15", To("PRIORITY", "constant (15)")),
            ("priority = 16", Wrong("16", "a number from 0 to 15")),
            ("priority = -1", Wrong("-1", "a number from 0 to 15")),
        ],
    ),
    (
        "unique",
        &[
            ("unique", To("unique_key", "self")),
            ("unique(store, r#type)", To("unique_key", "& self . store")),
            ("unique(type)", To("unique_key", "& self . r#type")),
            ("unique = Self::key", To("unique_key", "Self :: key (self)")),
            ("unique()", Wrong("()", "name the fields")),
            ("unique(nope)", Wrong("nope", "has no field `nope`")),
            ("unique = 7", Wrong("7", "`unique` takes")),
        ],
    ),
    (
        "unique_mode",
        &[
            (r#"unique_mode = "until_started""#, To("UNIQUE_MODE", "UntilStarted")),
            (r#"unique_mode = "throttle(5s)""#, To("UNIQUE_MODE", "from_millis (5000u64)")),
            (r#"unique_mode = "never""#, Wrong(r#""never""#, "")),
        ],
    ),
    (
        "unique_scope",
        &[
            (r#"unique_scope = "everywhere""#, To("UNIQUE_SCOPE", "Everywhere")),
            (r#"unique_scope = "here""#, Wrong(r#""here""#, "unknown scope")),
        ],
    ),
    (
        "lane",
        &[
            ("lane = store", To("lane_key", "& self . store")),
            ("lane = Self::lane", To("lane_key", "Self :: lane (self)")),
            ("lane = shop", Wrong("shop", "has no field `shop`")),
            (r#"lane = "store""#, Wrong(r#""store""#, "`lane` takes")),
        ],
    ),
    (
        "cost",
        &[("cost = 300", To("COST", "= 300 ;")), ("cost = 0", Wrong("0", "`cost` is a number"))],
    ),
    (
        "retention",
        &[
            (r#"retention = "7d""#, To("RETENTION", "from_millis (604800000u64)")),
            (r#"retention = "10ms""#, Wrong(r#""10ms""#, "1s at least")),
            (r#"retention = "0s""#, Wrong(r#""0s""#, "keeps nothing")),
        ],
    ),
    (
        "version",
        &[
            ("version = 2", To("VERSION", "= 2 ;")),
            ("version = 1", To("VERSION", "= 1 ;")),
            ("version = 70000", Wrong("70000", "`version` is a number")),
        ],
    ),
    (
        "upcast",
        &[
            ("upcast = from_older", To("upcast", "from_older")),
            ("upcast = 7", Wrong("7", "path of a function")),
        ],
    ),
    (
        "crate",
        &[
            (r#"crate = "my::core""#, Nothing),
            (r#"crate = "my core""#, Wrong(r#""my core""#, "is not the path")),
        ],
    ),
    (
        "none of these",
        &[
            (r#"timout = "3s""#, Wrong("timout", "unknown key `timout`")),
            ("rate = 3", Wrong("rate", "is not said of a job type")),
            ("=", Wrong("=", "expected a key")),
        ],
    ),
];

/// A type with some of these entries, in any order and in one attribute or in two.
fn compose(chance: &mut fastrand::Rng) -> Vec<(&'static str, &'static str, Comes)> {
    let mut given = Vec::new();
    for (key, entries) in ENTRIES {
        if chance.u32(..3) == 0
            && let Some((text, comes)) = chance.choice(entries)
        {
            given.push((key, *text, *comes));
        }
    }
    chance.shuffle(&mut given);
    given
}

fn written(given: &[(&str, &str, Comes)], chance: &mut fastrand::Rng) -> String {
    let at = chance.usize(..=given.len());
    let attribute = |entries: &[(&str, &str, Comes)]| {
        let entries: Vec<_> = entries.iter().map(|(_, text, _)| *text).collect();
        let comma = if entries.is_empty() { "" } else { "," };
        format!("#[job({}{comma})]", entries.join(", "))
    };
    let attributes = format!("{} {}", attribute(&given[..at]), attribute(&given[at..]));
    format!("{attributes} struct SyncRecord {{ store: u32, r#type: String }}")
}

/// The mistakes that follow from several entries together.
fn crossed(given: &[(&'static str, &'static str, Comes)]) -> Vec<(&'static str, &'static str)> {
    let of = |wanted: &str| given.iter().find(|(key, ..)| *key == wanted);
    let value = |text: &'static str| text.split_once("= ").map_or("", |(_, value)| value);
    let mut mistakes = Vec::new();
    if of("unique").is_none() {
        for (_, text, _) in [of("unique_mode"), of("unique_scope")].into_iter().flatten() {
            mistakes.push((value(text), "says nothing without `unique`"));
        }
    }
    let is_first = of("version").is_none_or(|(_, text, _)| *text == "version = 1");
    if let Some((_, text, To(..))) = of("upcast").filter(|_| is_first) {
        mistakes.push((value(text), "nothing is older than version 1"));
    }
    mistakes
}

fn mistakes_of(input: &DeriveInput) -> Vec<(String, String)> {
    let mut mistakes = Mistakes::default();
    JobType::of(input, &mut mistakes);
    let all = mistakes.into_error().into_iter().flatten();
    all.map(|mistake| (mistake.span().source_text().unwrap_or_default(), mistake.to_string()))
        .collect()
}

fn tokens_of<'a>(expanded: &'a ItemImpl, name: &str) -> Option<&'a ImplItem> {
    expanded.items.iter().find(|item| match item {
        ImplItem::Const(constant) => constant.ident == name,
        ImplItem::Fn(method) => method.sig.ident == name,
        _ => false,
    })
}

#[test]
fn attributes_become_their_constants_or_a_mistake_at_its_token() {
    let seed = fastrand::u64(..);
    let mut chance = fastrand::Rng::with_seed(seed);
    let (mut right, mut wrong) = (0, 0);
    for _ in 0..4_000 {
        let mut given = compose(&mut chance);
        if chance.bool() {
            given.retain(|(_, _, comes)| !matches!(comes, Wrong(..)));
        }
        let text = written(&given, &mut chance);
        let input: DeriveInput = syn::parse_str(&text).unwrap();

        let mut expected = crossed(&given);
        expected.extend(given.iter().filter_map(|(_, _, comes)| match comes {
            Wrong(place, rule) => Some((*place, *rule)),
            _ => None,
        }));
        let mut found = mistakes_of(&input);
        for (place, rule) in &expected {
            let nth = found.iter().position(|(at, said)| at == place && said.contains(rule));
            let nth = nth.unwrap_or_else(|| {
                panic!("seed {seed}: {text}\n{rule:?} at {place} not in {found:?}")
            });
            found.remove(nth);
        }
        assert!(found.is_empty(), "seed {seed}: {text}\n{found:?} is too much");
        let expanded = expand::derive(&input);
        if !expected.is_empty() {
            wrong += 1;
            assert!(expanded.to_string().contains("compile_error"), "seed {seed}: {text}");
            continue;
        }
        right += 1;
        let expanded: ItemImpl = syn::parse2(expanded).unwrap();
        let names =
            |name| tokens_of(&expanded, name).map(|item| item.to_token_stream().to_string());
        let mut constants = vec!["KIND"];
        for (_, _, comes) in &given {
            if let To(name, part) = comes {
                constants.push(name);
                let tokens = names(name).unwrap_or_default();
                assert!(tokens.contains(part), "seed {seed}: {text}\n{name} is {tokens}");
            }
        }
        constants.sort_unstable();
        constants.dedup();
        // What was not asked for is left to the trait.
        assert_eq!(expanded.items.len(), constants.len(), "seed {seed}: {text}");
    }
    assert!(right > 100 && wrong > 100, "{right} were right, {wrong} wrong");
}

#[test]
fn a_key_that_is_given_twice_is_told_at_the_second_one() {
    for (key, entries) in ENTRIES.iter().filter(|(key, _)| *key != "none of these") {
        let text = entries[0].0;
        let input: DeriveInput = syn::parse_str(&format!(
            "#[job({text}, {text})] struct A {{ store: u32, r#type: u8 }}"
        ))
        .unwrap();

        let told = mistakes_of(&input);
        let twice = format!("`{key}` is given twice");
        assert!(told.iter().any(|(at, said)| at == key && *said == twice), "{told:?}");
    }
}
