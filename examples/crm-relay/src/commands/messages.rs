//! What people do with messages: send, retry, look, prune.

use std::process::ExitCode;
use std::sync::Arc;

use program::{Failure, shown};
use serde_json::json;
use serde_json::value::RawValue;

use super::{open, open_known};
use crate::cli::{MetricsArgs, PlacesArgs, PruneArgs, RetryArgs, SendArgs};
use crate::db::{Enqueued, Store};
use crate::jobs::PruneMessages;
use crate::message::NewOutbox;
use crate::queue::OpenQueue;
use crate::report;

/// How many failed messages one step puts back.
const STEP: u32 = 500;

pub(super) async fn send(args: &SendArgs) -> Result<(), Failure> {
    let data: &RawValue = serde_json::from_str(&args.data)
        .map_err(|error| Failure::usage(format!("--data is no JSON: {error}")))?;
    let new = NewOutbox::of_json(&args.destination, &args.event, data.get(), args.key.as_deref())?;
    OpenQueue::check(&args.places.queue)?;
    let store = open(&args.places.database.url()?).await?;
    let told = match store.enqueue(new).await? {
        Enqueued::New { id, message_id } => {
            hand_over(&args.places, &store).await;
            json!({"id": id, "message_id": message_id, "status": "pending", "duplicate": false})
        }
        Enqueued::Repeated(known) => json!({
            "id": known.id, "message_id": known.message_id, "status": known.status,
            "duplicate": true
        }),
        Enqueued::Different => {
            let message = "another message to this destination has the same key";
            return Err(Failure::usage(message));
        }
    };
    report::tell(&told.to_string())
}

/// Hands what was stored to a queue that others see, so that they are woken at once. It is stored by now, so
/// that whatever goes wrong here is put right by the next relay.
async fn hand_over(places: &PlacesArgs, store: &Store) {
    let handed = async {
        let queue = OpenQueue::open(&places.queue).await?;
        if !queue.is_memory() {
            store.relay(Arc::clone(&queue.backend)).run_once().await?;
        }
        Ok::<_, Failure>(())
    };
    if let Err(failure) = handed.await {
        report::warn(&format!("stored, and not yet handed to its queue: {failure}"));
    }
}

pub(super) async fn retry(args: &RetryArgs) -> Result<ExitCode, Failure> {
    // First of all: a mistake in one must not leave the others half done.
    let number = |text: &String| {
        text.parse::<i64>().map_err(|_| {
            let message = format!("{:?} is no number of a message", shown(text));
            Failure::usage(message)
        })
    };
    let is_all = args.messages.iter().any(|text| text == "all");
    let ids = args.messages.iter().filter(|text| *text != "all").map(number);
    let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
    OpenQueue::check(&args.places.queue)?;
    let store = open_known(&args.places.database.url()?).await?;
    let mut left = 0_u64;
    if is_all {
        let (mut after, mut put_back) = (0, 0_u64);
        loop {
            let page = store.failed_outbox(after, STEP).await?;
            let Some(last) = page.last() else { break };
            after = *last;
            for id in page {
                put_back += u64::from(store.put_back(id).await?);
            }
        }
        report::tell(&format!("{put_back} put back"))?;
    } else {
        for id in ids {
            let is_back = store.put_back(id).await?;
            left += u64::from(!is_back);
            let told = match is_back {
                true => "put back",
                false if store.outbox_message(id).await?.is_none() => "there is no such message",
                false => "has not failed: left as it is",
            };
            report::tell(&format!("{id}  {told}"))?;
        }
    }
    hand_over(&args.places, &store).await;
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) async fn metrics(args: &MetricsArgs) -> Result<(), Failure> {
    let metrics = open_known(&args.database.url()?).await?.metrics().await?;
    report::tell(&json!(metrics).to_string())
}

pub(super) async fn prune(args: &PruneArgs) -> Result<(), Failure> {
    let store = open(&args.database.url()?).await?;
    let pruned = store.prune(PruneMessages { days: args.keep_days }.age()).await?;
    report::tell(&format!(
        "{} inbox and {} outbox messages pruned, and {} notes of jobs",
        pruned.inbox, pruned.outbox, pruned.jobs
    ))?;
    Ok(())
}
