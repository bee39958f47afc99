//! A CRM to try things out with: a real HTTP server that remembers records and requests, and can be told
//! to be slow, to fail, to ask for a rest, and to die in the middle.
//!
//! It speaks as [Tide](crate::crm) under `/tide/STORE` and as Harbor under `/harbor/STORE`; the key of a
//! store is `key-STORE`. It allows any number of requests: its log is what shows whether a limit was kept.
//!
//! | request | |
//! | --- | --- |
//! | `GET /log` | all requests with the instant of their arrival, one JSON object a line |
//! | `GET /summary` | how many requests, records and duplicates there are |
//! | `POST /faults` | `{"fault": "fail", "times": 3, "store": 1, "method": "POST"}`: what to do with the next such requests |

mod api;
mod books;
mod control;
mod faults;
mod line;
mod log;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use http_server::OwnThread;
use jobq_core::{Clock, SystemClock, Timestamp};

pub use books::{Brand, Remote, Summary};
pub use faults::{Chances, Fault, Plan};
pub use log::Request;

use self::books::Books;
use self::faults::Faults;
use self::line::Lines;
use self::log::Log;

/// What the server remembers. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Crm {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    books: Books,
    faults: Faults,
    log: Log,
}

impl Crm {
    /// A CRM that knows nothing, and goes wrong by chance as `chances` say.
    #[must_use]
    pub fn new(chances: Chances) -> Self {
        let state = State { faults: Faults::new(chances), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Writes every request that is over to a file too, one JSON object a line.
    pub fn log_to(&self, file: std::fs::File) {
        self.state().log.write_to(file);
    }

    /// Says what to do with some of the next requests.
    pub fn plan(&self, plan: Plan) {
        self.state().faults.plan(plan);
    }

    /// Adds what a second record of the same name would look like if creations were not the same by
    /// their key: makes the CRM forget the keys it has seen.
    pub fn forget_keys(&self) {
        self.state().books.forget_keys();
    }

    /// All requests so far, by their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state().log.requests().to_vec()
    }

    /// How many requests, records and duplicates there are.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let state = self.state();
        state.books.summary(state.log.requests().len() as u64)
    }

    /// The records of a store that are called so, by their ids.
    #[must_use]
    pub fn records(&self, brand: Brand, store: u32, reference: &str) -> Vec<(String, Remote)> {
        self.state().books.called(brand, store, reference)
    }

    /// Changes a record as somebody who works with the CRM does. `false` if it is not there.
    #[must_use]
    pub fn edit(
        &self,
        brand: Brand,
        store: u32,
        id: &str,
        edit: impl FnOnce(&mut serde_json::Value),
    ) -> bool {
        self.state().books.edit(brand, store, id, edit)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

/// A running server; it ends, and its connections with it, when this is dropped.
///
/// It has a thread of its own: what else goes on in the process must not make a request look later than
/// it was.
#[derive(Debug)]
pub struct Server(OwnThread);

impl Server {
    /// Serves `crm` at an address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// When the address is not to be had.
    pub fn start(crm: Crm, address: SocketAddr) -> io::Result<Self> {
        let app: Router = api::router().merge(control::router()).with_state(crm);
        let service = app.into_make_service_with_connect_info::<line::Line>();
        let serve = async |listener| axum::serve(Lines(listener), service).await;
        OwnThread::start("stub-crm", address, serve).map(Self)
    }

    /// Where it is: `http://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }
}
