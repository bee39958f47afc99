//! Hostile texts for schedules, and hostile bytes for what is stored of them.

use jobq_core::fuzz::Fuzz;
use jobq_core::{Error, ErrorKind, JobId, JobRecord, Kind, Payload, QueueName, Result, Timestamp};

use crate::definition::Definition;
use crate::zone::Zone;
use crate::{CatchUp, Overlap, Schedule, instant};

fn corpus(name: &str) -> Fuzz {
    Fuzz::corpus(format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR")))
}

fn told<T>(answer: Result<T>) -> Option<T> {
    let assert_told = |error: &Error| {
        let text = error.to_string();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidInput), "{text}");
        assert!(text.len() > 10 && !text.contains('\n'), "{text}");
    };
    answer.inspect_err(assert_told).ok()
}

/// 2026-11-22, about noon.
const NOW: Timestamp = Timestamp::from_millis(1_795_348_800_000);

fn assert_ticks_go_forward(schedule: &Schedule) {
    let Some(timing) = told(schedule.timing()) else { return };
    let ticks: Vec<Timestamp> = timing.ticks_after(NOW).take(5).collect();
    assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
    assert!(ticks.first().is_none_or(|first| *first > NOW), "{ticks:?}");
    if let Some(first) = ticks.first() {
        assert!(timing.previous_before(*first).is_none_or(|before| before <= NOW), "{ticks:?}");
    }
}

#[test]
fn a_text_is_a_schedule_a_policy_a_zone_or_an_instant_or_is_refused() {
    let words =
        ["*/", "L", "W", "#", "MON-", ",", " * ", "@", "within ", "all ", "99999999999", "\u{130}"];
    corpus("texts").words(words).run_text(|text| {
        assert_ticks_go_forward(&Schedule::cron(text));
        assert_ticks_go_forward(&Schedule::cron(text).timezone("Europe/Warsaw"));
        assert_ticks_go_forward(&Schedule::daily_at(text));
        told(Zone::named(text));
        told(text.parse::<Overlap>());
        if let Some(catch_up) = told(text.parse::<CatchUp>()) {
            assert_eq!(catch_up.to_string().parse::<CatchUp>().unwrap(), catch_up, "{text}");
        }
        if let Some(read) = told(instant::parse(text)) {
            let whole = Timestamp::from_millis(read.as_millis() / 1_000 * 1_000);
            assert_eq!(instant::parse(&instant::text(read, None)).unwrap(), whole, "{text}");
        }
    });
}

#[test]
fn a_stored_definition_is_read_as_it_is_written_or_refused() {
    let queue = QueueName::new("mail").unwrap();
    let payload = Payload::encode(&("a", 1)).unwrap();
    let record = JobRecord::new(JobId::from_key("a"), queue, Kind::new("send").unwrap(), payload);
    let plan = |schedule: Schedule| crate::definition::Plan::new(&schedule, &record).unwrap();
    let definitions = [
        plan(Schedule::cron("0 2 * * *").timezone("Europe/Warsaw").catch_up(CatchUp::all(24))),
        plan(Schedule::every(std::time::Duration::from_secs(60)).without_overlapping()),
    ];
    let first = corpus("texts");
    let fuzz = definitions.into_iter().fold(first, |fuzz, plan| {
        fuzz.input(Definition::new(plan, crate::Source::Code, NOW).encode())
    });
    fuzz.run(|bytes| {
        let Some(read) = told(Definition::decode(bytes)) else { return };

        let again = Definition::decode(&read.encode()).unwrap();
        assert_eq!(again.encode(), read.encode());
        told(read.plan.timing());
        told(read.plan.record());
        told(read.queues());
    });
}
