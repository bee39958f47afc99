//! `jobq jobs show`: all that is known of a job.

use jobq_core::inspect::JobView;
use jobq_core::{Job, JobRecord, duration};
use serde_json::Value;

use super::{output, view};
use crate::cli::connect::Address;
use crate::cli::exit::Failure;
use crate::cli::http::Http;
use crate::cli::named::OneJob;

/// How much of a payload or a result is shown to people.
const SHOWN: usize = 2_000;

/// What `jobs show` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: OneJob,
    /// One JSON object with all of its payload, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    args.of.check()?;
    let store = address.connect().await?;
    let view = match store.find(&args.of.job, args.of.queue.as_ref()).await? {
        Some(job) => store.inspect.job(&job.queue, job.id).await?,
        None => None,
    };
    let Some(view) = view else { return Err(args.of.absent(&store).await) };
    if args.json {
        output::json(&view::whole_as_json(&view))?;
    } else {
        output::line(&text(&view))?;
    }
    Ok(())
}

fn text(job: &JobView) -> String {
    let record = &job.record;
    if let Some(why) = &job.unreadable {
        return unreadable(job, why);
    }
    let mut lines = vec![format!("job {}/{}", record.queue, record.id)];
    let mut fact = |name: &str, value: String| {
        lines.push(format!("  {name:<12} {}", output::printable(&value)));
    };
    fact("kind", record.kind.to_string());
    fact(
        "state",
        match view::time(job) {
            Some(time) => format!("{}, {time}", job.state),
            None => job.state.to_string(),
        },
    );
    fact("enqueued at", record.enqueued_at.to_string());
    fact("attempts", format!("{} of {} failed", job.failed_attempts, record.max_attempts));
    if job.crashes > 0 {
        fact("crashes", format!("{} of {}", job.crashes, record.max_crashes));
    }
    if let Some((worker, token)) = job.held_by {
        fact("held by", format!("worker {worker}, token {}", token.as_u64()));
    }
    if job.cancel_requested {
        fact("cancel", "asked for".to_owned());
    }
    fact("priority", record.priority.level().to_string());
    if let Some(lane) = &record.lane {
        fact("lane", format!("{lane}, cost {}", record.cost));
    }
    if let Some(timeout) = record.timeout {
        fact("timeout", duration::text(timeout));
    }
    if let Some(retention) = record.retention {
        fact("retention", duration::text(retention));
    }
    if let Some(unique) = &record.unique {
        fact("unique key", unique.key.to_string());
    }
    if let Some(batch) = &record.batch {
        fact("batch", batch.to_string());
    }
    if let Some(progress) = &job.report.progress {
        let of = if progress.total > 0 { format!(" of {}", progress.total) } else { String::new() };
        fact("progress", format!("{}{of}  {}", progress.done, progress.message).trim_end().into());
    }
    let is_http = record.kind.as_str() == Http::KIND;
    fact("payload", shown(record.payload.as_bytes(), if is_http { masked } else { |value| value }));
    if let Some(result) = &job.result {
        fact("result", shown(result, |value| value));
    }
    for failure in job.history.failures() {
        lines.push(format!(
            "  {} attempt {}: {}: {}",
            failure.at,
            failure.attempt,
            failure.kind,
            output::printable(&failure.message)
        ));
    }
    for line in &job.report.log {
        let text = output::printable(&line.text);
        lines.push(format!("  {} attempt {} log: {text}", line.at, line.attempt));
    }
    lines.join("\n")
}

/// What a request of kind `http` would be, without what opens a door: a screen is seen by many.
fn masked(mut request: Value) -> Value {
    if let Some(Value::String(url)) = request.get_mut("url")
        && let Some((scheme, rest)) = url.split_once("://")
    {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if let Some(at) = rest[..end].rfind('@') {
            *url = format!("{scheme}://…{}", &rest[at..]);
        }
    }
    if let Some(Value::Object(headers)) = request.get_mut("headers") {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let is_key = ["authorization", "cookie", "token", "secret", "api-key", "apikey"]
                .iter()
                .any(|part| name.contains(part));
            if is_key {
                *value = Value::from("…");
            }
        }
    }
    request
}

/// What is known of a job that cannot be read, and what to do about it.
fn unreadable(job: &JobView, why: &str) -> String {
    let JobRecord { queue, id, .. } = &job.record;
    let time = view::time(job).map(|time| format!(", {time}")).unwrap_or_default();
    format!(
        "job {queue}/{id}\n\
         \x20 state        {}{time}\n\
         \x20 unreadable   {}\n\
         What is stored of it was overwritten, or a newer jobq wrote it: upgrade this one, or delete the job by \
         `jobq jobs delete {queue}/{id}`.",
        job.state,
        output::printable(why),
    )
}

