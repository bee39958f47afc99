//! What a handler can ask for beside its job.

use jobq_core::{Cancellation, JobContext, JobError, Token};

use crate::state::States;

/// What extractors draw from: the attempt, and what the worker's handlers share.
#[derive(Clone, Copy, Debug)]
pub struct HandlerScope<'a> {
    context: &'a JobContext,
    states: &'a States,
}

impl<'a> HandlerScope<'a> {
    pub(crate) const fn new(context: &'a JobContext, states: &'a States) -> Self {
        Self { context, states }
    }

    /// The attempt.
    #[must_use]
    pub const fn context(&self) -> &'a JobContext {
        self.context
    }

    /// The registered state of type `T`.
    #[must_use]
    pub fn state<T: 'static>(&self) -> Option<&'a T> {
        self.states.get()
    }
}

/// An argument of a handler after its job: [`State`](crate::State), [`JobContext`], the fencing
/// [`Token`], the [`Cancellation`], or a type of your own.
#[diagnostic::on_unimplemented(
    message = "a handler cannot ask for `{Self}`",
    label = "not an extractor",
    note = "after the job a handler may take `State<T>`, `JobContext`, `Token`, `Cancellation`, or a type \
            that implements `FromContext`"
)]
pub trait FromContext: Sized + Send {
    /// Draws the value from the attempt.
    ///
    /// # Errors
    ///
    /// The error ends the attempt as if the handler had returned it.
    fn from_context(scope: &HandlerScope<'_>) -> Result<Self, JobError>;

    /// Whether it can ever succeed; asked once, before the worker starts.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing; the worker then refuses to start.
    fn check(states: &States) -> Result<(), String> {
        let _ = states;
        Ok(())
    }
}

impl FromContext for JobContext {
    fn from_context(scope: &HandlerScope<'_>) -> Result<Self, JobError> {
        Ok(scope.context.clone())
    }
}

impl FromContext for Token {
    fn from_context(scope: &HandlerScope<'_>) -> Result<Self, JobError> {
        Ok(scope.context.token())
    }
}

impl FromContext for Cancellation {
    fn from_context(scope: &HandlerScope<'_>) -> Result<Self, JobError> {
        Ok(scope.context.cancellation().clone())
    }
}
