//! The handlers of a registry, run by the test kit of `jobq-core`.

use std::pin::Pin;

use jobq_core::verdict::Ending;
use jobq_core::{Backoff, JobContext, Kind};

use crate::events::Chain;
use crate::layer;
use crate::registry::{Handlers, Registry, Unstarted};

impl Registry {
    /// The handlers, with their states and layers, for a [`TestQueue`](jobq_core::testing::TestQueue): a test runs just
    /// what the program's workers run. Behind the feature `testing`.
    ///
    /// ```
    /// use jobq_core::testing::{End, TestQueue};
    /// use jobq_core::{Job, Queue};
    /// use jobq_worker::{Registry, State};
    /// # use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Job)]
    /// struct Greet { name: String }
    ///
    /// async fn greet(job: Greet, State(greeting): State<&'static str>) {
    ///     println!("{greeting}, {}", job.name);
    /// }
    ///
    /// /// What the program gives to its worker, too.
    /// fn registry() -> Registry {
    ///     Registry::new().state("good morning").handle(greet)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let queue = TestQueue::new();
    /// queue.enqueue(Greet { name: "Ada".to_owned() }).await?;
    ///
    /// let ran = queue.drain(&registry().for_tests()).await;
    ///
    /// assert_eq!(ran[0].end, End::Completed);
    /// # Ok::<(), jobq_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// With all mistakes of the registry, such as a state that nobody has set.
    pub fn for_tests(self) -> TestHandlers {
        let mut faults = Vec::new();
        let handlers = self.finish(&mut faults);
        assert!(faults.is_empty(), "the registry is not complete: {}", faults.join("; "));
        TestHandlers(handlers)
    }
}

/// The handlers of a registry: see [`Registry::for_tests`].
#[derive(Debug)]
pub struct TestHandlers(Handlers);

impl jobq_core::testing::Handlers for TestHandlers {
    fn backoff(&self, kind: &Kind) -> Option<Backoff> {
        // Newer versions are told apart when it runs.
        Some(self.0.entry(self.0.find(kind, 0)?).backoff)
    }

    fn run(&self, context: JobContext) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        Box::pin(async move {
            let record = &context.lease().job;
            let Some(index) = self.0.find(&record.kind, record.version) else {
                let version = record.version;
                return Ending::Undecodable(format!(
                    "version {version} is newer than the handler's"
                ));
            };
            match self.0.entry(index).start(&context, &self.0.states) {
                Ok(handler) => {
                    Ending::Returned(layer::wrap(&self.0.layers, &context, handler).await)
                }
                Err(Unstarted::Refused(outcome)) => Ending::Returned(outcome),
                Err(Unstarted::Undecodable(error)) => {
                    Ending::Undecodable(Chain(&error).to_string())
                }
            }
        })
    }
}
