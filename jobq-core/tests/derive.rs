//! What `#[derive(Job)]` makes of a type, and what it says about a mistake.
#![cfg(feature = "derive")]

use std::collections::HashMap;
use std::time::Duration;

use jobq_core::{
    Backoff, Error, Job, JobId, JobRecord, Kind, OlderPayload, Payload, Priority, QueueName,
    Unique, UniqueKey, UniqueMode, UniqueScope,
};
use serde::{Deserialize, Serialize};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[derive(Serialize, Deserialize, Job)]
struct SendWelcome {
    user: u64,
}

#[test]
fn a_type_that_says_nothing_has_the_defaults_of_the_trait() {
    assert_eq!(SendWelcome::KIND, "send_welcome");
    assert_eq!(SendWelcome::QUEUE, "default");
    assert_eq!(SendWelcome::MAX_ATTEMPTS, 5);
    assert_eq!(SendWelcome::MAX_CRASHES, 3);
    assert_eq!(SendWelcome::TIMEOUT, None);
    assert_eq!(SendWelcome::BACKOFF, Backoff::DEFAULT);
    assert_eq!(SendWelcome::PRIORITY, Priority::DEFAULT);
    assert_eq!(SendWelcome::RETENTION, None);
    assert_eq!(SendWelcome::VERSION, 1);
    assert_eq!(SendWelcome::UNIQUE_MODE, UniqueMode::UntilFinished);
    assert_eq!(SendWelcome::UNIQUE_SCOPE, UniqueScope::Queue);
    assert_eq!(SendWelcome::COST, 1);
    assert_eq!(SendWelcome { user: 1 }.unique_key().unwrap(), None);
    assert_eq!(SendWelcome { user: 1 }.lane_key().unwrap(), None);
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.sync",
    queue = "integrations",
    max_attempts = 3,
    timeout = "60s",
    max_crashes = 2,
    backoff = "exponential(2s..10m)",
    jitter = "none",
    priority = 5,
    unique(store, entity),
    unique_mode = "until_started",
    unique_scope = "everywhere",
    lane = store,
    cost = 5,
    retention = "7d",
    version = 3,
    upcast = from_older
)]
struct SyncRecord {
    store: u32,
    entity: String,
    urgent: bool,
}

#[derive(Serialize, Deserialize)]
struct SyncRecordV2 {
    store: u32,
    entity: String,
}

fn from_older(older: OlderPayload) -> Result<SyncRecord, Error> {
    match older.version() {
        2 => {
            let SyncRecordV2 { store, entity } = older.decode()?;
            Ok(SyncRecord { store, entity, urgent: true })
        }
        _ => Err(older.unsupported()),
    }
}

fn record(store: u32, entity: &str, urgent: bool) -> SyncRecord {
    SyncRecord { store, entity: entity.to_owned(), urgent }
}

#[test]
fn every_key_sets_its_constant() {
    assert_eq!(SyncRecord::KIND, "crm.sync");
    assert_eq!(SyncRecord::QUEUE, "integrations");
    assert_eq!(SyncRecord::MAX_ATTEMPTS, 3);
    assert_eq!(SyncRecord::MAX_CRASHES, 2);
    assert_eq!(SyncRecord::TIMEOUT, Some(secs(60)));
    assert_eq!(SyncRecord::BACKOFF, Backoff::exponential(secs(2), secs(600)).without_jitter());
    assert_eq!(SyncRecord::PRIORITY, Priority::new(5).unwrap());
    assert_eq!(SyncRecord::RETENTION, Some(secs(7 * 86_400)));
    assert_eq!(SyncRecord::VERSION, 3);
    assert_eq!(SyncRecord::UNIQUE_MODE, UniqueMode::UntilStarted);
    assert_eq!(SyncRecord::UNIQUE_SCOPE, UniqueScope::Everywhere);
    assert_eq!(SyncRecord::COST, 5);
}

#[test]
fn what_a_type_says_of_its_flow_is_in_the_record() {
    let job = record(7, "order", false);
    let stored = JobRecord::of(JobId::from_key("x"), &job).unwrap();

    let key = UniqueKey::new("crm.sync", &(7_u32, "order")).unwrap();
    assert_eq!(stored.unique, Some(Unique::new(key, UniqueMode::UntilStarted).everywhere()));
    assert_eq!(stored.lane.unwrap().as_str(), "7");
    assert_eq!(stored.cost, 5);
}

