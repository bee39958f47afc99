//! Bulk updates of leads in the background, behind an HTTP API: one of five business systems on jobq.
//!
//! Read [`jobs`] first: what is done in the background. Then [`split_job`], [`change_chunk`] and
//! [`finish_job`]: how each can be killed at any point and run again. The tables are in [`db`], the API
//! is in `api`.
//!
//! How it starts, prints and fails is in [`program`], and how a database is asked in [`sql_store`]: the examples share
//! them.

mod api;
pub mod api_key;
mod app;
pub mod change_chunk;
pub mod cli;
pub mod client;
mod commands;
pub mod db;
mod feed;
pub mod finish_job;
pub mod forget_ended;
pub mod jobs;
pub mod lead_ids;
pub mod limits;
mod patrol;
mod progress;
mod queue;
pub mod receiver;
pub mod schedules;
pub mod send_webhook;
mod service;
pub mod signature;
pub mod split_job;
pub mod status;
mod verdict;
mod workers;

pub use api::Rules;
pub use app::App;
pub use commands::run;
pub use feed::Feed;
pub use patrol::Rounds;
pub use queue::{OpenQueue, Scheduling};
pub use service::{Service, Setup};
pub use verdict::{FailedLead, Fault};
pub use workers::{lead_worker, webhook_worker};