fn shown(bytes: &[u8], masked: fn(Value) -> Value) -> String {
    match view::decoded(bytes).map(masked) {
        Some(value) => {
            let text = value.to_string();
            if text.chars().count() <= SHOWN {
                return text;
            }
            let cut: String = text.chars().take(SHOWN).collect();
            format!("{cut}… ({} bytes; all of it by --json)", bytes.len())
        }
        None => format!("{} bytes that are not readable as JSON", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use jobq_core::{Failure as Fault, FailureKind, JobState, Kind, Payload};
    use jobq_core::{LaneKey, QueueName, Timestamp, WorkerId};

    use super::*;

    fn dead_job() -> JobView {
        let id = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e".parse().unwrap();
        let payload = Payload::from_json(r#"{"user": 42}"#).unwrap();
        let queue = QueueName::new("mail").unwrap();
        let mut record = JobRecord::new(id, queue, Kind::new("hello").unwrap(), payload);
        record.lane = Some(LaneKey::new(7).unwrap());
        let mut job = JobView::new(record, JobState::Dead);
        job.at = Some(Timestamp::from_millis(60_000));
        job.failed_attempts = 5;
        let (at, worker) = (Timestamp::from_millis(60_000), WorkerId::from_u64(1));
        job.history.push(Fault::new(FailureKind::Error, 5, at, worker, "no route"));
        job.report.push_line(at, 5, "begun");
        job
    }

    #[test]
    fn all_that_is_known_is_told() {
        assert_eq!(
            text(&dead_job()),
            "job mail/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e\n\
             \x20 kind         hello\n\
             \x20 state        dead, died 1970-01-01T00:01:00.000Z\n\
             \x20 enqueued at  1970-01-01T00:00:00.000Z\n\
             \x20 attempts     5 of 5 failed\n\
             \x20 priority     0\n\
             \x20 lane         7, cost 1\n\
             \x20 payload      {\"user\":42}\n\
             \x20 1970-01-01T00:01:00.000Z attempt 5: error: no route\n\
             \x20 1970-01-01T00:01:00.000Z attempt 5 log: begun"
        );
        let json = view::whole_as_json(&dead_job());
        assert_eq!(json["payload"]["user"], 42);
        assert_eq!(json["failures"][0]["message"], "no route");
        assert_eq!(json["log"][0]["text"], "begun");
    }

    #[test]
    fn a_job_that_cannot_be_read_says_why_and_what_to_do() {
        let mut job = dead_job();
        job.unreadable = Some("stored record end too early".to_owned());

        assert_eq!(
            text(&job),
            "job mail/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e\n\
             \x20 state        dead, died 1970-01-01T00:01:00.000Z\n\
             \x20 unreadable   stored record end too early\n\
             What is stored of it was overwritten, or a newer jobq wrote it: upgrade this one, or delete the \
             job by `jobq jobs delete mail/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e`."
        );
        assert_eq!(view::as_json(&job)["unreadable"], "stored record end too early");
    }

    #[test]
    fn what_a_job_has_written_neither_moves_the_cursor_nor_begins_a_line() {
        let mut job = dead_job();
        let (at, worker) = (Timestamp::from_millis(60_000), WorkerId::from_u64(1));
        let said = "\u{1b}[2J\n  state        completed\r";
        job.history.push(Fault::new(FailureKind::Error, 5, at, worker, said));
        job.report.push_line(at, 5, said);

        let told = text(&job);

        assert_eq!(told.lines().count(), text(&dead_job()).lines().count() + 2);
        assert_eq!(told.matches(r"\u{1b}[2J\n  state        completed\r").count(), 2, "{told}");
        assert!(!told.contains('\u{1b}') && !told.contains('\r'));
    }

    #[test]
    fn what_opens_a_door_is_not_shown_of_a_request() {
        let mut job = dead_job();
        job.record.kind = Kind::new("http").unwrap();
        job.record.payload = Payload::from_json(
            r#"{"url":"https://user:hunter2@example.com/a@b?c=d","headers":{"Authorization":"Bearer hunter2",
            "X-Api-Key":"hunter2","Cookie":"a=hunter2","idempotency-key":"7"}}"#,
        )
        .unwrap();

        let told = text(&job);

        assert!(!told.contains("hunter2"), "{told}");
        assert!(told.contains("https://…@example.com/a@b?c=d") && told.contains("\"7\""), "{told}");
        // Programs are given what was enqueued.
        assert!(view::whole_as_json(&job).to_string().contains("user:hunter2@"));
    }

    #[test]
    fn a_long_payload_is_cut_and_says_so() {
        let long = Payload::from_json(&format!("[\"{}\"]", "x".repeat(9_000))).unwrap();
        let text = shown(long.as_bytes(), |value| value);
        assert!(text.len() < 2_100 && text.ends_with("bytes; all of it by --json)"), "{text}");
        assert_eq!(shown(&[0xc1], |value| value), "1 bytes that are not readable as JSON");
    }
}
