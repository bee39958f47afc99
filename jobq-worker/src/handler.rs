//! What can be registered as a handler: plain functions, async or blocking.

use std::pin::Pin;
use std::sync::Arc;

use jobq_core::{IntoOutcome, Job, JobError, Outcome};

use crate::extract::{FromContext, HandlerScope};
use crate::state::States;

/// A handler that runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// An async function that runs jobs of type `J`: `async fn(J, …) -> impl IntoOutcome`, with up to five
/// [extractors](FromContext) after the job. It is implemented for functions and closures.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler",
    note = "a handler is an `async fn(job, …) -> JobResult` whose first argument is the job and whose others \
            are extractors such as `State<T>` and `JobContext`; its future must be `Send`",
    note = "for a plain `fn` use `.handle_blocking(…)`"
)]
pub trait Handler<J, Args>: Send + Sync + 'static {
    /// Calls the function. An error is one of an extractor.
    #[doc(hidden)]
    fn call(
        &self,
        job: J,
        scope: &HandlerScope<'_>,
    ) -> Result<Pin<Box<dyn Future<Output = Outcome> + Send>>, JobError>;

    /// Adds what its extractors miss.
    #[doc(hidden)]
    fn check(states: &States, faults: &mut Vec<String>);
}

/// A plain function that runs jobs of type `J` on a thread where it may block: `fn(J, …) -> impl
/// IntoOutcome`, with up to five [extractors](FromContext) after the job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a blocking handler",
    label = "not a blocking handler",
    note = "a blocking handler is a plain `fn(job, …) -> JobResult` whose first argument is the job and whose \
            others are extractors such as `State<T>` and `JobContext`",
    note = "for an `async fn` use `.handle(…)`"
)]
pub trait BlockingHandler<J, Args>: Send + Sync + 'static {
    /// Prepares the call of the function. An error is one of an extractor.
    #[doc(hidden)]
    fn prepare(
        self: Arc<Self>,
        job: J,
        scope: &HandlerScope<'_>,
    ) -> Result<Box<dyn FnOnce() -> Outcome + Send>, JobError>;

    /// Adds what its extractors miss.
    #[doc(hidden)]
    fn check(states: &States, faults: &mut Vec<String>);
}

macro_rules! functions {
    ($($extractor:ident),*) => {
        impl<F, J, Fut, $($extractor),*> Handler<J, ($($extractor,)*)> for F
        where
            F: Fn(J, $($extractor),*) -> Fut + Send + Sync + 'static,
            J: Job,
            Fut: Future + Send + 'static,
            Fut::Output: IntoOutcome,
            $($extractor: FromContext,)*
        {
            #[allow(unused_variables, reason = "a function without extractors needs no scope")]
            fn call(&self, job: J, scope: &HandlerScope<'_>) -> Result<Running, JobError> {
                let future = self(job, $($extractor::from_context(scope)?),*);
                Ok(Box::pin(async move { future.await.into_outcome() }))
            }

            #[allow(unused_variables, reason = "a function without extractors misses nothing")]
            fn check(states: &States, faults: &mut Vec<String>) {
                $(faults.extend($extractor::check(states).err());)*
            }
        }

        impl<F, J, R, $($extractor),*> BlockingHandler<J, ($($extractor,)*)> for F
        where
            F: Fn(J, $($extractor),*) -> R + Send + Sync + 'static,
            J: Job,
            R: IntoOutcome,
            $($extractor: FromContext + 'static,)*
        {
            #[allow(unused_variables, non_snake_case, reason = "types and values share their names here")]
            fn prepare(
                self: Arc<Self>,
                job: J,
                scope: &HandlerScope<'_>,
            ) -> Result<Box<dyn FnOnce() -> Outcome + Send>, JobError> {
                $(let $extractor = $extractor::from_context(scope)?;)*
                Ok(Box::new(move || self(job, $($extractor),*).into_outcome()))
            }

            #[allow(unused_variables, reason = "a function without extractors misses nothing")]
            fn check(states: &States, faults: &mut Vec<String>) {
                $(faults.extend($extractor::check(states).err());)*
            }
        }
    };
}

functions!();
functions!(E1);
functions!(E1, E2);
functions!(E1, E2, E3);
functions!(E1, E2, E3, E4);
functions!(E1, E2, E3, E4, E5);
