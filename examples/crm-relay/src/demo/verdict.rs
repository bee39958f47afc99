//! What the demonstration has shown.

use std::collections::BTreeMap;
use std::time::Duration;

use program::Failure;
use serde::Serialize;

use super::stage::{SHOP, Stage};
use super::traffic::Traffic;
use crate::message::OutboxStatus;

/// What the demonstration has shown. The names are a promise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    queue: &'static str,
    database: &'static str,
    seed: u64,
    /// Messages that came in, without repeats.
    inbox: u64,
    processed: u64,
    inbox_failed: u64,
    /// Messages to be delivered, without repeats.
    outbox: u64,
    sent: u64,
    outbox_failed: u64,
    /// Why the failed ones have failed, by the class of the last error.
    errors: BTreeMap<String, u64>,
    /// Requests that were a repeat of an earlier one.
    repeats: u64,
    /// Deliveries that the webhooks have seen.
    deliveries: u64,
    /// Those of them that came again after the webhook had taken the message.
    repeated_deliveries: u64,
    /// Messages without an end, or of which nothing is known any more.
    lost: u64,
    /// Messages that are said to be sent, and whose webhook has not taken them.
    sent_for_nothing: u64,
    /// Messages that came to a webhook under two keys, or contacts with too many or too few changes.
    not_once: u64,
    /// Deliveries whose signature was not right.
    unverified: u64,
    /// What was left when everything was pruned that had ended well.
    left_after_prune: u64,
    mean_answer_ms: f64,
    seconds: f64,
}

impl Verdict {
    pub(super) async fn of(
        stage: Stage,
        traffic: &Traffic,
        seed: u64,
        elapsed: Duration,
    ) -> Result<Self, Failure> {
        let Stage { store, receiver, service, queue, database, .. } = stage;
        service.stop().await?;
        let (deliveries, effects) = (receiver.deliveries(), receiver.effects());
        let count = |what: &dyn Fn(&crate::stub::Delivery) -> bool| {
            deliveries.iter().filter(|delivery| what(delivery)).count() as u64
        };
        let metrics = store.metrics().await?;
        let of = |numbers: &crate::db::Numbers, word| {
            numbers.by_status.get(word).copied().unwrap_or_default()
        };
        let total: Duration = traffic.answers.iter().sum();
        let answers = u32::try_from(traffic.answers.len()).unwrap_or(u32::MAX).max(1);
        let mut verdict = Self {
            queue,
            database,
            seed,
            inbox: traffic.came,
            processed: of(&metrics.inbox, "processed"),
            inbox_failed: of(&metrics.inbox, "failed"),
            outbox: traffic.went.len() as u64,
            sent: of(&metrics.outbox, "sent"),
            outbox_failed: of(&metrics.outbox, "failed"),
            errors: BTreeMap::new(),
            repeats: traffic.repeats,
            deliveries: deliveries.len() as u64,
            repeated_deliveries: count(&|delivery| delivery.is_repeat),
            lost: 0,
            sent_for_nothing: 0,
            not_once: receiver.under_other_keys(),
            unverified: count(&|delivery| delivery.checked.is_err()),
            left_after_prune: 0,
            mean_answer_ms: tenths((total / answers).as_secs_f64() * 1_000.0),
            seconds: tenths(elapsed.as_secs_f64()),
        };
        verdict.lost = traffic.came.abs_diff(verdict.processed + verdict.inbox_failed)
            + traffic.unknown.abs_diff(verdict.inbox_failed);
        for id in traffic.went.keys() {
            let Some(message) = store.outbox_message(*id).await? else {
                verdict.lost += 1;
                continue;
            };
            match message.status {
                OutboxStatus::Sent => {
                    verdict.sent_for_nothing +=
                        u64::from(!effects.contains_key(&message.message_id));
                }
                OutboxStatus::Failed => {
                    let error = message.last_error.unwrap_or_default();
                    let class = error.split(':').next().unwrap_or_default().to_owned();
                    *verdict.errors.entry(class).or_default() += 1;
                }
                OutboxStatus::Pending | OutboxStatus::Sending => verdict.lost += 1,
            }
        }
        for (contact, messages) in &traffic.contacts {
            let told = store.contact(SHOP, contact).await?.map_or(0, |(messages, _)| messages);
            verdict.not_once += u64::from(told != *messages);
        }
        store.prune(Duration::ZERO).await?;
        let left = store.metrics().await?;
        verdict.left_after_prune = of(&left.inbox, "processed") + of(&left.outbox, "sent");
        Ok(verdict)
    }

    /// Whether every promise was kept.
    pub(super) const fn is_kept(&self) -> bool {
        self.lost == 0
            && self.sent_for_nothing == 0
            && self.not_once == 0
            && self.unverified == 0
            && self.left_after_prune == 0
    }

    pub(super) fn text(&self) -> String {
        let errors: Vec<String> =
            self.errors.iter().map(|(class, count)| format!("{count} {class}")).collect();
        format!(
            "{} messages came in, {} repeated requests of both sorts, each answered in {} ms\n\
             {} processed, {} failed: nothing is known of what they say\n\
             {} messages to deliver: {} sent, {} failed ({})\n\
             {} deliveries, {} of them again after the webhook had taken the message\n\
             {} lost, {} sent for nothing, {} not done once, {} unverified, {} left after pruning\n\
             {} s",
            self.inbox,
            self.repeats,
            self.mean_answer_ms,
            self.processed,
            self.inbox_failed,
            self.outbox,
            self.sent,
            self.outbox_failed,
            errors.join(", "),
            self.deliveries,
            self.repeated_deliveries,
            self.lost,
            self.sent_for_nothing,
            self.not_once,
            self.unverified,
            self.left_after_prune,
            self.seconds
        )
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
