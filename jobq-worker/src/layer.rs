//! What is wrapped around every attempt: layers, in the manner of tower.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use jobq_core::{JobContext, Outcome};

use tracing::Instrument;

use crate::events::attempt_span;
use crate::handler::Running;

/// Something done around every attempt: measuring, logging, a transaction, a circuit breaker.
///
/// Implemented for closures, so a small one needs no type:
///
/// ```
/// # use jobq_core::JobContext;
/// # use jobq_worker::{InnerAttempt, Registry};
/// # let registry = Registry::new();
/// registry.layer(|context: JobContext, inner: InnerAttempt| async move {
///     println!("{} starts", context.id());
///     inner.run().await
/// })
/// # ;
/// ```
///
/// The job has been decoded and the handler's extractors have run when a layer is called; the handler's
/// code has not. A layer that does not run what is inside must return an outcome of its own. A panic
/// from inside passes through it. It sees only what the handler said: the worker may still turn it into
/// something else, because the attempt timed out, say.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "not a layer",
    note = "a layer implements `Layer`, or is a closure `|context: JobContext, inner: InnerAttempt| async move {{ … }}` \
            that returns an `Outcome`"
)]
pub trait Layer: Send + Sync + 'static {
    /// Runs the attempt, and returns how it ended.
    fn call(
        &self,
        context: JobContext,
        inner: InnerAttempt,
    ) -> impl Future<Output = Outcome> + Send;
}

impl<F, Fut> Layer for F
where
    F: Fn(JobContext, InnerAttempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    fn call(
        &self,
        context: JobContext,
        inner: InnerAttempt,
    ) -> impl Future<Output = Outcome> + Send {
        self(context, inner)
    }
}

/// What is inside a layer: the layers below it, and at last the handler.
pub struct InnerAttempt {
    layers: Layers,
    depth: usize,
    context: JobContext,
    handler: Running,
}

impl InnerAttempt {
    /// Goes on inwards. Dropping the future stops the handler where it is.
    pub async fn run(mut self) -> Outcome {
        match self.layers.get(self.depth).cloned() {
            Some(layer) => {
                self.depth += 1;
                let context = self.context.clone();
                layer.call(context, self).await
            }
            None => self.handler.await,
        }
    }
}

impl fmt::Debug for InnerAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InnerAttempt").field("context", &self.context).finish_non_exhaustive()
    }
}

/// All layers, outermost first.
pub(crate) type Layers = Arc<[Arc<dyn DynLayer>]>;

/// Wraps all layers around a handler, and the built-in one around those: a span that says which job it
/// is. Without layers and with spans disabled it costs nothing.
pub(crate) fn wrap(layers: &Layers, context: &JobContext, handler: Running) -> Running {
    let handler = if layers.is_empty() {
        handler
    } else {
        let inner = InnerAttempt {
            layers: Arc::clone(layers),
            depth: 0,
            context: context.clone(),
            handler,
        };
        Box::pin(inner.run())
    };
    let span = attempt_span(context);
    if span.is_disabled() { handler } else { Box::pin(handler.instrument(span)) }
}

/// A layer of any type.
pub(crate) trait DynLayer: Send + Sync {
    fn call(
        self: Arc<Self>,
        context: JobContext,
        inner: InnerAttempt,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}

impl<L: Layer> DynLayer for L {
    fn call(self: Arc<Self>, context: JobContext, inner: InnerAttempt) -> Running {
        Box::pin(async move { Layer::call(&*self, context, inner).await })
    }
}
