//! One attempt to condense a customer's text: the same for every driver.
//!
//! It can be killed at any point and done again: it reads the text, asks the model, and saves the answer in
//! one statement that finds the row only while that text is still the customer's.

use std::time::Duration;

use jobq_core::{Clock, JobContext, JobError, JobResult, SystemClock};
use jobq_worker::State;
use tracing::{info, warn};

use crate::app::App;
use crate::customer::{ContextStatus, Customer};
use crate::db::StoreError;
use crate::job::CondenseContext;
use crate::model::ModelError;

/// How an attempt has ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller has to tell all of them apart")]
pub enum Done {
    /// The context is what the model has made of the text.
    Condensed,
    /// The model had nothing to say: the original text stays.
    Empty,
    /// Nothing was asked, or the answer was thrown away: the text is not the customer's any more, or it was
    /// condensed before, or there is no such customer.
    Overtaken,
}

/// Why an attempt has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// In words.
    pub message: String,
    /// How long the model's server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether there is no use in another attempt.
    pub is_final: bool,
}

impl Fault {
    fn passing(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry_after: None, is_final: false }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::passing(JobError::from(error).to_string())
    }
}

impl From<ModelError> for Fault {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Failing { message, retry_after } => {
                Self { message, retry_after, is_final: false }
            }
            ModelError::Refused(message) => Self { message, retry_after: None, is_final: true },
        }
    }
}

/// The handler of [`CondenseContext`].
///
/// # Errors
///
/// As [`attempt`]; each means another attempt, or that the job is dead.
pub async fn condense_context(
    job: CondenseContext,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult {
    match attempt(&app, job, cx.attempt(), cx.is_last_attempt()).await {
        Ok(Done::Condensed | Done::Empty) => Ok(()),
        Ok(Done::Overtaken) => {
            Err(JobError::discard("there is nothing to condense, or another text by now"))
        }
        Err(Fault { message, is_final: true, .. }) => Err(JobError::dead(message)),
        Err(Fault { message, retry_after: Some(delay), .. }) => {
            Err(JobError::retry_after(delay, message))
        }
        Err(Fault { message, .. }) => Err(JobError::retry(message)),
    }
}

/// One attempt. When no other one follows, the customer is told why its original text stays.
///
/// Cancel safe: dropped, the customer's text is condensed or it is not.
///
/// # Errors
///
/// When the model or the database fails.
pub async fn attempt(
    app: &App,
    job: CondenseContext,
    number: u32,
    is_last: bool,
) -> Result<Done, Fault> {
    let CondenseContext { customer: id, revision } = job;
    // The newest text, whichever it was when the job was enqueued: of two edits at once the job of the older
    // may be enqueued last, and take the place of the newer one's.
    let customer = app.store.customer(id).await?;
    let customer = customer.filter(|customer| customer.context_status != ContextStatus::Condensed);
    let Some(customer) = customer else {
        info!(customer = %id, revision, attempt = number, "nothing to condense any more");
        return Ok(Done::Overtaken);
    };
    let done = condense(app, &customer, number).await;
    let Err(fault) = &done else { return done };
    let (revision, why) = (customer.revision, fault.message.as_str());
    if is_last || fault.is_final {
        let is_kept = app.store.keep_original(customer.text(), why).await?;
        warn!(customer = %id, revision, attempt = number, why, is_kept, "the original text stays");
    } else {
        warn!(customer = %id, revision, attempt = number, why, "condensing failed, to be tried again");
    }
    done
}

async fn condense(app: &App, customer: &Customer, attempt: u32) -> Result<Done, Fault> {
    let (id, revision) = (customer.id, customer.revision);
    let chars_in = customer.original_text.chars().count();
    info!(customer = %id, revision, attempt, chars_in, "condensing begins");

    let answer = app.model.condense(&customer.original_text).await?;
    if answer.is_empty() {
        let is_kept =
            app.store.keep_original(customer.text(), "the model's answer is empty").await?;
        info!(customer = %id, revision, attempt, chars_out = 0, "the original text stays");
        return Ok(if is_kept { Done::Empty } else { Done::Overtaken });
    }
    let chars_out = answer.chars().count();
    let now = SystemClock::default().now();
    if app.store.save_condensed(customer.text(), &answer, now).await? {
        info!(customer = %id, revision, attempt, chars_out, "condensing ended");
        Ok(Done::Condensed)
    } else {
        info!(customer = %id, revision, attempt, chars_out, "the answer came too late for its text");
        Ok(Done::Overtaken)
    }
}
