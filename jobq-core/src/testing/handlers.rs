//! What runs jobs in a test.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;

use crate::backoff::Backoff;
use crate::context::JobContext;
use crate::job::Job;
use crate::name::Kind;
use crate::outcome::IntoOutcome;
use crate::payload::OlderPayload;
use crate::verdict::Ending;

/// What runs jobs in a test: [a function](handler) for one type of job, several of these as a tuple, or the
/// registry of a worker.
pub trait Handlers: Send + Sync {
    /// How long a job of this kind waits after a failure; `None` for a kind that it does not run.
    fn backoff(&self, kind: &Kind) -> Option<Backoff>;

    /// Runs one attempt, of a kind that it runs. A panic of the handler passes through.
    fn run(&self, context: JobContext) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>>;
}

/// Runs jobs of type `J` by a function of the job and its context.
pub const fn handler<J, F, Fut>(function: F) -> Single<J, F>
where
    J: Job,
    F: Fn(J, JobContext) -> Fut + Send + Sync,
    Fut: Future<Output: IntoOutcome> + Send,
{
    Single { function, job: PhantomData }
}

/// Runs one type of job: see [`handler`].
pub struct Single<J, F> {
    function: F,
    job: PhantomData<fn(J)>,
}

impl<J, F, Fut> Handlers for Single<J, F>
where
    J: Job,
    F: Fn(J, JobContext) -> Fut + Send + Sync,
    Fut: Future<Output: IntoOutcome> + Send,
{
    fn backoff(&self, kind: &Kind) -> Option<Backoff> {
        (kind.as_str() == J::KIND).then_some(J::BACKOFF)
    }

    fn run(&self, context: JobContext) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        Box::pin(async move {
            let record = &context.lease().job;
            if record.version > J::VERSION {
                let newer = format!("version {} is newer than the handler's", record.version);
                return Ending::Undecodable(newer);
            }
            let decoded = if record.version < J::VERSION {
                J::upcast(OlderPayload::new(record.version, record.payload.clone()))
            } else {
                record.payload.decode()
            };
            match decoded {
                Ok(job) => Ending::Returned((self.function)(job, context).await.into_outcome()),
                Err(fault) => Ending::Undecodable(fault.to_string()),
            }
        })
    }
}

impl<J: Job, F> fmt::Debug for Single<J, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Single").field(&J::KIND).finish()
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Handlers),+> Handlers for ($($name,)+) {
            #[expect(non_snake_case, reason = "the types' names name the values")]
            fn backoff(&self, kind: &Kind) -> Option<Backoff> {
                let ($($name,)+) = self;
                None$(.or_else(|| $name.backoff(kind)))+
            }

            #[expect(non_snake_case, reason = "the types' names name the values")]
            fn run(&self, context: JobContext) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
                let ($($name,)+) = self;
                $(if $name.backoff(context.kind()).is_some() {
                    return $name.run(context);
                })+
                let unknown = format!("nothing runs kind {:?}", context.kind().as_str());
                Box::pin(async move { Ending::Undecodable(unknown) })
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
