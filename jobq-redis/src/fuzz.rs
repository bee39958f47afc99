//! Hostile bytes for all that is read from the server: records, facts, marks, limits and the answers of scripts.
//!
//! A server is trusted to a point: an operator's slip, a newer version or a broken disk may put anything there. What
//! cannot be read is an error with a text, for the one job that it is of, and never a panic.

use jobq_core::fuzz::Fuzz;
use jobq_core::{
    Error, ErrorKind, JobId, JobRecord, Kind, NewJob, Payload, QueueName, Result, When,
};
use redis::Value;

use crate::past::Facts;
use crate::{batches, limits, record, reply, schedules, standing, view, watch};

fn corpus(name: &str) -> Fuzz {
    Fuzz::corpus(format!("{}/tests/fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR")))
}

fn queue() -> QueueName {
    QueueName::new("mail").unwrap()
}

/// An error that a person can do something with.
fn assert_told(error: &Error) {
    let text = error.to_string();
    let kinds = [ErrorKind::Corrupt, ErrorKind::InvalidInput, ErrorKind::Limited];
    assert!(kinds.contains(&error.kind()), "{:?}: {text}", error.kind());
    assert!(text.len() > 10 && text.len() < 2_000, "{text}");
}

/// What was read, or nothing if that was told.
fn told<T>(answer: Result<T>) -> Option<T> {
    answer.inspect_err(assert_told).ok()
}

#[test]
fn a_record_is_read_as_it_is_written_or_refused() {
    corpus("records").run(|bytes| {
        let id = JobId::from_key("a");
        let Some(read) = told(record::decode(id, &queue(), bytes)) else { return };

        let written = record::encode(&read, read.enqueued_at);
        let again = record::decode(id, &queue(), &written).unwrap();
        assert_eq!(again, read);
        assert_eq!(record::enqueued_at(&written).unwrap(), read.enqueued_at);
        assert!(read.payload.as_bytes().len() <= bytes.len());
    });
}

#[test]
fn facts_are_read_as_they_are_written_or_refused() {
    corpus("facts").run(|bytes| {
        let Some(read) = told(Facts::decode(bytes)) else { return };

        assert_eq!(Facts::decode(&read.encode()).unwrap(), read);
        assert!(read.encode().len() <= bytes.len().max(4) * 4, "more came out than went in");
    });
}

#[test]
fn a_mark_of_a_schedule_is_read_or_refused() {
    corpus("marks").run(|bytes| {
        told(schedules::mark_in(bytes));
    });
}

#[test]
fn limits_are_read_as_they_are_written_or_refused() {
    use jobq_core::{Breaker, LimitName, Limits, Rate};
    use std::time::Duration;

    let minute = Duration::from_secs(60);
    let full = Limits::new()
        .concurrency(5)
        .max_size(1 << 33)
        .weight(7)
        .breaker(Breaker::new(3, minute))
        .shared(LimitName::new("api").unwrap())
        .rate(Rate::bucket(9, minute, 3));
    let fuzz = corpus("facts").input(limits::encode(&full)).input(limits::encode(&Limits::new()));
    fuzz.run(|bytes| {
        let Some(read) = told(limits::decode(bytes)) else { return };

        assert_eq!(limits::decode(&limits::encode(&read)).unwrap(), read);
    });
}

/// Each answer goes to all that take answers apart: another version may answer in another form.
#[test]
fn an_answer_of_a_script_is_understood_or_refused() {
    let (id, queue) = (JobId::from_key("a"), queue());
    let kind = Kind::new("send").unwrap();
    let payload = Payload::from_bytes(vec![0xc0]).unwrap();
    let job = NewJob::new(JobRecord::new(id, queue.clone(), kind, payload), When::Now);

    corpus("replies").words(["\r\n", "$-1\r\n", "*0\r\n", "*-1\r\n", ":-1\r\n", "$0\r\n\r\n"]).run(
        |bytes| {
            let Ok(answer) = redis::parse_redis_value(bytes) else { return };
            let value = || answer.clone();
            told(reply::list(value()));
            told(reply::bytes(value()));
            told(reply::text(value()));
            told(reply::count(value()));
            told(reply::optional_count(value()));
            told(reply::id(value()));
            told(reply::text_pairs(value()));
            told(reply::pairs(value()));
            told(reply::scored(value()));
            told(batches::view(&queue, value()));
            told(view::view(&queue, value()));
            told(standing::block(value(), &queue));
            told(limits::lane_view(value()));
            told(watch::sighting(id, value()));
            for part in reply::list(value()).unwrap_or_default() {
                if let Value::BulkString(bytes) = part {
                    told(reply::job_ref(&bytes, &queue));
                    reply::holder(&bytes);
                    told(schedules::enqueued(&job, &bytes));
                    told(batches::job_in(&bytes));
                }
            }
        },
    );
}
