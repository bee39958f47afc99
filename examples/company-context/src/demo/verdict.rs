//! What the demonstration has shown.

use std::collections::BTreeMap;
use std::time::Duration;

use program::Failure;
use serde::Serialize;

use super::stage::Stage;
use super::traffic::{Traffic, Written};
use crate::customer::{ContextStatus, Customer};
use crate::stub::{Fault, condensed};

/// What the demonstration has shown. The names are a promise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    driver: &'static str,
    database: &'static str,
    seed: u64,
    customers: u64,
    edits: u64,
    /// Customers whose context is what the model made of their newest text.
    condensed: u64,
    /// Customers whose context is their newest text, because the model could not condense it.
    originals_kept: u64,
    /// Customers whose newest text is not there to the letter, or who are not there at all.
    originals_lost: u64,
    /// Answers that the model gave to a text after a newer one had been stored.
    stale_answers: u64,
    /// Customers whose context comes from an older text.
    stale_overwrites: u64,
    /// Customers whose context is anything else.
    wrong_contexts: u64,
    pending: u64,
    failed_jobs: u64,
    model_requests: u64,
    model_faults: BTreeMap<Fault, u64>,
    mean_answer_ms: f64,
    slowest_answer_ms: f64,
    seconds: f64,
}

impl Verdict {
    pub(super) async fn of(
        stage: &Stage,
        traffic: &Traffic,
        seed: u64,
        elapsed: Duration,
    ) -> Result<Self, Failure> {
        let summary = stage.model.summary();
        let answers = &traffic.answers;
        let total: Duration = answers.iter().sum();
        let mean = total.div_f64(count(answers.len()).max(1.0));
        let slowest = answers.iter().max().copied().unwrap_or_default();
        let mut verdict = Self {
            driver: stage.driver,
            database: stage.database,
            seed,
            customers: 0,
            edits: 0,
            condensed: 0,
            originals_kept: 0,
            originals_lost: 0,
            stale_answers: 0,
            stale_overwrites: 0,
            wrong_contexts: 0,
            pending: 0,
            failed_jobs: stage.failed_jobs().await?,
            model_requests: summary.requests,
            model_faults: summary.faults,
            mean_answer_ms: tenths(mean.as_secs_f64() * 1_000.0),
            slowest_answer_ms: tenths(slowest.as_secs_f64() * 1_000.0),
            seconds: tenths(elapsed.as_secs_f64()),
        };
        for written in &traffic.customers {
            verdict.customers += 1;
            verdict.edits += written.texts.len() as u64 - 1;
            match stage.store.customer(written.id).await? {
                Some(customer) => verdict.check(written, &customer),
                None => verdict.originals_lost += 1,
            }
        }
        let overtaken = |text: &str| {
            traffic.customers.iter().any(|written| written.overtaken.as_deref() == Some(text))
        };
        let calls = stage.model.calls();
        let stale = calls.iter().filter(|call| {
            call.fault == Some(Fault::Hold) && call.status == Some(200) && overtaken(&call.text)
        });
        verdict.stale_answers = stale.count() as u64;
        Ok(verdict)
    }

    fn check(&mut self, written: &Written, customer: &Customer) {
        let Some((newest, older)) = written.texts.split_last() else { return };
        let context = &customer.company_context;
        self.originals_lost += u64::from(customer.original_text != *newest);
        if older.iter().any(|text| context == text || *context == condensed(text)) {
            self.stale_overwrites += 1;
            return;
        }
        match customer.context_status {
            ContextStatus::Condensed if *context == condensed(newest) => self.condensed += 1,
            ContextStatus::Kept if context == newest => self.originals_kept += 1,
            ContextStatus::Pending if context == newest => self.pending += 1,
            _ => self.wrong_contexts += 1,
        }
    }

    /// Whether every customer's context is what it should be.
    pub(super) const fn is_kept(&self) -> bool {
        self.originals_lost == 0
            && self.stale_overwrites == 0
            && self.wrong_contexts == 0
            && self.pending == 0
            && self.condensed + self.originals_kept == self.customers
    }

    pub(super) fn text(&self) -> String {
        let faults: Vec<String> =
            self.model_faults.iter().map(|(fault, n)| format!("{n} {fault:?}")).collect();
        format!(
            "{} customers and {} edits, each answered in {} ms ({} ms at most)\n\
             {} condensed, {} kept as they were written, {} pending\n\
             {} answers to texts that were edited meanwhile, {} stale overwrites\n\
             {} originals lost, {} wrong contexts\n\
             {} requests to the model, of which went wrong: {}\n\
             {} s",
            self.customers,
            self.edits,
            self.mean_answer_ms,
            self.slowest_answer_ms,
            self.condensed,
            self.originals_kept,
            self.pending,
            self.stale_answers,
            self.stale_overwrites,
            self.originals_lost,
            self.wrong_contexts,
            self.model_requests,
            faults.join(", "),
            self.seconds
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "a mean for people")]
const fn count(number: usize) -> f64 {
    number as f64
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