#[test]
fn only_the_listed_fields_make_a_job_unique() {
    let key = record(1, "order", false).unique_key().unwrap();

    assert_eq!(key, Some(UniqueKey::new("crm.sync", &(1_u32, "order")).unwrap()));
    assert_eq!(key, record(1, "order", true).unique_key().unwrap());
    assert_ne!(key, record(2, "order", false).unique_key().unwrap());
    assert_ne!(key, record(1, "customer", false).unique_key().unwrap());
}

#[test]
fn an_older_payload_goes_through_the_named_function() {
    let payload = Payload::encode(&SyncRecordV2 { store: 1, entity: "order".into() }).unwrap();

    let upcast = SyncRecord::upcast(OlderPayload::new(2, payload.clone())).unwrap();
    assert_eq!(upcast, record(1, "order", true));
    let refusal = SyncRecord::upcast(OlderPayload::new(1, payload)).unwrap_err();
    assert_eq!(refusal.to_string(), "nothing reads payloads of version 1 any more");
}

#[test]
fn without_a_function_an_older_payload_is_read_as_the_current_one() {
    let payload = Payload::encode(&SendWelcome { user: 7 }).unwrap();

    assert_eq!(SendWelcome::upcast(OlderPayload::new(1, payload)).unwrap().user, 7);
}

/// An error of the user's own.
struct TooOld;

impl From<TooOld> for Error {
    fn from(_: TooOld) -> Self {
        Self::invalid_input("too old")
    }
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(version = 2, upcast = older)]
struct Moved;

// Named like the parameter in the generated code, which must not get in its way.
fn older(_: OlderPayload) -> Result<Moved, TooOld> {
    Err(TooOld)
}

#[test]
fn the_error_of_an_upcast_is_converted() {
    let payload = Payload::encode(&()).unwrap();

    assert_eq!(Moved::upcast(OlderPayload::new(1, payload)).unwrap_err().to_string(), "too old");
}

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "fixed(30s)", jitter = "full")]
struct Fixed;

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "linear(500ms..1h30m)")]
struct Linear;

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "list(1s, 10s, 1m)")]
struct List;

#[derive(Serialize, Deserialize, Job)]
#[job(jitter = "none")]
struct WithoutJitter;

const LISTED: [Duration; 3] = [secs(1), secs(10), secs(60)];

#[test]
fn every_form_of_backoff_is_understood() {
    assert_eq!(Fixed::BACKOFF, Backoff::fixed(secs(30)));
    assert_eq!(Linear::BACKOFF, Backoff::linear(Duration::from_millis(500), secs(5400)));
    assert_eq!(List::BACKOFF, Backoff::list(&LISTED));
    assert_eq!(WithoutJitter::BACKOFF, Backoff::DEFAULT.without_jitter());
}

#[derive(Serialize, Deserialize, Job)]
struct HTTPFetch(String, #[serde(default)] u8);

#[derive(Serialize, Deserialize, Job)]
#[job(unique)]
struct Vacuum;

#[derive(Serialize, Deserialize, Job)]
#[job(unique = Notify::user, queue = "mail")]
enum Notify {
    Mail { user: u64, subject: String },
    Push(u64),
}

impl Notify {
    fn user(&self) -> u64 {
        match self {
            Self::Mail { user, .. } | Self::Push(user) => *user,
        }
    }
}

#[allow(non_camel_case_types)]
#[derive(Serialize, Deserialize, Job)]
#[job(unique(type))]
struct r#async {
    r#type: u8,
}

