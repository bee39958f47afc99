//! Hostile payloads and texts: what people and programs hand in is read, or refused with a word of why.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

use std::fmt::Display;
use std::str::FromStr;

use jobq_core::fuzz::Fuzz;
use jobq_core::{
    BatchId, BatchRef, Error, ErrorKind, GroupName, JobId, JobRef, JobState, Kind, LaneKey,
    LimitName, Metadata, Payload, QueueName, Rate, Result, ScheduleName, UniqueKey, duration,
};
use serde::{Deserialize, Serialize};

fn corpus(name: &str) -> Fuzz {
    Fuzz::corpus(format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR")))
}

fn assert_told(error: &Error) {
    let text = error.to_string();
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidInput), "{text}");
    // Whoever hands in much gets to see a part of it.
    assert!(text.len() > 10 && text.len() < 1_000, "{} bytes: {text:.200}", text.len());
}

fn told<T>(answer: Result<T>) -> Option<T> {
    answer.inspect_err(assert_told).ok()
}

/// A job as a shop might have it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    user: u64,
    name: Option<String>,
    #[serde(default)]
    items: Vec<f32>,
    #[serde(default)]
    kind: Way,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Way {
    #[default]
    Post,
    Courier {
        number: u32,
    },
    Pickup(String, [u8; 4]),
}

#[test]
fn a_payload_is_decoded_or_refused() {
    let order = Order {
        user: 42,
        name: Some("Zoë".into()),
        items: vec![1.0, 2.5],
        kind: Way::Pickup("north".into(), [1, 2, 3, 255]),
    };
    let courier =
        Order { user: 1, name: None, items: Vec::new(), kind: Way::Courier { number: 7 } };
    let fuzz = corpus("payload").input(Payload::encode(&order).unwrap().as_bytes());
    fuzz.input(Payload::encode(&courier).unwrap().as_bytes()).run(|bytes| {
        let payload = Payload::from_bytes(bytes.to_vec()).unwrap();
        told(payload.decode::<()>());
        told(payload.decode::<Metadata>());
        told(payload.to_json());
        if let Some(order) = told(payload.decode::<Order>()) {
            let again: Order = Payload::encode(&order).unwrap().decode().unwrap();
            // A number that is none is not equal to itself.
            assert_eq!(format!("{again:?}"), format!("{order:?}"));
        }
    });
}

#[test]
fn json_becomes_a_payload_and_json_again_or_is_refused() {
    corpus("json")
        .words(["{", "}", "[", "]", "\"", ":", ",", "1e999", "-0.0", "\\ud800"])
        .run_text(|json| {
            let key = told(UniqueKey::from_json("k", json));
            let Some(payload) = told(Payload::from_json(json)) else { return };

            let shown = payload.to_json().unwrap();
            let again = Payload::from_json(&shown).unwrap();
            assert_eq!(again, payload, "{json} was shown as {shown}");
            // A number of more digits than a payload keeps has a key of its own.
            let is_exact =
                json.split(|c: char| !c.is_ascii_digit()).all(|digits| digits.len() < 16);
            if let Some(key) = key.filter(|_| is_exact) {
                assert_eq!(
                    UniqueKey::from_json("k", &shown).unwrap(),
                    key,
                    "{json} was shown as {shown}"
                );
            }
        });
}

/// What is read from a text is shown as a text that reads as the same.
fn reads_as_shown<T: FromStr<Err = Error> + Display + PartialEq>(text: &str) {
    if let Some(value) = told(text.parse::<T>()) {
        let shown = value.to_string();
        let again = shown.parse::<T>();
        assert!(again.is_ok_and(|again| again == value), "{text:?} was shown as {shown:?}");
    }
}

#[test]
fn texts_of_people_are_read_as_they_are_shown_or_refused() {
    let words = [
        "/min",
        " burst ",
        " sliding",
        "ms",
        "1d",
        "12h",
        "/",
        "_",
        "-",
        "99999999999999999999",
        "\u{130}",
    ];
    corpus("text").words(words).run_text(|text| {
        reads_as_shown::<JobId>(text);
        reads_as_shown::<JobRef>(text);
        reads_as_shown::<BatchId>(text);
        reads_as_shown::<BatchRef>(text);
        reads_as_shown::<UniqueKey>(text);
        reads_as_shown::<QueueName>(text);
        reads_as_shown::<GroupName>(text);
        reads_as_shown::<LimitName>(text);
        reads_as_shown::<ScheduleName>(text);
        reads_as_shown::<Kind>(text);
        reads_as_shown::<LaneKey>(text);
        reads_as_shown::<Rate>(text);
        reads_as_shown::<JobState>(text);
        if let Some(time) = told(duration::parse(text)) {
            assert_eq!(duration::parse(&duration::text(time)).unwrap(), time, "{text:?}");
        }
    });
}
