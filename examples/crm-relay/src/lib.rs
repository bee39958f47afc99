//! An inbox and an outbox of CRM messages, in the background: one of five business systems on jobq.
//!
//! Messages that come in are stored and acknowledged at once, and processed later. Messages that go out are
//! stored by whoever has something to say, and delivered later: by HTTP POST, signed, until the receiver has
//! them or says that it never will.
//!
//! Read [`db`] first: why a message and its job are there together or not at all. Then [`deliver`]: one
//! attempt, and what becomes of it; [`signature`]: what a receiver checks; and [`patrol`]: why no message is
//! forgotten, whatever becomes of its queue.
//!
//! How it starts, prints and fails is in [`program`], how a database is asked in [`sql_store`], and what its API
//! refuses in [`http_server`]: the examples share them.
//!
//! [`Service`] is all of it in one process, over whatever database and queue it is given:
//!
//! ```no_run
//! use crm_relay::db::Store;
//! use crm_relay::message::NewOutbox;
//! use crm_relay::{OpenQueue, Service, Setup, WorkSetup};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("sqlite://crm.db").await?;
//! let queue = OpenQueue::open("memory:").await?;
//! let work = Some(WorkSetup::default());
//! let service = Service::start(Setup { store: store.clone(), queue, api: None, work }).await?;
//! let data = serde_json::json!({"name": "Ada"});
//! store.enqueue(NewOutbox::new("shop", "contact.updated", &data, None)?).await?;
//! service.nudge();
//! println!("{}", service.tally().next_pass().await);   // processed 0, sent 1, failed 0
//! service.stop().await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod app;
pub mod cli;
mod commands;
mod contacts;
mod courier;
pub mod db;
pub mod deliver;
mod demo;
pub mod input;
pub mod jobs;
pub mod message;
mod pass;
pub mod patrol;
pub mod process;
mod queue;
mod report;
pub mod retry_after;
mod same_data;
mod service;
pub mod signature;
pub mod stub;
mod tally;
mod trouble;
pub mod upkeep;

pub use api::Token;
pub use app::{App, Policy};
pub use commands::run;
pub use courier::Courier;
pub use pass::{Once, once};
pub use queue::{OpenQueue, Upkeep};
pub use service::{ApiSetup, Service, Setup, WorkSetup};
pub use tally::{Pass, Tally};