#[test]
fn the_default_kind_is_the_name_in_snake_case() {
    assert_eq!(HTTPFetch::KIND, "http_fetch");
    assert_eq!(Vacuum::KIND, "vacuum");
    assert_eq!(Notify::KIND, "notify");
    assert_eq!(r#async::KIND, "async");
}

#[test]
fn kinds_and_queues_that_pass_the_macro_pass_the_core() {
    for kind in [HTTPFetch::KIND, SendWelcome::KIND, SyncRecord::KIND, r#async::KIND] {
        assert_eq!(Kind::new(kind).unwrap().as_str(), kind);
    }
    for queue in [SyncRecord::QUEUE, Notify::QUEUE] {
        assert_eq!(QueueName::new(queue).unwrap().as_str(), queue);
    }
}

#[test]
fn a_bare_unique_takes_the_whole_job() {
    let key = Vacuum.unique_key().unwrap();

    assert_eq!(key, Some(UniqueKey::new("vacuum", &Vacuum).unwrap()));
}

#[test]
fn a_function_says_what_is_unique() {
    let mail = Notify::Mail { user: 1, subject: "hello".into() };
    let key = mail.unique_key().unwrap();

    assert_eq!(key, Some(UniqueKey::new("notify", &1_u64).unwrap()));
    assert_eq!(key, Notify::Push(1).unique_key().unwrap());
    assert_ne!(key, Notify::Push(2).unique_key().unwrap());
}

/// A job of each mode.
macro_rules! modes {
    ($($name:ident $mode:literal)*) => {
        $(
            #[derive(Serialize, Deserialize, Job)]
            #[job(unique, unique_mode = $mode)]
            struct $name;
        )*
    };
}

modes! {
    Finished "until_finished"
    Started "until_started"
    Running "while_running"
    Latest "latest_wins"
    Throttled "throttle(10m)"
    Debounced "debounce(30s)"
    DebouncedAtMost "debounce(30s..5m)"
}

#[test]
fn every_unique_mode_is_understood() {
    assert_eq!(Finished::UNIQUE_MODE, UniqueMode::UntilFinished);
    assert_eq!(Started::UNIQUE_MODE, UniqueMode::UntilStarted);
    assert_eq!(Running::UNIQUE_MODE, UniqueMode::WhileRunning);
    assert_eq!(Latest::UNIQUE_MODE, UniqueMode::LatestWins);
    assert_eq!(Throttled::UNIQUE_MODE, UniqueMode::Throttle { per: secs(600) });
    let debounce = |at_most| UniqueMode::Debounce { delay: secs(30), at_most };
    assert_eq!(Debounced::UNIQUE_MODE, debounce(None));
    assert_eq!(DebouncedAtMost::UNIQUE_MODE, debounce(Some(secs(300))));
}

#[derive(Serialize, Deserialize, Job)]
#[job(lane = Self::store, unique_scope = "queue", unique)]
enum Sync {
    Store { store: u32 },
    All,
}

impl Sync {
    const fn store(&self) -> Option<u32> {
        match self {
            Self::Store { store } => Some(*store),
            Self::All => None,
        }
    }
}

#[derive(Serialize, Deserialize, Job)]
#[job(lane = type)]
struct Typed {
    r#type: String,
}

#[test]
fn a_lane_is_a_field_or_what_a_function_says() {
    assert_eq!(Sync::Store { store: 7 }.lane_key().unwrap().unwrap().as_str(), "7");
    assert_eq!(Sync::All.lane_key().unwrap(), None);
    assert_eq!(Typed { r#type: "b2b".into() }.lane_key().unwrap().unwrap().as_str(), "b2b");
}

#[test]
fn a_lane_key_that_breaks_the_rules_is_an_error_of_the_enqueue() {
    let error = JobRecord::of(JobId::from_key("x"), &Typed { r#type: "a b".into() }).unwrap_err();

    assert_eq!(error.to_string(), "lane key \"a b\" may hold only printable ASCII without spaces");
}

#[test]
fn a_raw_field_may_be_listed_without_its_prefix() {
    let key = r#async { r#type: 3 }.unique_key().unwrap();

    assert_eq!(key, Some(UniqueKey::new("async", &(3_u8,)).unwrap()));
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "many", max_attempts = 65_535, max_crashes = 255, cost = 65_535)]
#[job(unique(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p))]
#[rustfmt::skip]
struct AtTheLimits {
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8,
    i: u8, j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8,
}

#[test]
fn the_limits_themselves_are_allowed_and_attributes_add_up() {
    assert_eq!(AtTheLimits::QUEUE, "many");
    assert_eq!(AtTheLimits::MAX_ATTEMPTS, 65_535);
    assert_eq!(AtTheLimits::MAX_CRASHES, 255);
    assert_eq!(AtTheLimits::COST, 65_535);
}

mod reexport {
    pub(crate) mod framework {
        pub(crate) use jobq_core::*;
    }
}

/// Nothing the derive writes may be taken for something of the user's.
mod hostile_names {
    #![allow(dead_code)]

    use serde::{Deserialize, Serialize};

    struct Option;
    struct Result;
    struct Duration;
    struct Some;
    mod core {}
    mod jobq_core {}

    #[derive(Serialize, Deserialize, ::jobq_core::Job)]
    #[job(
        crate = "crate::reexport::framework",
        timeout = "1s",
        backoff = "list(1s)",
        priority = 15,
        unique,
        unique_mode = "debounce(1s..2s)",
        unique_scope = "everywhere",
        lane = id,
        version = 2,
        upcast = current
    )]
    pub(super) struct Sealed {
        pub(super) id: u8,
    }

    fn current(older: ::jobq_core::OlderPayload) -> ::jobq_core::Result<Sealed> {
        older.decode()
    }
}

#[test]
fn a_reexported_crate_and_hostile_names_do_no_harm() {
    assert_eq!(hostile_names::Sealed::PRIORITY, Priority::HIGHEST);
    assert_eq!(hostile_names::Sealed::TIMEOUT, Some(secs(1)));
    assert!(hostile_names::Sealed { id: 1 }.unique_key().unwrap().is_some());
    assert!(hostile_names::Sealed { id: 1 }.lane_key().unwrap().is_some());
}

macro_rules! job {
    ($name:ident, $queue:literal, $attempts:expr, $field:ident) => {
        #[derive(Serialize, Deserialize, Job)]
        #[job(queue = $queue, max_attempts = $attempts, unique($field))]
        struct $name {
            $field: u8,
        }
    };
}

job!(FromMacro, "macros", 2, id);

#[test]
fn values_may_come_from_a_macro() {
    assert_eq!(FromMacro::QUEUE, "macros");
    assert_eq!(FromMacro::MAX_ATTEMPTS, 2);
    assert!(FromMacro { id: 1 }.unique_key().unwrap().is_some());
}

#[test]
fn every_mistake_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[derive(Clone, Serialize, Deserialize)]
struct Address {
    street: String,
    zip: Option<u32>,
    at: (f32, f64),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Side {
    Left,
    Right,
}

#[derive(Clone, Serialize, Deserialize)]
enum Entity {
    Nothing,
    Customer(u64),
    Order { id: i64, lines: Vec<u16> },
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "crm.push", unique(address, entity, sides, note))]
struct Push {
    address: Address,
    entity: Entity,
    sides: HashMap<Side, u8>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize, Job)]
#[job(kind = "crm.pull", unique)]
struct Pull {
    store: i8,
    address: Option<Address>,
}

#[test]
fn a_key_is_the_same_if_it_is_computed_from_json() {
    let address = Address { street: "Rue \"É\"".into(), zip: None, at: (0.1, 2.0) };
    let push = |entity| Push {
        address: address.clone(),
        entity,
        sides: HashMap::from([(Side::Right, 2), (Side::Left, 1)]),
        note: Some("a\tb".into()),
    };
    for (entity, json) in [
        (Entity::Nothing, r#""Nothing""#),
        (Entity::Customer(u64::MAX), r#"{"Customer": 18446744073709551615}"#),
        (Entity::Order { id: -7, lines: vec![1, 2] }, r#"{"Order": {"lines": [1, 2], "id": -7}}"#),
    ] {
        let json = format!(
            r#"[{{"zip": null, "at": [0.1, 2], "street": "Rue \"\u00c9\""}}, {json},
               {{"Left": 1, "Right": 2}}, "a\tb"]"#
        );
        let key = push(entity).unique_key().unwrap().unwrap();
        assert_eq!(UniqueKey::from_json("crm.push", &json).unwrap(), key, "{json}");
    }

    let pull = Pull { store: -1, address: Some(Address { zip: Some(75_001), ..address }) };
    let json =
        r#"{"address": {"street": "Rue \"É\"", "at": [0.1, 2.0], "zip": 75001}, "store": -1}"#;
    let key = pull.unique_key().unwrap().unwrap();
    assert_eq!(UniqueKey::from_json("crm.pull", json).unwrap(), key);
    let other = json.replace("75001", "75002");
    assert_ne!(UniqueKey::from_json("crm.pull", &other).unwrap(), key);
}

/// The derive cannot use the crate that uses it, so what it reads durations by is there twice.
#[test]
fn the_derive_reads_durations_as_everybody_does() {
    let read = |path: &str| {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    assert_eq!(read("macros/src/duration.rs"), read("src/duration/grammar.rs"));
}
