//! A language model to try things out with: a real HTTP server that condenses by cutting, and can be told to
//! be slow, to fail, to hang, to answer nonsense or nothing, and to break off in the middle.
//!
//! It speaks as Ollama does, at `POST /api/chat`. What goes wrong follows from its seed, the text, and how
//! often it was asked for this text, so that it is the same in whichever order the requests come.
//!
//! | request | |
//! | --- | --- |
//! | `GET /summary` | how many requests there were, and what was wrong with them |
//! | `POST /faults` | `{"fault": "hold", "times": 3, "text": "word"}`: what to do with the next such requests |
//! | `POST /release` | `{"text": "word"}`: answers what is held of such texts |

mod chat;
mod control;
mod faults;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use http_server::OwnThread;
use serde::Serialize;
use tokio::sync::broadcast;

pub use chat::condensed;
pub use faults::{Chances, Fault, Plan};

use self::faults::Faults;

/// How many releases a request may be late to see.
const RELEASES: usize = 10_000;

/// What the server remembers. Clones are the same.
#[derive(Clone, Debug)]
pub struct StubModel {
    state: Arc<Mutex<State>>,
    /// Which texts' requests are let go.
    released: broadcast::Sender<String>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    /// How often each text was asked for.
    asked: HashMap<String, u32>,
    calls: Vec<Call>,
}

/// A request that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The text to condense.
    pub text: String,
    /// The model that was asked for.
    pub model: String,
    /// What goes wrong with it.
    pub fault: Option<Fault>,
    /// The status it was answered with; `None` while it is not.
    pub status: Option<u16>,
}

/// How many requests there were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// All of them.
    pub requests: u64,
    /// Those for which something went wrong, by what it was.
    pub faults: BTreeMap<Fault, u64>,
}

impl StubModel {
    /// A model that goes wrong by chance as `chances` say.
    #[must_use]
    pub fn new(chances: Chances) -> Self {
        let state = State { faults: Faults::new(chances), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), released: broadcast::Sender::new(RELEASES) }
    }

    /// Says what to do with some of the next requests.
    pub fn plan(&self, plan: Plan) {
        self.state().faults.plan(plan);
    }

    /// Makes the server forget what it was to do with the next requests.
    pub fn forget_plans(&self) {
        self.state().faults.forget_plans();
    }

    /// Answers what is held of texts that hold this.
    pub fn release(&self, text: &str) {
        // Nobody may be held.
        let _ = self.released.send(text.to_owned());
    }

    /// All requests so far, by their arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many requests for a text have arrived.
    #[must_use]
    pub fn asked(&self, text: &str) -> u32 {
        self.state().asked.get(text).copied().unwrap_or(0)
    }

    /// How many requests there were, and what was wrong with them.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let state = self.state();
        let mut summary = Summary::default();
        for call in &state.calls {
            summary.requests += 1;
            if let Some(fault) = call.fault {
                *summary.faults.entry(fault).or_default() += 1;
            }
        }
        summary
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server; it ends, and its connections with it, when this is dropped.
///
/// It has a thread of its own: what else goes on in the process must not make the model slower.
#[derive(Debug)]
pub struct Server(OwnThread);

impl Server {
    /// Serves `model` at an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address is not to be had.
    pub fn start(model: StubModel, address: SocketAddr) -> io::Result<Self> {
        let app: Router = chat::router().merge(control::router()).with_state(model);
        let serve = async |listener| axum::serve(listener, app).await;
        OwnThread::start("stub-model", address, serve).map(Self)
    }

    /// The model's endpoint: `http://127.0.0.1:4711/api`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}/api", self.0.address())
    }
}
